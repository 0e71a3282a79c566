package handlers_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/status"
	"stackusage/shared/table"
)

const otherPayer = "11111111-2222-4333-8444-555555555555"

type sentRecord struct{ RecordID, Kind, BillingSubscriptionID, Quantity string }

// declining takes the records of a request but for those that decline has an outcome for.
func (g *gate) declining(decline func(sentRecord) *outcome.Result) {
	g.set(func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		results := []outcome.Result{}
		for _, raw := range recordsOf(body) {
			var r sentRecord
			_ = json.Unmarshal(raw, &r) // a record of ours
			if result := decline(r); result != nil {
				result.RecordID = r.RecordID
				results = append(results, *result)
				continue
			}
			results = append(results, g.taken(part(req, raw))[0])
		}
		writeResults(w, results)
		return true
	})
}

// halves are the halves of a correction that commerce may decline.
var halves = map[string]func(sentRecord) *outcome.Result{
	"the reversal is declined": func(r sentRecord) *outcome.Result {
		if r.Kind == "correction" {
			return &outcome.Result{Status: outcome.Rejected, Code: "NoCorrections"}
		}
		return nil
	},
	"the new payer is declined": func(r sentRecord) *outcome.Result {
		if r.BillingSubscriptionID == otherPayer {
			return &outcome.Result{Status: outcome.Rejected, Code: "NoSuchSubscription"}
		}
		return nil
	},
}

// work does what the host does with the messages that Sweep sends.
func (r *rig) work(t *testing.T) {
	t.Helper()
	r.sweep(t)
	for range 2 {
		for _, m := range r.take(t, queue.Days) {
			r.done(t, "CloseDay", m)
		}
		for _, m := range r.take(t, queue.Batches) {
			r.done(t, "ForwardBatch", m)
		}
		r.sweep(t)
	}
}

// halfDeclined is an app whose day was restated for another payer, and commerce
// declines a half of that.
func halfDeclined(t *testing.T, judge func(sentRecord) *outcome.Result) (*rig, *gate) {
	t.Helper()
	r := registered(t)
	g := newGate(t, r, standin.Options{})
	r.Settings.ForwardRetry = time.Millisecond
	rnd := rand.New(rand.NewPCG(1, 1))
	r.complete(t)
	r.untilNothingIsOpen(t, rnd)
	g.declining(judge)
	r.movePayer(t)
	_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("other payer"))
	ok(t, err)
	r.untilNothingIsOpen(t, rnd)
	return r, g
}

func (r *rig) lastRevision(t *testing.T) daybook.Revision {
	t.Helper()
	last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
	ok(t, err)
	return *last
}

// checkDeclined: the day is open because of three records, and status and marks
// say so.
func (r *rig) checkDeclined(t *testing.T) {
	t.Helper()
	mark := r.only(t, table.OpenDays)
	if mark["declined"] != int64(3) || mark["declinedRevision"] != r.lastRevision(t).Number || mark["lastInput"] != "" || mark["restate"] != nil {
		t.Errorf("mark %v", mark)
	}
	var s status.Status
	ok(t, json.Unmarshal([]byte(r.status(t, http.StatusOK)), &s))
	if len(s.OpenDays) != 1 || s.OpenDays[0].Declined != 3 || s.OpenDays[0].UsageDay != theDay.String() {
		t.Errorf("status %+v", s)
	}
	if log := r.logged(func() { r.sweep(t) }); !strings.Contains(log, `"msg":"day declined"`) {
		t.Errorf("log %s", log)
	}
	r.take(t, queue.Days)
}

// TestADeclinedDayWhoseReportingIsSwitchedOff: it stays open, whatever comes; it is
// closed once reporting is on again.
func TestADeclinedDayWhoseReportingIsSwitchedOff(t *testing.T) {
	t.Parallel()
	r, g := halfDeclined(t, halves["the reversal is declined"])
	was := r.lastRevision(t).Number
	report := func(on bool) {
		regs, err := r.registry().Registrations(t.Context(), cloudID)
		ok(t, err)
		last := regs[len(regs)-1]
		last.SubscriptionKind, last.BillingModel, last.ReportingOff = registration.EA, registration.Capacity, !on
		ok(t, r.registry().Put(t.Context(), last))
	}
	report(false)
	r.ingest(t, hour00+5, row(9, hour22, "1"))
	_, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because("agreed"))
	ok(t, err)
	r.advance(25 * time.Hour)
	r.work(t)
	if last, mark := r.lastRevision(t), r.rows(t, table.OpenDays)[cloudID+"/"+theDay.Compact()]; last.Number != was || mark["declined"] != int64(3) {
		t.Errorf("reporting off: revision %d, mark %v", last.Number, mark)
	}
	if audit := r.audit(t); len(audit.Open) == 0 {
		t.Error("verify names nothing open")
	}
	report(true)
	g.set(nil)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	r.checkClosed(t, g, map[string]string{"2019-12-10 " + payer: "0", "2019-12-10 " + otherPayer: "55634277698583901/1000000000000000"})
}

// checkClosed: nothing is open, and commerce was told these sums.
func (r *rig) checkClosed(t *testing.T, g *gate, want map[string]string) {
	t.Helper()
	if marks := r.rows(t, table.OpenDays); len(marks) > 0 {
		t.Errorf("open: %v", marks)
	}
	if diff := cmp.Diff(want, paid(t, g.billing)); diff != "" {
		t.Errorf("charged (-want +got):\n%s", diff)
	}
	r.verified(t)
}

