package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// landedAt says in the tables that what was ingested since the last call landed at
// a moment: the storage's own clock cannot be moved.
func (r *rig) landedAt(t *testing.T, at time.Time) {
	t.Helper()
	for row, err := range r.store.Tables.List(t.Context(), table.DayInputs, "", "", "") {
		ok(t, err)
		if _, done := row.Props["moved"]; done {
			continue
		}
		row.Props["landedAt"], row.Props["moved"] = at, true
		ok(t, r.store.Tables.Apply(t.Context(), table.DayInputs, row.Partition, table.Op{Verb: table.Update, Row: row}))
	}
	for row, err := range r.store.Tables.List(t.Context(), table.OpenDays, cloudID, "", "") {
		ok(t, err)
		since, _ := row.Props["since"].(time.Time)
		if row.Props["lastLanding"] = at; since.After(at) {
			row.Props["since"] = at
		}
		ok(t, r.store.Tables.Apply(t.Context(), table.OpenDays, row.Partition, table.Op{Verb: table.Update, Row: row}))
	}
}

// TestLaterLandingsDoNotPutOffADay: CLOSE_DELAY is a bound. One row of a day every
// 40 hours kept it open for ever.
func TestLaterLandingsDoNotPutOffADay(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	now := hour00.End()
	r.Now = func() time.Time { return now }
	// Hour 23 never comes.
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour00, rowsOf(hour00)...)
	r.landedAt(t, now)
	stated := func() *daybook.Revision {
		last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
		ok(t, err)
		return last
	}
	bound := now.Add(r.Settings.CloseDelay)
	for stated() == nil {
		now = now.Add(40 * time.Hour)
		h := usage.HourOf(now)
		r.ingest(t, h, row(1, hour22, "0.001"), row(2, h, "1")) // a row of the old day among those of today
		r.landedAt(t, now)
		before := now.Before(bound)
		r.sweep(t)
		r.done(t, "CloseDay", dayMessage(theDay))
		if before == (stated() != nil) {
			t.Fatalf("at %s the revision is %v; the day is bound to close at %s", now, stated(), bound)
		}
	}
	// What comes after it is a correction.
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	now = now.Add(40 * time.Hour)
	h := usage.HourOf(now)
	r.ingest(t, h, row(1, hour22, "0.001"))
	r.done(t, "CloseDay", dayMessage(theDay))
	if last := stated(); last.Number != 2 || last.Records != 1 {
		t.Errorf("revision %d with %d records; want the second with one correction", last.Number, last.Records)
	}
}

// TestADayWaitsForItsRegistration: hours that were kept until their stack was
// registered have CLOSE_DELAY from then on to be ingested.
func TestADayWaitsForItsRegistration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registerAs(t, func(*registration.Registration) {}) // now; what is reported is years old
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.landedAt(t, hour22.End())
	closed := func() bool {
		r.done(t, "CloseDay", dayMessage(theDay))
		last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
		ok(t, err)
		return last != nil
	}
	if closed() {
		t.Error("the day closes before the other hours can have been ingested")
	}
	r.advance(r.Settings.CloseDelay + time.Minute)
	if !closed() {
		t.Error("the day does not close after CLOSE_DELAY")
	}
}

// TestADayThatIsDeliveredByHand: the hours of a delivery land one by one, and those that
// the next one brings make one revision.
func TestADayThatIsDeliveredByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	newBilling(t, r)
	now := hour00.End()
	r.Now = func() time.Time { return now }
	r.registerAs(t, func(reg *registration.Registration) { reg.DeliveredEvery = 30 })
	lands := func(h usage.Hour) {
		t.Helper()
		r.ingest(t, h, rowsOf(h)...)
		r.landedAt(t, now)
	}
	revisions := func(want int) {
		t.Helper()
		r.sweep(t)
		r.done(t, "CloseDay", dayMessage(theDay))
		if days := r.rows(t, table.UsageDays); len(days) != want {
			t.Errorf("at %s: %d revisions, want %d", now, len(days), want)
		}
	}
	delay := r.Settings.CloseDelay
	lands(hour22)
	now = now.Add(delay - time.Hour)
	lands(hour00)
	now = now.Add(delay - time.Hour) // after the delay from the first landing
	revisions(0)
	now = now.Add(30 * time.Minute)
	for _, f := range r.audit(t).Differences {
		t.Error(f)
	}
	now = now.Add(30 * time.Minute)
	revisions(1) // without hour 23 and some of the next day
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	now = now.Add(30 * 24 * time.Hour)
	for h := hour00 + 1; h < hour00+6; h++ {
		lands(h)
		revisions(1)
	}
	lands(hour23)
	revisions(2)
	if last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay); err != nil || !last.Complete {
		t.Errorf("%+v, %v", last, err)
	}
}

// TestADeliveryThatEndsWithinADay: what the next delivery may have is no gap for the alert
// hours-missing.
func TestADeliveryThatEndsWithinADay(t *testing.T) {
	t.Parallel()
	for _, last := range []usage.Hour{hour23, hour00} {
		r := newRig(t)
		r.registerAs(t, func(reg *registration.Registration) { reg.DeliveredEvery = 30 })
		for _, h := range []usage.Hour{hour22, last} {
			r.ingest(t, h, rowsOf(h)...)
		}
		r.advance(r.Settings.CloseDelay + time.Hour)
		log := r.logged(func() { r.done(t, "CloseDay", dayMessage(theDay)) })
		if want := fmt.Sprintf(`"complete":false,"records":3,"rows":6,"batches":1,"awaitsDelivery":%t`, last == hour23); !strings.Contains(log, want) {
			t.Errorf("log %s, want %s", log, want)
		}
	}
}
