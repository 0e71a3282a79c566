package focus_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/focus"
	"stackusage/shared/meter"
)

func TestWrite(t *testing.T) {
	carried := line(t)
	carried.CarriedFrom, carried.Quantity = day(t, "2020-02-28"), quantity(t, "-2.5")
	free := line(t)
	free.MeterClass, free.Tags = meter.Admin, "a, b"
	unknown := line(t)
	unknown.MeterID = "b5c15376-6c94-4fdd-b655-1a69d138aca3"
	result, name := export(t, line(t), carried, free, unknown)
	if diff := cmp.Diff(focus.Result{Lines: 3, Unpriced: 1, Files: []string{name + ".unpriced.csv", name + ".csv", name + ".parquet"}}, result); diff != "" {
		t.Error(diff)
	}
	names, rows := records(t, name+".csv")
	if !slices.IsSorted(names) || len(names) != 57+12 {
		t.Errorf("%d columns: %v", len(names), names)
	}
	want := map[string]string{
		"BilledCost": "0.000411535647488199175", "BillingAccountId": "/subscriptions/7a1f6e0c", "BillingAccountName": "hamburg", "BillingAccountType": "Azure subscription",
		"BillingCurrency": "USD", "BillingPeriodEnd": "2020-04-01T00:00:00Z", "BillingPeriodStart": "2020-03-01T00:00:00Z", "ChargeCategory": "Usage",
		"ChargeDescription": "TableCapacity", "ChargeFrequency": "Usage-Based", "ChargePeriodEnd": "2020-03-11T00:00:00Z", "ChargePeriodStart": "2020-03-10T00:00:00Z",
		"ConsumedQuantity": "16.461425899527967", "ConsumedUnit": "GB-Hours", "ContractedCost": "0.000411535647488199175", "ContractedUnitPrice": "0.000025",
		"EffectiveCost": "0.000411535647488199175", "InvoiceIssuerName": "Microsoft", "ListCost": "0.000411535647488199175", "ListUnitPrice": "0.000025",
		"PricingCategory": "Standard", "PricingCurrency": "USD", "PricingCurrencyContractedUnitPrice": "0.000025", "PricingCurrencyEffectiveCost": "0.000411535647488199175",
		"PricingCurrencyListUnitPrice": "0.000025", "PricingQuantity": "16.461425899527967", "PricingUnit": "GB-Hours", "ProviderName": "Microsoft", "PublisherName": "Microsoft",
		"RegionId": "northwest", "RegionName": "northwest", "ResourceId": line(t).ResourceURI, "ResourceName": "store", "ResourceType": "Microsoft.Storage/storageAccounts",
		"ServiceCategory": "Storage", "ServiceName": "Azure Stack Hub Storage", "ServiceSubcategory": "Storage Platforms", "SkuId": line(t).MeterID, "SkuMeter": "TableCapacity",
		"SkuPriceId": line(t).MeterID, "SubAccountId": "/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9", "SubAccountName": "09065051-cfe9-4fcf-b90c-87f2af292fc9",
		"SubAccountType": "Azure Stack Hub subscription", "Tags": `{"owner":"ops"}`, "x_BilledCost": "0.000411535647488199175", "x_BillingSubscriptionId": line(t).Subscription,
		"x_ConsumedQuantity": "16.461425899527967", "x_MeterId": line(t).MeterID, "x_PriceNote": "published as 0.018 per GB-month; a month of 720 hours",
		"x_RecordId": line(t).RecordID, "x_Registration": "hamburg", "x_State": "billed", "x_TenantId": line(t).Tenant,
	}
	if diff := cmp.Diff(want, rows[0]); diff != "" {
		t.Errorf("first line (-want +got):\n%s", diff)
	}
	for column, value := range map[string]string{"BilledCost": "-0.0000625", "ChargeClass": "Correction", "ChargePeriodStart": "2020-02-28T00:00:00Z", "BillingPeriodStart": "2020-03-01T00:00:00Z",
		"ChargeDescription": "TableCapacity, carried forward from 2020-02-28", "x_CarriedFrom": "2020-02-28"} {
		if rows[1][column] != value {
			t.Errorf("carried line: %s %q, want %q", column, rows[1][column], value)
		}
	}
	if rows[2]["BilledCost"] != "0" || rows[2]["ListUnitPrice"] != "0" || rows[2]["Tags"] != "" || rows[2]["x_UnreadableTags"] != "a, b" {
		t.Errorf("free line: %v", rows[2])
	}
	_, unpriced := records(t, name+".unpriced.csv")
	if diff := cmp.Diff([]map[string]string{{"UsageDate": "2020-03-10", "SubscriptionId": unknown.StackUser, "ResourceId": unknown.ResourceURI, "MeterId": unknown.MeterID,
		"MeterName": "TableCapacity", "Unit": "GB*hours", "Quantity": "16.461425899527967", "State": "billed", "Reason": "no published rate"}}, unpriced); diff != "" {
		t.Error(diff)
	}
}

