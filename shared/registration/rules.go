package registration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"stackusage/shared/usage"
)

// What may be charged for what. Later releases of the product allow more; then a
// row here changes, and no code.
var (
	kindsOf = map[StackKind][]SubscriptionKind{
		Integrated: {EA, CSP},
		ASDK:       {EA, PayAsYouGo, CSP, MSDN},
	}
	modelsOf = map[StackKind][]BillingModel{
		Integrated: {PayAsYouUse, Capacity},
		ASDK:       {Development},
	}
	clouds = map[string]bool{ // whether a subscription of the cloud can be charged
		AzureCloud: true, "AzureUSGovernment": false, "AzureGermanCloud": false, "AzureChinaCloud": false,
	}
	mustReport = map[BillingModel]bool{PayAsYouUse: true}
	reports    = map[BillingModel]bool{PayAsYouUse: true, Development: true} // unless asked otherwise
)

// Reports is whether a billing model reports usage when nobody says anything.
func (m BillingModel) Reports() bool { return reports[m] }

// Candidate is what the rules judge: an entry that is to join a history.
type Candidate struct {
	History      History
	Holder       string // the cloudId that has the registration's name; empty: none
	Registration Registration
	Mapping      *Mapping // nil: the entry is Registration; else that is what holds on the mapping's day
	Removes      bool     // the mapping ends

	Infrastructure *InfrastructureEntry
	Provider       *Provider
}

// Validate is the Rejection of the first rule that an entry breaks.
func Validate(c Candidate) error {
	switch {
	case c.Mapping != nil:
		return firstBroken(mappingRules, c, false)
	case c.Infrastructure != nil:
		return firstBroken(infrastructureRules, c, false)
	case c.Provider != nil:
		return firstBroken(providerRules, c, false)
	}
	return firstBroken(rules, c, false)
}

// ValidateCloudID is the Rejection of what is not a cloudId, and so has no history.
func ValidateCloudID(cloudID string) error {
	return firstBroken(rules[:1], Candidate{Registration: Registration{CloudID: cloudID}}, false)
}

// rule is one row of the table.
type rule struct {
	name   string // what holds; the name of its test
	code   string
	kind   Kind
	stored bool                     // code depends on it: a row that breaks it cannot be read
	breaks func(c Candidate) string // what is wrong and what to do; "" if it holds
}

var (
	guid       = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	listHash   = regexp.MustCompile(`^[0-9a-f]{16}$`)
	resource   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_-])?$`)
	regionName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)?$`)
)

// noGUID stands in templates for one that was not filled in.
const noGUID = "00000000-0000-0000-0000-000000000000"

const guidForm = "must be a GUID in lower case with dashes"

// unless is "" if a condition holds, else the message.
func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func fullHour(t time.Time) bool { return !t.IsZero() && t.UTC().Equal(t.UTC().Truncate(time.Hour)) }

func isDay(text string) bool {
	_, err := time.Parse(dayForm, text)
	return err == nil
}

// Rows hold times of four-digit years only, and a stack is of no other age.
const age = "must be of the years 2000 to 2999, UTC"

func ofThisAge(t time.Time) bool { return t.UTC().Year() >= 2000 && t.UTC().Year() < 3000 }

// DayTime is when a day begins; the zero time if the text is none.
func DayTime(text string) time.Time {
	t, _ := time.Parse(dayForm, text)
	return t
}

