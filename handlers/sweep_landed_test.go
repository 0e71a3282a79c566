package handlers_test

import (
	"fmt"
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// quiet sets the app's clock to a time at which neither the daily nor the hourly
// turn of the registration came in the last hour or five minutes.
func (r *rig) quiet(t testing.TB) {
	t.Helper()
	began := time.Now().Add(time.Hour)
	for now := began; now.Before(began.Add(24 * time.Hour)); now = now.Add(time.Minute) {
		all, _ := sweep.Turns(cloudID, now.Add(-62*time.Minute), now)
		_, undecided := sweep.Turns(cloudID, now.Add(-5*time.Minute), now)
		if !all && !undecided {
			r.Now = func() time.Time { return now.Add(time.Duration(r.offset.Load())) }
			return
		}
	}
	t.Fatal("there is no such time")
}

// swept runs Sweep as the host does, its timer having fired a while ago, and
// counts what it announces.
func (r *rig) swept(t testing.TB, ago time.Duration) int {
	t.Helper()
	r.sweepSince(t, r.Now().Add(-ago))
	return len(r.take(t, queue.Landed))
}

func TestSweepTurns(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, every := range []time.Duration{time.Minute, 5 * time.Minute, 7 * time.Minute, time.Hour, 5 * time.Hour} {
		for n := range 20 {
			id := fmt.Sprintf("%08d-de02-43a4-903d-eb74f8258b01", n)
			alls, undecideds := 0, 0
			for now := start; now.Before(start.Add(10 * 24 * time.Hour)); now = now.Add(every) {
				all, undecided := sweep.Turns(id, now.Add(-every), now)
				if all {
					alls++
				}
				if undecided {
					undecideds++
				}
			}
			if want := int(min(240, 240*time.Hour/every)); alls < 10 || alls > 11 || undecideds < want-1 || undecideds > want+1 {
				t.Errorf("every %s: %d and %d turns in ten days, want 10 and %d", every, alls, undecideds, want)
			}
		}
	}
	if all, undecided := sweep.Turns(cloudID, time.Time{}, start); !all || !undecided {
		t.Error("a timer that never fired before skips something")
	}
}

func TestSweepOfWhatIsOld(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Settings.Limits = landing.Limits{Rows: 2}
	r.quiet(t)
	recent := usage.HourOf(r.Now()) - 5
	old := r.land(t, hour22, rowsOf(hour22)...) // seven years ago
	late := r.land(t, recent)                   // landed, and nobody said so
	t.Run("an hour of late is found at every run", func(t *testing.T) {
		if n := r.swept(t, 0); n != 1 {
			t.Errorf("%d announced", n)
		}
	})
	t.Run("an hour of long ago is found once a day", func(t *testing.T) {
		found := 0
		for range 24 {
			found += r.swept(t, time.Hour) - 1 // the one of late
			r.advance(time.Hour)
		}
		if found != 1 {
			t.Errorf("announced %d times in a day", found)
		}
		if n := r.swept(t, 24*time.Hour); n != 2 {
			t.Errorf("%d announced by a timer that stood still for a day", n)
		}
	})
	r.done(t, "IngestHour", landedMessage(late))
	r.done(t, "IngestHour", landedMessage(old))
	r.quiet(t)
	r.offset.Store(0)
	t.Run("an hour of long ago counts within the hour once its stamp is registered", func(t *testing.T) {
		if n := r.swept(t, time.Hour); n != 0 {
			t.Errorf("%d announced", n)
		}
		r.register(t)
		if n := r.swept(t, 0); n != 1 {
			t.Errorf("%d announced at once, want the one of late", n)
		}
		r.sweepSince(t, r.Now().Add(-time.Hour))
		r.announced(t)
		if v := r.hourRow(t, late).Verdict; v != hourlog.Accepted {
			t.Errorf("verdict %s", v)
		}
		if h := r.hourRow(t, old); h.Verdict != hourlog.Rejected || h.Code != landing.RejectedTooManyRows {
			t.Errorf("%+v", h)
		}
	})
	t.Run("so does one that was over a limit that was raised", func(t *testing.T) {
		if n := r.swept(t, time.Hour); n != 0 {
			t.Errorf("%d announced", n)
		}
		r.Settings.Limits.Rows = 5
		r.sweepSince(t, r.Now().Add(-time.Hour))
		r.announced(t)
		if v := r.hourRow(t, old).Verdict; v != hourlog.Accepted {
			t.Errorf("verdict %s", v)
		}
	})
	t.Run("so does one that is to take another's place", func(t *testing.T) {
		other := r.ingest(t, hour22, row(1, hour22-1, "3"))
		if n := r.swept(t, time.Hour); n != 0 || r.hourRow(t, other).Verdict != hourlog.Conflict {
			t.Errorf("%d announced", n)
		}
		_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(other), because("it is right"))
		ok(t, err)
		for range 2 { // it took the place; that is the end of it
			r.sweepSince(t, r.Now().Add(-time.Hour))
			r.announced(t)
		}
		if v := r.hourRow(t, other).Verdict; v != hourlog.Accepted {
			t.Errorf("verdict %s", v)
		}
	})
	t.Run("then nothing is left", func(t *testing.T) {
		for _, ago := range []time.Duration{0, time.Hour, 48 * time.Hour} {
			if n := r.swept(t, ago); n != 0 {
				t.Errorf("%d announced", n)
			}
		}
	})
}

