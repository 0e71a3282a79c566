package handlers_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// TestASupersedeThatCannotBeCarriedOut: the hour is not registered any more, the
// blob is gone. It ends by itself, with its reason, and leaves no day open.
func TestASupersedeThatCannotBeCarriedOut(t *testing.T) {
	t.Parallel()
	ended := func(t *testing.T, r *rig) {
		t.Helper()
		r.daysPass(t)
		marks, err := openday.List(t.Context(), r.Tables)
		ok(t, err)
		for _, m := range marks {
			if m.Revision == 0 {
				t.Errorf("still open: %s", m.Day)
			}
		}
	}
	t.Run("the registration ended", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		newBilling(t, r)
		r.registerAs(t, func(reg *registration.Registration) {
			reg.Start, reg.EffectiveDay = hour22.Start().AddDate(0, 0, -5), "20191205"
		})
		for _, h := range allDay {
			r.ingest(t, h, rowsOf(h)...)
		}
		second := r.ingest(t, hour23, row(2, hour22, "40"))
		r.settle(t, rand.New(rand.NewPCG(9, 9)))
		_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(second), because("it is right"))
		ok(t, err)
		r.endedBefore(t)
		ended(t, r)
		if h := r.hourRow(t, second); h.Verdict != hourlog.Conflict || h.Decision != hourlog.DecisionWithdrawn || h.DecidedBy != "IngestHour" || h.TakesOver() {
			t.Errorf("row %+v", h)
		}
		if standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(second)); err != nil || standing.Challenger != "" {
			t.Errorf("pointer %+v, error %v", standing, err)
		}
	})
	t.Run("the blob is gone", func(t *testing.T) {
		t.Parallel()
		r := registered(t)
		r.complete(t)
		_, name := blobOf(t, hour23, row(2, hour22, "40"))
		standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
		ok(t, err)
		_, err = hourlog.Record(t.Context(), r.Tables, hourID(name), hourlog.Beside(standing, hourlog.Hour{Blob: name.String(), RowSetHash: "other"}))
		ok(t, err)
		_, err = hourlog.AskTakeOver(t.Context(), r.Tables, hourID(name), because("it is right"))
		ok(t, err)
		ended(t, r)
		if h := r.hourRow(t, name); h.Verdict != hourlog.Conflict || h.Decision != hourlog.DecisionWithdrawn {
			t.Errorf("row %+v", h)
		}
	})
}

// daysPass is three days of Sweep, and of what it announces.
func (r *rig) daysPass(t testing.TB) {
	t.Helper()
	for range 3 {
		r.advance(24 * time.Hour)
		r.sweep(t)
		for _, m := range r.take(t, "usage-landed") {
			r.done(t, "IngestHour", m)
		}
		for _, m := range r.take(t, "usage-days") {
			r.done(t, "CloseDay", m)
		}
	}
}

// endedBefore ends the registration two days before the usage day.
func (r *rig) endedBefore(t testing.TB) {
	t.Helper()
	regs, err := r.registry().Registrations(t.Context(), cloudID)
	ok(t, err)
	regs[len(regs)-1].End = (hour22 - 48).Start()
	ok(t, r.registry().Put(t.Context(), regs[len(regs)-1]))
}

// TestAnExclusionThatWasBegun: whoever began it died, and IngestHour ends it.
func TestAnExclusionThatWasBegun(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := registered(t)
			r.complete(t)
			_, name := blobOf(t, hour23, rowsOf(hour23)...)
			tables := dyingAt{r.Tables, table.OpenDays}
			if _, err := hourlog.Exclude(t.Context(), tables, hourID(name), because("a test of the stack"), false); err == nil {
				t.Fatal("it did not die")
			}
			return r
		},
		func(r *rig) (int, string) {
			_, name := blobOf(t, hour23, rowsOf(hour23)...)
			return r.call("IngestHour", landedMessage(name))
		},
		sameStorage)
	r := registered(t)
	bill := newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(9, 9)))
	name := r.land(t, hour23, rowsOf(hour23)...)
	tables := dyingAt{r.Tables, table.OpenDays}
	if _, err := hourlog.Exclude(t.Context(), tables, hourID(name), because("a test of the stack"), false); err == nil {
		t.Fatal("it did not die")
	}
	r.daysPass(t)
	r.settle(t, rand.New(rand.NewPCG(9, 9)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour00))
	if h := r.hourRow(t, name); h.Verdict != hourlog.Excluded || h.DecidedBy != "olga" {
		t.Errorf("row %+v", h)
	}
	// A later file of the hour is a conflict, and may be let in.
	second := r.ingest(t, hour23, row(2, hour22, "40"))
	if h := r.hourRow(t, second); h.Verdict != hourlog.Conflict {
		t.Errorf("row %+v", h)
	}
	r.supersede(t, second)
	r.settle(t, rand.New(rand.NewPCG(9, 9)))
	bill.billed(t, rowsOf(hour22), []string{row(2, hour22, "40")}, rowsOf(hour00))
}

// TestVerifyExcludedHourDecidedAgain: a decision about the file of an excluded hour
// that changes nothing in the bill is no difference.
func TestVerifyExcludedHourDecidedAgain(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(9, 9)))
	_, name := blobOf(t, hour23, rowsOf(hour23)...)
	_, err := hourlog.Exclude(t.Context(), r.Tables, hourID(name), because("a test of the stack"), false)
	ok(t, err)
	r.settle(t, rand.New(rand.NewPCG(9, 9)))
	_, err = hourlog.AskTakeOver(t.Context(), r.Tables, hourID(name), because("it is right"))
	ok(t, err)
	_, err = hourlog.KeepOut(t.Context(), r.Tables, hourID(name), because("it is not"))
	ok(t, err)
	if report := r.audit(t); len(report.Differences) > 0 {
		t.Errorf("%v", report.Differences)
	}
}
