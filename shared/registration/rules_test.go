package registration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stackusage/shared/registration"
)

const nobody = "00000000-0000-0000-0000-000000000000"

// broken is one way to break a rule of the table, by the rule's name.
var broken = []struct {
	rule, code, want string
	change           func(*registration.Registration)
}{
	{"a cloudId is a GUID in lower case", "InvalidCloudId", `cloudId "": must be a GUID in lower case with dashes`, func(r *reg) { r.CloudID = "" }},
	{"a cloudId is a GUID in lower case", "InvalidCloudId", "must be a GUID", func(r *reg) { r.CloudID = strings.ToUpper(cloudID) }},
	{"a cloudId is a GUID in lower case", "InvalidCloudId", "must be a GUID", func(r *reg) { r.CloudID += "\n" }},
	{"the charged subscription is a GUID in lower case", "InvalidSubscriptionId", `subscriptionId "prod": must be`, func(r *reg) { r.SubscriptionID = "prod" }},
	{"the charged subscription is one", "InvalidSubscriptionId", "names nobody", func(r *reg) { r.SubscriptionID = nobody }},
	{"the cloudId is one", "InvalidCloudId", "names no stack", func(r *reg) { r.CloudID = nobody }},
	{"the effective day is a day", "InvalidEffectiveDay", "must be of the form 20191210", func(r *reg) { r.EffectiveDay = "2019-12-10" }},
	{"the effective day is a day", "InvalidEffectiveDay", "must be of the form 20191210", func(r *reg) { r.EffectiveDay = "20191310" }},
	{"the start is a full hour", "InvalidStart", "must be a full hour", func(r *reg) { r.Start = time.Time{} }},
	{"the start is a full hour", "InvalidStart", "start 2019-12-10T05:00:01Z: must be a full hour", func(r *reg) { r.Start = r.Start.Add(time.Second) }},
	{"the start is a full hour", "InvalidStart", "must be a full hour", func(r *reg) {
		r.Start = time.Date(2019, 12, 10, 5, 0, 0, 0, time.FixedZone("", 5*3600+1800)) // half past in UTC
	}},
	{"the end is a full hour after the start", "InvalidEnd", "after the start, 2019-12-10T05:00Z", func(r *reg) { r.End = r.Start }},
	{"the end is a full hour after the start", "InvalidEnd", "must be a full hour", func(r *reg) { r.End = r.Start.Add(90 * time.Minute) }},
	{"hours are delivered at least once a year", "InvalidDeliveredEvery", "up to 366", func(r *reg) { r.DeliveredEvery = 367 }},
	{"hours are delivered at least once a year", "InvalidDeliveredEvery", "up to 366", func(r *reg) { r.DeliveredEvery = -1 }},
	{"the effective day is of this age", "InvalidEffectiveDay", "2000 to 2999", func(r *reg) { r.EffectiveDay = "15000101" }},
	{"start and end are of this age", "InvalidStart", "2000 to 2999", func(r *reg) { r.Start = time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC) }},
	{"start and end are of this age", "InvalidStart", "2000 to 2999", func(r *reg) { // year 10000 in UTC, which no row can hold
		r.End = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -5*3600))
	}},
	{"a billing model is known", "InvalidBillingModel", "must be PayAsYouUse, Capacity or Development", func(r *reg) { r.BillingModel = "payasyouuse" }},
	{"a name is that of a resource", "InvalidResourceName", "1 to 63 letters", func(r *reg) { r.Name = "a/b" }},
	{"a name is that of a resource", "InvalidResourceName", "1 to 63 letters", func(r *reg) { r.Name = strings.Repeat("a", 64) }},
	{"a region is a name", "InvalidRegion", "such as local", func(r *reg) { r.Region = "north west" }},
	{"sovereign clouds are refused by name", "CloudNotAllowed", "AzureChinaCloud cannot be charged", func(r *reg) { r.Cloud = "AzureChinaCloud" }},
	{"sovereign clouds are refused by name", "CloudNotAllowed", "AzureUSGovernment cannot be charged", func(r *reg) { r.Cloud = "AzureUSGovernment" }},
	{"sovereign clouds are refused by name", "CloudNotAllowed", "AzureGermanCloud cannot be charged", func(r *reg) { r.Cloud = "AzureGermanCloud" }},
	{"sovereign clouds are refused by name", "CloudNotAllowed", "is not known", func(r *reg) { r.Cloud = "Moon" }},
	{"a stack is an integrated system or a Development Kit", "InvalidStampKind", "ASDK, integrated", func(r *reg) { r.StackKind = "rack" }},
	{"an integrated system is charged to EA or CSP, a Development Kit to any kind", "SubscriptionKindNotAllowed", "one of CSP, EA", func(r *reg) { r.SubscriptionKind = registration.MSDN }},
	{"an integrated system is charged to EA or CSP, a Development Kit to any kind", "SubscriptionKindNotAllowed", "one of CSP, EA", func(r *reg) { r.SubscriptionKind = registration.PayAsYouGo }},
	{"an integrated system is charged to EA or CSP, a Development Kit to any kind", "SubscriptionKindNotAllowed", "CSP, EA, MSDN, PayAsYouGo", func(r *reg) {
		r.StackKind, r.BillingModel, r.SubscriptionKind = registration.ASDK, registration.Development, "Free"
	}},
	{"only a Development Kit is under the development model, and always", "BillingModelNotAllowed", "choose from Capacity, PayAsYouUse", func(r *reg) { r.BillingModel = registration.Development }},
	{"only a Development Kit is under the development model, and always", "BillingModelNotAllowed", "choose from Development", func(r *reg) { r.StackKind = registration.ASDK }},
	{"pay-as-you-use must report", "UsageReportingRequired", "cannot be switched off under PayAsYouUse", func(r *reg) { r.ReportingOff = true }},
	{"who and why fit one line", "InvalidReason", "line break", func(r *reg) { r.Reason = "a\nb" }},
	{"who and why fit one line", "InvalidReason", "at most 1000", func(r *reg) { r.By = strings.Repeat("a", 1001) }},
}

