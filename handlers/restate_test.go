package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

func TestRestate(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.ReopenDelay = 6 * time.Hour
	bill := newBilling(t, r)
	rnd := rand.New(rand.NewPCG(4, 4))
	r.complete(t)
	r.settle(t, rnd)
	want := bill.sums(t)
	ask := func(t *testing.T, reason string) {
		t.Helper()
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because(reason))
		ok(t, err)
	}
	last := func(t *testing.T) *daybook.Revision {
		t.Helper()
		last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
		ok(t, err)
		return last
	}
	t.Run("another payer is charged, once, and the old one with nothing", func(t *testing.T) {
		r.movePayer(t)
		ask(t, "the contract moved")
		r.settle(t, rnd)
		if diff := cmp.Diff(want, bill.sums(t)); diff != "" {
			t.Errorf("the sum over both payers (-before +after):\n%s", diff)
		}
		if got := paid(t, bill)["2019-12-10 "+payer]; got != "0" {
			t.Errorf("the old payer is left with %s", got)
		}
		if rev := last(t); rev.Number != 2 || rev.Reason != "the contract moved" || rev.By != "olga" || rev.Restate == "" {
			t.Errorf("revision %+v", rev)
		}
	})
	t.Run("a request without a difference makes a revision without records", func(t *testing.T) {
		ask(t, "to be sure")
		r.settle(t, rnd)
		if rev := last(t); rev.Number != 3 || rev.Batches != 0 || rev.Reason != "to be sure" {
			t.Errorf("revision %+v", rev)
		}
	})
	t.Run("Sweep asks for the day without waiting", func(t *testing.T) {
		ask(t, "at once")
		r.take(t, queue.Days)
		r.sweep(t)
		if sent := r.take(t, queue.Days); len(sent) != 1 || sent[0] != queue.DayMessage(cloudID, theDay) {
			t.Errorf("sent %v", sent)
		}
		r.done(t, "CloseDay", dayMessage(theDay))
		if rev := last(t); rev.Number != 4 {
			t.Errorf("revision %+v", rev)
		}
	})
	t.Run("a request is answered once, although the day stays open", func(t *testing.T) {
		ask(t, "while a file is about to take over")
		second := r.ingest(t, hour23, row(2, hour22, "40"))
		_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(second), because("it is right"))
		ok(t, err)
		for range 3 {
			r.done(t, "CloseDay", dayMessage(theDay))
		}
		if rev := last(t); rev.Number != 5 {
			t.Errorf("revision %+v", rev)
		}
		r.done(t, "IngestHour", landedMessage(second))
		r.settle(t, rnd)
		if rev := last(t); rev.Number != 6 || rev.Restate != "" {
			t.Errorf("revision %+v", rev)
		}
		bill.billed(t, rowsOf(hour22), []string{row(2, hour22, "40")}, rowsOf(hour00))
	})
}

func TestRestateCrashes(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := stated(t)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("the payer changed"))
			ok(t, err)
			r.movePayer(t)
			return r
		},
		func(r *rig) (int, string) { return r.call("CloseDay", dayMessage(theDay)) },
		func(t *testing.T, want, got *rig) {
			sameRevisions(t, want, got)
		})
}

// sameRevisions: the same statements, of which each was made once.
func sameRevisions(t *testing.T, want, got *rig) {
	t.Helper()
	list := func(r *rig) (all []string) {
		for rev, err := range daybook.Revisions(t.Context(), r.Tables, cloudID, theDay) {
			ok(t, err)
			all = append(all, fmt.Sprint(rev.Number, rev.SHA256, rev.Restate, rev.Reason, rev.By))
		}
		return append(all, fmt.Sprint(len(r.rows(t, table.OpenDays)), " open"))
	}
	if diff := cmp.Diff(list(want), list(got)); diff != "" {
		t.Errorf("revisions (-without the fault +with it):\n%s", diff)
	}
}
