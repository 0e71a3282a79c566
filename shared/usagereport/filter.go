package usagereport

import (
	"strings"

	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// Filter chooses usage by values as they stand in a Row. An empty one means any.
type Filter struct {
	Subscription string // GUID in any form
	Tenant       string // GUID in any form, Infrastructure, NoTenant or NotSettled
	Resource     string // URI in any case, or its last part
	Meter        string // the stack's ID in any form, or the name as a row has it, with " (admin)" where it is there
}

// has reports whether a line is one that is asked for.
func (f Filter) has(l *usagelines.Line) bool {
	return f.hasOwner(l.SubscriptionID, tenantOf(l)) && (f.Resource == "" || f.hasResource(strings.ToLower(l.ResourceURI))) &&
		(f.Meter == "" || f.hasMeter(l.MeterID, shownMeter(l.Meter().Name, l.MeterID, l.Infrastructure())))
}

func (f Filter) hasOwner(subscription, tenant string) bool {
	return (f.Subscription == "" || usage.NormalGUID(f.Subscription) == usage.NormalGUID(subscription)) &&
		(f.Tenant == "" || usage.DashedGUID(f.Tenant) == tenant)
}

// hasResource compares with a URI in lower case.
func (f Filter) hasResource(uri string) bool {
	asked := strings.ToLower(f.Resource)
	return asked == uri || !strings.Contains(asked, "/") && asked == uri[strings.LastIndexByte(uri, '/')+1:]
}

func (f Filter) hasMeter(id, shown string) bool {
	return f.Meter == shown || usage.NormalGUID(f.Meter) == usage.NormalGUID(id)
}