// TestBothFilesAreTheSame: the Parquet file has the rows of the CSV file, with as many
// digits, types, and names.
func TestBothFilesAreTheSame(t *testing.T) {
	result, name := exportWith(t, fullList(t), month(t))
	names, want := records(t, name+".csv")
	kinds, got := table(t, name+".parquet")
	if result.Rounded != 0 || result.Unpriced != 0 || len(kinds) != len(names) || len(got) != len(want) || int64(len(got)) != result.Lines {
		t.Fatalf("%+v, %d columns, %d and %d rows", result, len(kinds), len(got), len(want))
	}
	for i, row := range got {
		for column, value := range row {
			if kinds[column] == "DECIMAL" && strings.Contains(value, ".") {
				row[column] = strings.TrimRight(strings.TrimRight(value, "0"), ".")
			}
		}
		if diff := cmp.Diff(want[i], row); diff != "" {
			t.Fatalf("row %d (-CSV +Parquet):\n%s", i, diff)
		}
	}
}

func TestRounding(t *testing.T) {
	large, small, even := line(t), line(t), line(t)
	large.Quantity = quantity(t, "12345678901234567890")
	small.Quantity = quantity(t, "0.1234567890123456789012345") // 25 places, where 20 whole digits leave 18
	even.Quantity = quantity(t, "-0.0000000000000000025")       // half of the last place: the even neighbour
	result, name := export(t, large, small, even)
	_, rounded := records(t, name+".rounded.csv")
	want := []map[string]string{}
	for _, l := range []map[string][2]string{
		{"Line": {"3"}, "Quantity": {"0.1234567890123456789012345", "0.123456789012345679"}, "Cost": {"0.0000030864197253086419725308625", "0.00000308641972530864197"}},
		{"Line": {"4"}, "Quantity": {"-0.0000000000000000025", "-0.000000000000000002"}, "Cost": {"-0.0000000000000000000000625", "-0.00000000000000000000006"}},
	} {
		for _, column := range []string{"BilledCost", "ConsumedQuantity", "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost", "PricingQuantity"} {
			value := l["Cost"]
			if strings.HasSuffix(column, "Quantity") {
				value = l["Quantity"]
			}
			want = append(want, map[string]string{"Line": l["Line"][0], "Column": column, "Exact": value[0], "Written": value[1]})
		}
	}
	if diff := cmp.Diff(want, rounded); diff != "" || result.Rounded != 14 {
		t.Errorf("%d rounded (-want +got):\n%s", result.Rounded, diff)
	}
	_, rows := records(t, name+".csv")
	_, cells := table(t, name+".parquet")
	if rows[1]["ConsumedQuantity"] != small.Quantity.String() || cells[1]["x_ConsumedQuantity"] != small.Quantity.String() || cells[1]["ConsumedQuantity"] != "0.123456789012345679" {
		t.Errorf("CSV %s, text %s, decimal %s", rows[1]["ConsumedQuantity"], cells[1]["x_ConsumedQuantity"], cells[1]["ConsumedQuantity"])
	}
	if cells[0]["BilledCost"] == "" || cells[0]["ListUnitPrice"] != "0.000025" {
		t.Errorf("%v", cells[0])
	}
}