// list writes what may be chosen, in order of the alphabet.
func list[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, x := range all {
		texts[i] = string(x)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

func keys[K ~string, V any](m map[K]V) (all []K) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// rules of a registration. The first that is broken is the rejection.
var rules = []rule{
	{"a cloudId is a GUID in lower case", "InvalidCloudId", Invalid, true, func(c Candidate) string {
		return unless(guid.MatchString(c.Registration.CloudID), "cloudId %.60q: %s", c.Registration.CloudID, guidForm)
	}},
	{"the charged subscription is a GUID in lower case", "InvalidSubscriptionId", Invalid, true, func(c Candidate) string {
		return unless(guid.MatchString(c.Registration.SubscriptionID), "subscriptionId %.60q: %s", c.Registration.SubscriptionID, guidForm)
	}},
	{"the cloudId is one", "InvalidCloudId", Invalid, false, func(c Candidate) string {
		return unless(c.Registration.CloudID != noGUID, "cloudId %s: names no stack; the stack's portal shows its own", noGUID)
	}},
	{"the charged subscription is one", "InvalidSubscriptionId", Invalid, false, func(c Candidate) string {
		return unless(c.Registration.SubscriptionID != noGUID, "subscriptionId %s: names nobody, and commerce would refuse every record; say which subscription is charged", noGUID)
	}},
	{"the effective day is a day", "InvalidEffectiveDay", Invalid, true, func(c Candidate) string {
		return unless(isDay(c.Registration.EffectiveDay), "effective day %.60q: must be of the form 20191210", c.Registration.EffectiveDay)
	}},
	{"the effective day is of this age", "InvalidEffectiveDay", Invalid, false, func(c Candidate) string {
		return unless(ofThisAge(DayTime(c.Registration.EffectiveDay)), "effective day %s: %s", c.Registration.EffectiveDay, age)
	}},
	{"the start is a full hour", "InvalidStart", Invalid, true, func(c Candidate) string {
		return unless(fullHour(c.Registration.Start), "start %s: must be a full hour", c.Registration.Start.Format(time.RFC3339))
	}},
	{"the end is a full hour after the start", "InvalidEnd", Invalid, true, func(c Candidate) string {
		end := c.Registration.End
		return unless(end.IsZero() || fullHour(end) && end.After(c.Registration.Start), "end %s: must be a full hour after the start, %s; leave it out if there is none",
			end.Format(time.RFC3339), usage.Point(c.Registration.Start))
	}},
	{"hours are delivered at least once a year", "InvalidDeliveredEvery", Invalid, true, func(c Candidate) string {
		days := c.Registration.DeliveredEvery
		return unless(days >= 0 && days <= 366, "deliveredEveryDays %d: must be a number of days up to 366; leave it out if the agent uploads each hour", days)
	}},
	{"start and end are of this age", "InvalidStart", Invalid, false, func(c Candidate) string {
		return unless(ofThisAge(c.Registration.Start) && (c.Registration.End.IsZero() || ofThisAge(c.Registration.End)), "start or end: %s", age)
	}},
	{"a billing model is known", "InvalidBillingModel", Invalid, true, func(c Candidate) string {
		return unless(slices.Contains([]BillingModel{PayAsYouUse, Capacity, Development}, c.Registration.BillingModel), "billing model %.60q: must be %s, %s or %s",
			c.Registration.BillingModel, PayAsYouUse, Capacity, Development)
	}},
	{"a name is that of a resource", "InvalidResourceName", Invalid, false, func(c Candidate) string {
		return unless(resource.MatchString(c.Registration.Name), "name %.80q: must be 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit and not ending with a dot", c.Registration.Name)
	}},
	{"a region is a name", "InvalidRegion", Invalid, false, func(c Candidate) string {
		return unless(regionName.MatchString(c.Registration.Region), "region %.80q: must be the stack's region name, such as local", c.Registration.Region)
	}},
	{"sovereign clouds are refused by name", "CloudNotAllowed", Invalid, false, func(c Candidate) string {
		allowed, known := clouds[c.Registration.Cloud]
		if known {
			return unless(allowed, "a subscription in %s cannot be charged for an Azure Stack; register with one in %s", c.Registration.Cloud, AzureCloud)
		}
		return fmt.Sprintf("cloud %.60q is not known; register with a subscription in %s", c.Registration.Cloud, AzureCloud)
	}},
	{"a stack is an integrated system or a Development Kit", "InvalidStampKind", Invalid, false, func(c Candidate) string {
		_, known := kindsOf[c.Registration.StackKind]
		return unless(known, "stack kind %.60q: must be one of %s", c.Registration.StackKind, list(keys(kindsOf)))
	}},
	{"an integrated system is charged to EA or CSP, a Development Kit to any kind", "SubscriptionKindNotAllowed", Invalid, false, func(c Candidate) string {
		kinds := kindsOf[c.Registration.StackKind]
		return unless(slices.Contains(kinds, c.Registration.SubscriptionKind), "a subscription of kind %.60q cannot be charged for a stack of kind %s; register with one of %s",
			c.Registration.SubscriptionKind, c.Registration.StackKind, list(kinds))
	}},
	{"only a Development Kit is under the development model, and always", "BillingModelNotAllowed", Invalid, false, func(c Candidate) string {
		models := modelsOf[c.Registration.StackKind]
		return unless(slices.Contains(models, c.Registration.BillingModel), "billing model %s is not for a stack of kind %s; choose from %s",
			c.Registration.BillingModel, c.Registration.StackKind, list(models))
	}},
	{"pay-as-you-use must report", "UsageReportingRequired", Invalid, false, func(c Candidate) string {
		return unless(!c.Registration.ReportingOff || !mustReport[c.Registration.BillingModel], "usage reporting cannot be switched off under %s; leave it on, or register under %s", c.Registration.BillingModel, Capacity)
	}},
	{"a name has one cloudId", "CloudIdUpdateNotAllowed", Clash, false, func(c Candidate) string {
		return unless(c.Holder == "" || c.Holder == c.Registration.CloudID, "registration %s is of cloudId %s, which cannot be changed; choose another name for cloudId %s", c.Registration.Name, c.Holder, c.Registration.CloudID)
	}},
	{"a cloudId has one registration", "CloudIdUpdateNotAllowed", Clash, false, func(c Candidate) string {
		name := c.History.Name()
		return unless(name == "" || strings.EqualFold(name, c.Registration.Name) || c.History.over(c.Registration.EffectiveDay),
			"cloudId %s is already registered as %s; change that registration, or delete it first", c.Registration.CloudID, name)
	}},
	{"a registration begins when the one before it has ended", "InvalidStart", Clash, false, func(c Candidate) string {
		before, err := c.History.Current()
		return unless(err != nil || SameName(before.Name, c.Registration.Name) || !c.Registration.Start.Before(before.End), "start %s: registration %s ended at %s; begin at that hour or later",
			usage.Point(c.Registration.Start), before.Name, usage.Point(before.End))
	}},
	{"who and why fit one line", "InvalidReason", Invalid, false, func(c Candidate) string { return badWhy(c.Registration.Note) }},
}

// mappingRules are those of a tenant's mapping. reg is what holds on its day.
var mappingRules = []rule{
	{"a tenant is a GUID in lower case", "InvalidTenantId", Invalid, true, func(c Candidate) string {
		return unless(guid.MatchString(c.Mapping.TenantID), "tenantId %.60q: %s: the tenant's directory", c.Mapping.TenantID, guidForm)
	}},
	{"the customer's subscription is a GUID in lower case", "InvalidCustomerSubscriptionId", Invalid, true, func(c Candidate) string {
		id := c.Mapping.SubscriptionID
		return unless(c.Removes && id == "" || guid.MatchString(id), "customer subscription %.60q: %s; the letters' case matters", id, guidForm)
	}},
	{"a tenant and its subscription are some", "InvalidCustomerSubscriptionId", Invalid, false, func(c Candidate) string {
		return unless(c.Mapping.SubscriptionID != noGUID && c.Mapping.TenantID != noGUID, "tenantId %s, customer subscription %s: %s names nobody", c.Mapping.TenantID, c.Mapping.SubscriptionID, noGUID)
	}},
	{"a mapping's effective day is a day", "InvalidEffectiveDay", Invalid, true, func(c Candidate) string {
		return unless(isDay(c.Mapping.EffectiveDay), "effective day %.60q: must be of the form 20191210", c.Mapping.EffectiveDay)
	}},
	{"a mapping's effective day is of this age", "InvalidEffectiveDay", Invalid, false, func(c Candidate) string {
		return unless(ofThisAge(DayTime(c.Mapping.EffectiveDay)), "effective day %s: %s", c.Mapping.EffectiveDay, age)
	}},
	{"tenants are mapped under CSP only", "UnauthorizedCspRegistration", Clash, false, func(c Candidate) string {
		return unless(c.Removes || c.Registration.SubscriptionKind == CSP, "registration %s is charged to a subscription of kind %s on %s; only a CSP can map tenants: register with a CSP subscription from that day on first",
			c.Registration.Name, c.Registration.SubscriptionKind, DayTime(c.Mapping.EffectiveDay).Format(time.DateOnly))
	}},
	{"tenants are mapped under pay-as-you-use only", "CustomerSubscriptionsNotAllowed", Clash, false, func(c Candidate) string {
		return unless(c.Removes || c.Registration.BillingModel == PayAsYouUse, "registration %s is under billing model %s on %s; only under %s can tenants be mapped", c.Registration.Name, c.Registration.BillingModel, DayTime(c.Mapping.EffectiveDay).Format(time.DateOnly), PayAsYouUse)
	}},
	{"a customer's subscription is of one tenant", "CustomerSubscriptionInUse", Clash, false, func(c Candidate) string {
		tenant, day := c.History.clash(*c.Mapping)
		return unless(tenant == "", "customer subscription %s is mapped for tenant %s on %s; remove that mapping first", c.Mapping.SubscriptionID, tenant, day)
	}},
	{"who and why fit one line, of a mapping too", "InvalidReason", Invalid, false, func(c Candidate) string { return badWhy(c.Mapping.Note) }},
}

// badWhy says what is wrong with who made an entry and why.
func badWhy(e Note) string {
	for name, text := range map[string]string{"reason": e.Reason, "name of who decides": e.By} {
		if len(text) > 1000 {
			return fmt.Sprintf("the %s has %d bytes; at most 1000 are kept", name, len(text))
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Sprintf("the %s holds a line break or another control character; write it on one line", name)
		}
	}
	return ""
}

// firstBroken is the rejection of the first rule that a change breaks.
func firstBroken(table []rule, c Candidate, onlyStored bool) error {
	for _, r := range table {
		if onlyStored && !r.stored {
			continue
		}
		if message := r.breaks(c); message != "" {
			return &Rejection{r.code, r.kind, message}
		}
	}
	return nil
}

// Validate reports the first thing that is wrong with r by itself, and what to
// do.
func (r Registration) Validate() error {
	return firstBroken(rules, Candidate{Registration: r.Filled()}, false)
}

// Check reports what makes an entry unreadable. A stored one may break other
// rules: they may have changed since.
func (r Registration) Check() error { return firstBroken(rules, Candidate{Registration: r}, true) }

// Check reports what makes an entry unreadable.
func (m Mapping) Check() error {
	return firstBroken(mappingRules, Candidate{Mapping: &m, Removes: m.SubscriptionID == ""}, true)
}
