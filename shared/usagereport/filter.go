package usagereport

import (
	"strings"

	"stackusage/shared/usage"
)

// Filter chooses usage by values as they stand in a Row. An empty one means any.
type Filter struct {
	Subscription string // GUID in any form
	Tenant       string // GUID in any form, Infrastructure, NoTenant or NotSettled
	Resource     string // URI in any case, or its last part
	Meter        string // the stack's ID in any form, or the name as a row has it, with " (admin)" where it is there
}

func (f Filter) hasSubscription(id string) bool {
	return f.Subscription == "" || usage.NormalGUID(f.Subscription) == usage.NormalGUID(id)
}

func (f Filter) hasTenant(shown string) bool {
	return f.Tenant == "" || usage.DashedGUID(f.Tenant) == shown
}

func (f Filter) hasMeter(id, shown string) bool {
	return f.Meter == "" || f.Meter == shown || usage.NormalGUID(f.Meter) == usage.NormalGUID(id)
}

// uri is the URI in lower case that the filter names; empty if it names none, or only the
// last part of one.
func (f Filter) uri() string {
	if strings.Contains(f.Resource, "/") {
		return strings.ToLower(f.Resource)
	}
	return ""
}

// last is the last part of a URI, in lower case, that the filter names.
func (f Filter) last() string {
	if f.uri() != "" {
		return ""
	}
	return strings.ToLower(f.Resource)
}