type reg = registration.Registration

func rejectionOf(t *testing.T, err error) *registration.Rejection {
	t.Helper()
	var rejection *registration.Rejection
	if !errors.As(err, &rejection) {
		t.Fatalf("got %v, want a rejection", err)
	}
	return rejection
}

func TestRules(t *testing.T) {
	tested := map[string]bool{}
	for _, b := range broken {
		tested[b.rule] = true
		t.Run(b.rule+": "+b.want, func(t *testing.T) {
			r := good()
			b.change(&r)
			if rejection := rejectionOf(t, r.Validate()); rejection.Code != b.code || !strings.Contains(rejection.Message, b.want) {
				t.Errorf("got %v, want %s: %s", rejection, b.code, b.want)
			}
		})
	}
	for _, b := range brokenInBook {
		tested[b.rule] = true
	}
	t.Run("every row of the table has a way to break it here", func(t *testing.T) {
		for _, name := range registration.RuleNames() {
			if !tested[name] {
				t.Errorf("the rule %q is not tested", name)
			}
		}
	})
}

func TestAllowed(t *testing.T) {
	for name, change := range map[string]func(*reg){
		"pay-as-you-use on EA":  func(*reg) {},
		"pay-as-you-use on CSP": func(r *reg) { r.SubscriptionKind = registration.CSP },
		"capacity, silent":      func(r *reg) { r.BillingModel, r.ReportingOff = registration.Capacity, true },
		"capacity that reports": func(r *reg) { r.BillingModel = registration.Capacity },
		"a Development Kit on MSDN": func(r *reg) {
			r.StackKind, r.BillingModel, r.SubscriptionKind = registration.ASDK, registration.Development, registration.MSDN
		},
		"a Development Kit on pay-as-you-go": func(r *reg) {
			r.StackKind, r.BillingModel, r.SubscriptionKind = registration.ASDK, registration.Development, registration.PayAsYouGo
		},
		"a Development Kit that is silent": func(r *reg) {
			r.StackKind, r.BillingModel, r.ReportingOff = registration.ASDK, registration.Development, true
		},
		"no region":               func(r *reg) { r.Region = "" },
		"what rows said before":   func(r *reg) { r.Name, r.SubscriptionKind, r.Cloud, r.StackKind = "", "", "", "" },
		"a start in another zone": func(r *reg) { r.Start = r.Start.In(time.FixedZone("", -5*3600)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			change(&r)
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}
