package focus

import (
	"strings"
	"time"

	"stackusage/shared/parquet"
	"stackusage/shared/prices"
	"stackusage/shared/usage"
)

// row is a line that has a price.
type row struct {
	*Line
	price    prices.Price
	cost     usage.Quantity // exact
	currency string
}

// measure groups the columns that have the same values, and so the same digits.
type measure int

const (
	none measure = iota
	quantities
	costs
	rates
)

// column is one of the files. Without text it is null in every row.
type column struct {
	name    string
	kind    parquet.Kind
	measure measure
	text    func(r row) string // empty: null
}

// vendor provides, publishes and invoices what is billed.
const vendor = "Microsoft"

func text(name string, of func(r row) string) column { return column{name: name, text: of} }
func fixed(name, value string) column                { return text(name, func(row) string { return value }) }
func null(name string) column                        { return column{name: name} }

func instant(name string, of func(r row) time.Time) column {
	return column{name: name, kind: parquet.Time, text: func(r row) string { return of(r).Format(time.RFC3339) }}
}

func decimal(name string, m measure) column {
	return column{name: name, kind: parquet.Decimal, measure: m, text: map[measure]func(r row) string{
		quantities: func(r row) string { return r.Quantity.String() },
		costs:      func(r row) string { return r.cost.String() },
		rates:      func(r row) string { return r.price.Rate.String() },
	}[m]}
}

// columns are those of FOCUS 1.2 in the order of their names, and ours after them.
var columns = []column{
	null("AvailabilityZone"),
	decimal("BilledCost", costs),
	text("BillingAccountId", func(r row) string { return r.Account.ID }),
	text("BillingAccountName", func(r row) string { return r.Account.Name }),
	text("BillingAccountType", func(r row) string { return r.Account.Type }),
	text("BillingCurrency", func(r row) string { return r.currency }),
	instant("BillingPeriodEnd", func(r row) time.Time { return monthOf(r.Day).AddDate(0, 1, 0) }),
	instant("BillingPeriodStart", func(r row) time.Time { return monthOf(r.Day) }),
	null("CapacityReservationId"),
	null("CapacityReservationStatus"),
	fixed("ChargeCategory", "Usage"),
	text("ChargeClass", row.chargeClass),
	text("ChargeDescription", row.description),
	fixed("ChargeFrequency", "Usage-Based"),
	instant("ChargePeriodEnd", func(r row) time.Time { return r.usedOn().Next().Start() }),
	instant("ChargePeriodStart", func(r row) time.Time { return r.usedOn().Start() }),
	null("CommitmentDiscountCategory"),
	null("CommitmentDiscountId"),
	null("CommitmentDiscountName"),
	{name: "CommitmentDiscountQuantity", kind: parquet.Decimal, measure: none},
	null("CommitmentDiscountStatus"),
	null("CommitmentDiscountType"),
	null("CommitmentDiscountUnit"),
	decimal("ConsumedQuantity", quantities),
	text("ConsumedUnit", func(r row) string { return unitOf(r.Unit, r.price.Unit) }),
	decimal("ContractedCost", costs),
	decimal("ContractedUnitPrice", rates),
	decimal("EffectiveCost", costs),
	null("InvoiceId"),
	fixed("InvoiceIssuerName", vendor),
	decimal("ListCost", costs),
	decimal("ListUnitPrice", rates),
	fixed("PricingCategory", "Standard"),
	text("PricingCurrency", func(r row) string { return r.currency }),
	decimal("PricingCurrencyContractedUnitPrice", rates),
	decimal("PricingCurrencyEffectiveCost", costs),
	decimal("PricingCurrencyListUnitPrice", rates),
	decimal("PricingQuantity", quantities),
	text("PricingUnit", func(r row) string { return unitOf(r.price.Unit, r.Unit) }),
	fixed("ProviderName", vendor),
	fixed("PublisherName", vendor),
	text("RegionId", func(r row) string { return r.Location }),
	text("RegionName", func(r row) string { return r.Location }),
	text("ResourceId", func(r row) string { return r.ResourceURI }),
	text("ResourceName", func(r row) string { return resourceName(r.ResourceURI) }),
	text("ResourceType", func(r row) string { return resourceType(r.ResourceURI) }),
	text("ServiceCategory", func(r row) string { return serviceOf(r.Service).category }),
	text("ServiceName", func(r row) string { return serviceOf(r.Service).name }),
	text("ServiceSubcategory", func(r row) string { return serviceOf(r.Service).subcategory }),
	text("SkuId", row.sku),
	text("SkuMeter", row.meterName),
	null("SkuPriceDetails"),
	text("SkuPriceId", row.sku),
	text("SubAccountId", func(r row) string { return "/subscriptions/" + usage.DashedGUID(r.StackUser) }),
	text("SubAccountName", func(r row) string { return orElse(r.StackUserName, usage.DashedGUID(r.StackUser)) }),
	fixed("SubAccountType", "Azure Stack Hub subscription"),
	text("Tags", func(r row) string { tags, _ := readTags(r.Tags); return tags }),
	text("x_BilledCost", func(r row) string { return r.cost.String() }),
	text("x_BillingSubscriptionId", func(r row) string { return usage.DashedGUID(r.Subscription) }),
	text("x_CarriedFrom", row.carriedFrom),
	text("x_ConsumedQuantity", func(r row) string { return r.Quantity.String() }),
	text("x_MeterId", func(r row) string { return usage.DashedGUID(r.MeterID) }),
	text("x_PriceNote", func(r row) string { return r.price.Note }),
	text("x_RecordId", func(r row) string { return r.RecordID }),
	text("x_Registration", func(r row) string { return r.Registration }),
	text("x_State", func(r row) string { return string(r.State) }),
	text("x_TenantId", func(r row) string { return r.Tenant }),
	text("x_TenantName", func(r row) string { return r.TenantName }),
	text("x_UnreadableTags", func(r row) string { _, unreadable := readTags(r.Tags); return unreadable }),
}

