package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"stackusage/shared/intake"
	"stackusage/shared/ledger"
	"stackusage/shared/reconcile"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

func TestReconcileCarriedForward(t *testing.T) {
	t.Parallel()
	w := carried(t)
	mustTell(t, w.reconcile(t, "20191210", "20191212", nil), map[string][]string{
		"2019-12-10": {"stack 17.9614258995279670000000001", "carriedAway -17.9614258995279670000000001", "bill 0"},
		"2019-12-12": {"stack 2", "carriedIn 17.9614258995279670000000001", "bill 19.9614258995279670000000001"},
		"total": {"stack 19.9614258995279670000000001", "carriedIn 17.9614258995279670000000001", "carriedAway -17.9614258995279670000000001",
			"bill 19.9614258995279670000000001"},
	})
}

// TestReconcileRedriven: a refused row that was put right counts on its day.
func TestReconcileRedriven(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	h22 := hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1"))
	name := w.ingest(t, h22+2, usageRow(1, h22+1, "-2"), usageRow(1, h22+2, "8"))
	w.settle(t)
	redriver := intake.Redriver{Ledger: w.Ledger, Landing: w.account.Blobs, App: w.account.Blobs, Settings: intake.Settings{SpillSums: 10, TempDir: t.TempDir()}}
	_, err := redriver.Redrive(t.Context(), intake.Request{ID: ledger.HourID{CloudID: cloudID, Hour: h22 + 2, SHA16: name.SHA16}, Run: "run", Why: because("a sign too many"),
		Fixed: map[int64][]byte{1: []byte(usageRow(1, h22+1, "2"))}})
	ok(t, err)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1", "redriven 2", "notCorrected -2", "bill 1"}})
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191211", nil), map[string][]string{
		"2019-12-10": {"stack 1", "redriven 2", "bill 3"},
		"2019-12-11": {"stack 6", "quarantined 2", "bill 8"},
		"total":      {"stack 7", "quarantined 2", "redriven 2", "bill 11"},
	})
}

// TestReconcileReportingOff: what is counted and forwarded nowhere, until it is.
func TestReconcileReportingOff(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	registered := registration.Registration{CloudID: cloudID, EffectiveDay: "20191210", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		SubscriptionKind: registration.EA, BillingModel: registration.Capacity, ReportingOff: true, Region: "northwest", Start: hour(t, "2019121022").Start()}
	ok(t, w.account.Tables.PutRegistration(t.Context(), registered))
	h22 := hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1.25"))
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1.25", "reportingOff -1.25", "bill 0"}})
}

// TestReconcileRefusedForGood: what the last revision states and commerce refused.
func TestReconcileRefusedForGood(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	w.fault(t, "POST", `{"rejectMeter":"`+tableMeter+`"}`)
	h22 := hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1.25"))
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1.25", "rejected -1.25", "bill 0"}})
}

// TestReconcileRandomDays lands hours of random rows with random delays, refused
// ones among them, and looks at every stage of the way: nothing is ever left
// unexplained, and both numbers are those that the test adds up by itself.
func TestReconcileRandomDays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := startWorks(t)
		first := hour(t, "2019121022")
		stack, used := map[string]usage.Quantity{}, map[string]usage.Quantity{}
		check := func(settled bool) {
			t.Helper()
			r := w.reconcile(t, "20191208", "20191212", nil)
			if r.Unexplained != 0 {
				t.Fatalf("seed %d: %q", seed, told(r))
			}
			for _, l := range r.Lines {
				if l.Day != reconcile.Total && (!l.Stack.Equal(stack[l.Day]) || settled && !l.Bill.Equal(used[l.Day])) {
					t.Errorf("seed %d, %s: stack %s, bill %s; want %s and %s", seed, l.Day, l.Stack, l.Bill, stack[l.Day], used[l.Day])
				}
			}
		}
		for n := range usage.Hour(5) {
			reported := first + n*3
			var rows []string
			for i := range rnd.IntN(12) {
				at := reported - []usage.Hour{0, 1, 2, 5, 30, usage.Hour(rnd.IntN(48))}[rnd.IntN(6)]
				q, err := usage.ParseQuantity(fmt.Sprintf("%d.%d", rnd.IntN(50), rnd.Uint64()))
				ok(t, err)
				if rnd.IntN(8) == 0 {
					q = usage.Quantity{}.Sub(q)
				} else {
					used[at.Day().String()] = used[at.Day().String()].Add(q)
				}
				stack[reported.Day().String()] = stack[reported.Day().String()].Add(q)
				rows = append(rows, usageRow(i%4, at, q.String()))
			}
			w.ingest(t, reported, rows...)
			check(false)
			if rnd.IntN(2) == 0 {
				w.settle(t)
				check(true)
			}
		}
		w.settle(t)
		check(true)
	}
}
