package handlers_test

import (
	"testing"

	"stackusage/shared/registration"
	"stackusage/shared/table"
)

func TestCloseDayCrashesWithReportingOff(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := newRig(t)
			r.registerAs(t, func(reg *registration.Registration) {
				reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff = registration.EA, registration.Capacity, true
			})
			r.complete(t)
			return r
		},
		func(r *rig) (int, string) { return r.call("CloseDay", dayMessage(theDay)) },
		sameStorage)
}

// TestSweepCrashesAsItForwards: days that were kept go out once, whichever write
// of Sweep fails.
func TestSweepCrashesAsItForwards(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := newRig(t)
			capacity := func(reg *registration.Registration) {
				reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff = registration.EA, registration.Capacity, true
			}
			r.registerAs(t, capacity)
			r.complete(t)
			r.done(t, "CloseDay", dayMessage(theDay))
			r.registerAs(t, func(reg *registration.Registration) { capacity(reg); reg.ReportingOff = false })
			return r
		},
		func(r *rig) (int, string) {
			return r.post("/Sweep", `{"Data":{"timer":{"ScheduleStatus":{"Last":"2019-12-01T00:00:00Z"}}},"Metadata":{}}`)
		},
		func(t *testing.T, _, r *rig) {
			t.Helper()
			if mark := r.rows(t, table.OpenDays)[cloudID+"/20191210"]; mark["restate"] == nil {
				t.Errorf("nobody asks: %v", mark)
			}
			r.done(t, "CloseDay", dayMessage(theDay))
			if n := len(r.rows(t, table.UsageDays)); n != 2 {
				t.Errorf("%d revisions", n)
			}
		})
}