// TestSweepFindsAnyHour: whichever files have no verdict, wherever they stand
// among those that have, they and no others are announced.
func TestSweepFindsAnyHour(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.quiet(t)
	last := usage.HourOf(r.Now())
	want := map[string]bool{}
	for i, h := range []usage.Hour{0, hour22 - 9999, hour22, hour22, hour23, hour00, hour00, last - 400, last - 30, last - 29, last - 29, last - 2, last + 5, last + 50_000} {
		name := r.land(t, h, row(i, h-1, "1"))
		if i%3 == 0 {
			want[queue.LandedMessage(name)] = true
			continue
		}
		r.done(t, "IngestHour", landedMessage(name))
	}
	r.sweepSince(t, time.Time{})
	for _, text := range r.take(t, queue.Landed) {
		if !want[text] {
			t.Errorf("announced, or twice: %s", text)
		}
		delete(want, text)
	}
	if len(want) > 0 {
		t.Errorf("not announced: %v", want)
	}
}

// TestSweepCost pins what an idle app costs: it does not grow with what landed.
func TestSweepCost(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.quiet(t)
	last := usage.HourOf(r.Now()) - 1
	// A message of each of three poison queues, the containers, the turns that are
	// done, what is open, the registrations, the end of the run.
	const fixed = 3 + 1 + 1 + 1 + 1 + 1
	// The blobs of each month that the look-back touches, and the rows.
	recent := 1 + len(map[string]bool{
		r.Now().Add(-r.Settings.SweepLookback).Format("0601"): true, r.Now().AddDate(0, 0, 1).Format("0601"): true,
	})
	pin := func(what string, want int, ago time.Duration) {
		t.Helper()
		if got := r.count(func() { r.sweepSince(t, r.Now().Add(-ago)) }); got != want {
			t.Errorf("%s takes %d storage requests, want %d", what, got, want)
		}
	}
	landed := 0
	for _, hours := range []int{0, 12, 60} {
		for ; landed < hours; landed++ {
			r.ingest(t, last-usage.Hour(landed))
		}
		r.forget(t, table.OpenDays) // what is open has costs of its own
		fixed := fixed
		if hours == 0 { // the stack is silent: whether that is accepted
			fixed++
		}
		pin(fmt.Sprintf("Sweep of %d hours", hours), fixed+recent, 0)
		// Verdicts that may change, whether reporting was ever off, and that it is done.
		pin(fmt.Sprintf("Sweep of %d hours, once an hour", hours), fixed+recent+3, 61*time.Minute)
		// All blobs of the years from 1000 and from 2000, 5,000 at a time; all rows, 1,000 at a time; the
		// registration; what was decided, of which the blob may not be among them; the
		// days that may have to be restated; and the hours before the first start.
		pin(fmt.Sprintf("Sweep of %d hours, once a day", hours), fixed+8, 25*time.Hour)
	}
}
