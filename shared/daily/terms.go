package daily

import (
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Terms are who pays and what is free in a part of a usage day.
type Terms struct {
	Until                 time.Time // end of the part; zero in the last one
	BillingModel          registration.BillingModel
	BillingSubscriptionID string            // is charged for what is nobody else's
	Mapped                map[string]string // who is charged for a tenant instead: tenant in normal form -> Azure subscription
	Infrastructure        map[string]bool   // the stack's own subscriptions, in normal form: free, and no tenant's
	Unreported            bool              // usage reporting is off, while it is on in another part
}

// Infrastructure is the set of the stack's own subscriptions, for Terms.
func Infrastructure(subscriptions []string) map[string]bool {
	set := make(map[string]bool, len(subscriptions))
	for _, id := range subscriptions {
		set[usage.NormalGUID(id)] = true
	}
	return set
}

// ReportingOf is what tables and files say where usage reporting is off.
func ReportingOf(held registration.Effective) string {
	if held.ReportingOff {
		return ReportingOff
	}
	return ""
}
