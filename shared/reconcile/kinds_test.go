package reconcile_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/outbox"
	"stackusage/shared/reconcile"
	"stackusage/shared/redrive"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
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

// TestReconcileRedriven: a rejected row that was put right counts on its day.
func TestReconcileRedriven(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	h22 := ledgertest.Hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1"))
	name := w.ingest(t, h22+2, usageRow(1, h22+1, "-2"), usageRow(1, h22+2, "8"))
	w.settle(t)
	redriver := redrive.Redriver{Tables: w.Tables, Landing: w.account.Blobs, App: w.account.Blobs, Settings: ingest.Settings{SpillSums: 10, TempDir: t.TempDir()}}
	_, err := redriver.Redrive(t.Context(), redrive.Request{ID: hourlog.ID{CloudID: ledgertest.CloudID, Hour: h22 + 2, SHA16: name.SHA16}, Why: ledgertest.Because("a sign too many"),
		Fixed: map[int64][]byte{1: []byte(usageRow(1, h22+1, "2"))}})
	ledgertest.OK(t, err)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1", "redriven 2", "notCorrected -2", "bill 1"}})
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191211", nil), map[string][]string{
		"2019-12-10": {"stack 1", "redriven 2", "bill 3"},
		"2019-12-11": {"stack 6", "quarantined 2", "bill 8"},
		"total":      {"stack 7", "quarantined 2", "redriven 2", "bill 11"},
	})
}

// TestReconcileGoesByWhatIsSettled: usage is the stack's own where the day was
// settled so, whatever a later header says.
func TestReconcileGoesByWhatIsSettled(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	h22 := ledgertest.Hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1"))
	w.settle(t)
	w.ingestWith(t, landing.Header{ReportedStart: (h22 + 1).Start(), CollectedAt: (h22 + 1).End(), ProviderSubscriptions: []string{tenant}}, usageRow(1, h22-1, "2"))
	w.settle(t)
	r := w.reconcile(t, "20191210", "20191210", withBill(w.details(t)))
	mustTell(t, r, map[string][]string{"2019-12-10": {"stack 3", "bill 3"}})
}

// TestReconcileReportingOff: what is counted and forwarded nowhere, until it is.
func TestReconcileReportingOff(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	registered := registration.Registration{CloudID: ledgertest.CloudID, EffectiveDay: "20191210", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		SubscriptionKind: registration.EA, BillingModel: registration.Capacity, ReportingOff: true, Region: "northwest", Start: ledgertest.Hour(t, "2019121022").Start()}
	ledgertest.OK(t, registry.Registry{Tables: w.account.Tables}.Put(t.Context(), registered))
	h22 := ledgertest.Hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1.25"))
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1.25", "reportingOff -1.25", "bill 0"}})
}

// TestReconcileRefusedForGood: what the last revision states and commerce refused.
func TestReconcileRefusedForGood(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	w.fault(t, "POST", `{"rejectMeter":"`+tableMeter+`"}`)
	h22 := ledgertest.Hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1.25"))
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1.25", "rejected -1.25", "bill 0"}})
	_, err := daybook.AskSettle(t.Context(), w.Tables, ledgertest.CloudID, h22.Day(), ledgertest.Because("agreed"))
	ledgertest.OK(t, err)
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 1.25", "waived -1.25", "bill 0"}})
}

// TestReconcileRandomDays lands hours of random rows with random delays, refused
// ones among them, and looks at every stage of the way: nothing is ever left
// unexplained, and both numbers are those that the test adds up by itself.
func TestReconcileRandomDays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		w := startWorks(t)
		first := ledgertest.Hour(t, "2019121022")
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
				ledgertest.OK(t, err)
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

// withBill is the options with this text as the usage details file.
func withBill(text string) func(*reconcile.Options) {
	return func(o *reconcile.Options) {
		o.Bill = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
}

// TestReconcileOtherFiles: files of somebody else, or of another moment.
func TestReconcileOtherFiles(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	h22 := ledgertest.Hour(t, "2019121022")
	w.ingest(t, h22, usageRow(1, h22-1, "1.25"))
	w.settle(t)
	text := w.details(t)
	t.Run("one of another subscription says who is charged", func(t *testing.T) {
		other := ""
		for part := range strings.SplitSeq(text, "\r\n") { // titles and columns only
			if strings.HasPrefix(part, "Statement,") || strings.HasPrefix(part, "Daily Usage,") {
				part = strings.ReplaceAll(part, "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", ledgertest.Cloud(7))
			} else if !strings.HasPrefix(part, "Billing Period,") && !strings.HasPrefix(part, "Usage Date,") {
				continue
			}
			other += part + "\r\n"
		}
		r := w.reconcile(t, "20191210", "20191210", withBill(other))
		mustTell(t, r, map[string][]string{"2019-12-10": {"stack 1.25", "otherBillingSubscription -1.25", "bill 0"}})
		if c := r.Lines[0].Causes[0]; c.String() != "charged to 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11, which the file is not of" || r.Lines[0].NoRate != "the file does not have it" ||
			!strings.Contains(fmt.Sprint(r.Notes), "no billing period of 2019-12") {
			t.Errorf("%s, %+v", c, r)
		}
	})
	t.Run("rows of another stack are left out, and counted", func(t *testing.T) {
		r := w.reconcile(t, "20191210", "20191210", withBill(strings.ReplaceAll(text, `azureStack.SubscriptionId"":""`+tenant, `azureStack.SubscriptionId"":""`+ledgertest.Cloud(8))))
		mustTell(t, r, map[string][]string{"2019-12-10": {"stack 1.25", "notInFile -1.25", "bill 0"}})
		if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "1 row of the file of subscriptions that this stack never named") {
			t.Errorf("%q", r.Notes)
		}
	})
	t.Run("what commerce took while its answer got lost is in the file", func(t *testing.T) {
		w.ingest(t, h22+1, usageRow(1, h22, "2"))
		w.now = w.now.Add(60 * time.Hour)
		w.close(t, ledgertest.Day(t, "20191210"))
		w.fault(t, "POST", `{"next":1,"cut":"after"}`)
		ledgertest.OK(t, w.forwarder.Forward(t.Context(), outbox.ID{CloudID: ledgertest.CloudID, Day: ledgertest.Day(t, "20191210"), Revision: 2, Number: 1}))
		mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 3.25", "noOutcome -2", "bill 1.25"}})
		mustTell(t, w.reconcile(t, "20191210", "20191210", withBill(w.details(t))),
			map[string][]string{"2019-12-10": {"stack 3.25", "noOutcome -2", "outcomeNotRead 2", "bill 3.25"}})
	})
}

// TestReconcileBesideTheApp: a step under way is a cause, and nothing stays
// unexplained.
func TestReconcileBesideTheApp(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	sources := reconcile.Sources{Tables: w.Tables, Files: w.files(), Meters: w.sweeper.Closer.Meters}
	o := reconcile.Options{CloudID: ledgertest.CloudID, From: ledgertest.Day(t, "20191210"), To: ledgertest.Day(t, "20191211")}
	w.beside(t, func(n int) {
		if r, err := sources.Run(t.Context(), o); err != nil || r.Unexplained > 0 {
			t.Errorf("look %d: %v, %q", n, err, told(r))
		}
	})
}