func columnNames() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

func monthOf(day usage.Day) time.Time {
	t := day.Start()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// usedOn is the day of the usage.
func (r row) usedOn() usage.Day {
	if r.CarriedFrom != 0 {
		return r.CarriedFrom
	}
	return r.Day
}

// chargeClass tells what changes an earlier billing period from all other usage.
func (r row) chargeClass() string {
	if monthOf(r.usedOn()).Equal(monthOf(r.Day)) {
		return ""
	}
	return "Correction"
}

func (r row) carriedFrom() string {
	if r.CarriedFrom == 0 {
		return ""
	}
	return r.CarriedFrom.String()
}

func (r row) meterName() string {
	return orElse(orElse(r.MeterName, r.price.MeterName), "meter "+usage.DashedGUID(r.MeterID))
}

func (r row) description() string {
	if r.CarriedFrom == 0 {
		return r.meterName()
	}
	return r.meterName() + ", carried forward from " + r.CarriedFrom.String()
}

// sku is the meter that the line is billed under: the one that the price list has.
func (r row) sku() string { return usage.DashedGUID(orElse(r.price.MeterID, r.MeterID)) }

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// afterProvider is what follows the last resource provider in a URI: namespace, types and names.
func afterProvider(uri string) []string {
	parts := strings.Split(strings.Trim(uri, "/"), "/")
	for i := len(parts) - 2; i >= 0; i-- {
		if strings.EqualFold(parts[i], "providers") {
			return parts[i+1:]
		}
	}
	return nil
}

func resourceName(uri string) string {
	uri = strings.TrimRight(uri, "/")
	return uri[strings.LastIndex(uri, "/")+1:]
}

// resourceType is namespace and types, Microsoft.Compute/virtualMachines. A resource
// without a provider is a subscription or a resource group.
func resourceType(uri string) string {
	if uri == "" {
		return ""
	}
	parts := afterProvider(uri)
	if len(parts) < 2 {
		if parts := strings.Split(strings.Trim(uri, "/"), "/"); len(parts) > 1 {
			return parts[len(parts)-2]
		}
		return "resource"
	}
	types := parts[:1]
	for i := 1; i < len(parts); i += 2 {
		types = append(types[:len(types):len(types)], parts[i])
	}
	return strings.Join(types, "/")
}