const dayTotal = "54634277698583901/1000000000000000"

// TestHalfOfACorrection: a correction of which commerce declines a half bills
// twice or nothing, and never ends silently.
func TestHalfOfACorrection(t *testing.T) {
	t.Parallel()
	right := map[string]string{"2019-12-10 " + payer: "0", "2019-12-10 " + otherPayer: dayTotal}
	for name, judge := range halves {
		reversal := strings.Contains(name, "reversal")
		t.Run(name, func(t *testing.T) {
			t.Run("for a hundred days, and then is accepted", func(t *testing.T) {
				t.Parallel()
				r, g := halfDeclined(t, judge)
				r.checkDeclined(t)
				before := r.lastRevision(t).Number
				for range 5 {
					r.advance(20 * 24 * time.Hour)
					r.work(t)
					r.checkDeclined(t)
				}
				if n := r.lastRevision(t).Number; n != before+5 {
					t.Errorf("%d revisions, want %d", n, before+5)
				}
				g.set(nil)
				r.advance(25 * time.Hour)
				r.work(t)
				r.checkClosed(t, g, right)
			})
			t.Run("is carried forward, whatever commerce said", func(t *testing.T) {
				t.Parallel()
				r, g := halfDeclined(t, judge)
				g.set(nil)
				why := because("commerce does not take it")
				_, err := daybook.AskCarry(t.Context(), r.Tables, cloudID, theDay, december(12), 0, why)
				ok(t, err)
				r.settle(t, rand.New(rand.NewPCG(1, 1)))
				want := map[string]string{"2019-12-10 " + payer: dayTotal, "2019-12-12 " + payer: "-" + dayTotal, "2019-12-10 " + otherPayer: dayTotal}
				if !reversal {
					want = map[string]string{"2019-12-10 " + payer: "0", "2019-12-12 " + otherPayer: dayTotal}
				}
				r.checkClosed(t, g, want)
			})
			t.Run("is settled, and only what is new is stated from then on", func(t *testing.T) {
				t.Parallel()
				r, g := halfDeclined(t, judge)
				_, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because("agreed with the customer"))
				ok(t, err)
				r.settle(t, rand.New(rand.NewPCG(1, 1)))
				want := map[string]string{"2019-12-10 " + payer: dayTotal, "2019-12-10 " + otherPayer: dayTotal}
				if !reversal {
					want = map[string]string{"2019-12-10 " + payer: "0"}
				}
				r.checkClosed(t, g, want)
				if last := r.lastRevision(t); last.Records != 0 || last.Waived != 3 || last.Reason != "agreed with the customer" || last.By != "olga" {
					t.Errorf("revision %+v", last)
				}
				g.set(nil)
				r.ingest(t, hour00+3, row(8, hour22, "4"))
				r.settle(t, rand.New(rand.NewPCG(1, 1)))
				if last := r.lastRevision(t); last.Records != 1 || last.Waived != 3 {
					t.Errorf("revision %+v", last)
				}
				_, err = daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("they take it now"))
				ok(t, err)
				r.settle(t, rand.New(rand.NewPCG(1, 1)))
				r.checkClosed(t, g, map[string]string{"2019-12-10 " + payer: "0", "2019-12-10 " + otherPayer: "58634277698583901/1000000000000000"})
			})
		})
	}
}

// TestDeclinedIsStatedAgainWithBackoff: an hour after the answer, six hours, then
// daily, and not once the day is too late or Expired.
func TestDeclinedIsStatedAgainWithBackoff(t *testing.T) {
	t.Parallel()
	r, g := halfDeclined(t, halves["the reversal is declined"])
	began := r.lastRevision(t).Number
	wait := func(d time.Duration, revisions int64) {
		t.Helper()
		r.advance(d)
		r.work(t)
		if got := r.lastRevision(t).Number - began; got != revisions {
			t.Errorf("%d revisions, want %d", got, revisions)
		}
	}
	wait(0, 0)
	wait(50*time.Minute, 0)
	r.done(t, "CloseDay", dayMessage(theDay)) // a message that is there for another reason
	wait(11*time.Minute, 1)
	wait(5*time.Hour+50*time.Minute, 1)
	wait(11*time.Minute, 2)
	wait(23*time.Hour+50*time.Minute, 2)
	wait(11*time.Minute, 3)
	wait(25*time.Hour, 4)
	t.Run("a day that commerce takes no more", func(t *testing.T) {
		r.Settings.LatenessLimit = time.Hour
		wait(100*time.Hour, 4)
		r.checkDeclined(t)
		r.Settings.LatenessLimit = 0
	})
	t.Run("a late hour is stated with what is declined, and the backoff begins again", func(t *testing.T) {
		r.ingest(t, hour00+5, row(9, hour22, "1"))
		r.done(t, "CloseDay", dayMessage(theDay))
		wait(0, 5)
		if last := r.lastRevision(t); last.Attempt != 0 || last.Records != 4 {
			t.Errorf("revision %+v", last)
		}
		wait(61*time.Minute, 6)
	})
	t.Run("records that are Expired wait for an operator", func(t *testing.T) {
		g.declining(func(r sentRecord) *outcome.Result {
			if r.Kind == "correction" {
				return &outcome.Result{Status: outcome.Expired}
			}
			return nil
		})
		wait(7*time.Hour, 7)
		wait(100*time.Hour, 7)
		r.checkDeclined(t)
	})
}