// TestCarryIntoTheLastDigit: a value of nines gains a whole digit when it is rounded.
func TestCarryIntoTheLastDigit(t *testing.T) {
	l := line(t)
	l.Quantity = quantity(t, strings.Repeat("9", 19)+"."+strings.Repeat("9", 20))
	_, name := export(t, l)
	_, cells := table(t, name+".parquet")
	if want := "1" + strings.Repeat("0", 19) + "." + strings.Repeat("0", 18); cells[0]["ConsumedQuantity"] != want {
		t.Errorf("%s", cells[0]["ConsumedQuantity"])
	}
}

func TestWriteFails(t *testing.T) {
	huge, nameless := line(t), line(t)
	huge.Quantity = quantity(t, "1234567890123456789012345e20")
	nameless.Account.Name = ""
	broken := errors.New("storage is away")
	for name, c := range map[string]struct {
		lines iter.Seq2[focus.Line, error]
		want  string
	}{
		"39 whole digits":    {sequence([]focus.Line{line(t), huge}), "day 2020-03-10, line 1: BilledCost 3086419725308641972530862500000000000000 has more than 38 whole digits"},
		"no billing account": {sequence([]focus.Line{nameless}), "day 2020-03-10, line 1: the billing account has no ID, name or type"},
		"storage":            {func(yield func(focus.Line, error) bool) { _ = yield(line(t), nil) && yield(focus.Line{}, broken) }, "storage is away"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := focus.Write(t.Context(), focus.Options{Name: filepath.Join(dir, "march"), Prices: list(t)}, c.lines)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %s", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := focus.Write(ctx, focus.Options{Name: filepath.Join(t.TempDir(), "march")}, sequence([]focus.Line{line(t)})); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestSideFilesOfBefore: a file of unpriced or rounded values is that of this export.
func TestSideFilesOfBefore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "march")
	unknown := line(t)
	unknown.MeterID = "b5c15376-6c94-4fdd-b655-1a69d138aca3"
	for _, lines := range [][]focus.Line{{unknown}, {line(t)}} {
		_, err := focus.Write(t.Context(), focus.Options{Name: name, Prices: list(t)}, sequence(lines))
		ok(t, err)
	}
	if _, err := os.Stat(name + ".unpriced.csv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestThePage: docs/formats/focus.md has every column and every service.
func TestThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/focus.md")
	ok(t, err)
	_, name := exportWith(t, fullList(t), month(t))
	names, rows := records(t, name+".csv")
	for _, row := range rows {
		names = append(names, row["ServiceName"], row["ServiceCategory"], row["ServiceSubcategory"])
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "| "+name+" |") {
			t.Errorf("the page does not have %s", name)
		}
	}
}

// BenchmarkWrite writes a month of lines of 10,000 resources.
func BenchmarkWrite(b *testing.B) {
	some := month(b)
	list := fullList(b)
	lines := 0
	sequence := func(yield func(focus.Line, error) bool) {
		for b.Loop() {
			l := some[lines%len(some)]
			l.ResourceURI = fmt.Sprintf("%s%d", l.ResourceURI, lines%10_000)
			l.RecordID = fmt.Sprintf("92813f4d-eee2-5eec-b866-%012x", lines)
			if lines++; !yield(l, nil) {
				return
			}
		}
	}
	_, err := focus.Write(b.Context(), focus.Options{Name: filepath.Join(b.TempDir(), "march"), Prices: list}, sequence)
	ok(b, err)
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}
