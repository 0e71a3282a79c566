package handlers_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// TestAnHourBeforeTheStart is not billed, however early it landed; rows of earlier
// usage that are reported from the start on are.
func TestAnHourBeforeTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := newBilling(t, r)
	old := hour22 - 24*200
	n := r.land(t, old, row(1, old-1, "777"))
	before := r.land(t, hour22-1, row(1, hour22-2, "7"))
	for range 2 {
		for _, name := range []string{landedMessage(n), landedMessage(before)} {
			r.done(t, "IngestHour", name)
		}
		r.register(t) // start 2019-12-10T22, effective 20191210
	}
	r.sweep(t)
	r.announced(t)
	r.ingest(t, hour22, row(1, old, "1"), row(2, hour22-2, "2"))
	for _, h := range allDay[1:] {
		r.ingest(t, h)
	}
	r.advance(72 * time.Hour) // the day of the old row waits for hours that are not expected, until nothing more may come
	r.sweep(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	for _, h := range []hourlog.Hour{r.hourRow(t, n), r.hourRow(t, before)} {
		if h.Verdict != hourlog.Unregistered || !strings.Contains(h.Reason, "before the registration's start, 2019-12-10T22:00Z") {
			t.Errorf("%+v", h)
		}
	}
	check(t, "charged", map[string]string{"2019-12-10 " + payer: "2", old.Day().String() + " " + payer: "1"}, paid(t, b))
	t.Run("it counts once the start is earlier", func(t *testing.T) {
		r.registerFrom(t, func(reg *registration.Registration) { reg.Start = (hour22 - 1).Start() })
		r.sweep(t)
		r.announced(t)
		if got := r.hourRow(t, before).Verdict; got != hourlog.Accepted {
			t.Error(got)
		}
	})
}

// registerFrom changes the entry that stands first.
func (r *rig) registerFrom(t testing.TB, change func(*registration.Registration)) {
	t.Helper()
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	reg := history.Registrations[0]
	change(&reg)
	_, _, err = r.operator(true).Put(t.Context(), registrar.Change{Registration: reg})
	ok(t, err)
}

// TestADayOfWhichNoHoursAreExpected closes by the hour that comes, as the canary's
// does, and nothing is missed.
func TestADayOfWhichNoHoursAreExpected(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := newBilling(t, r)
	r.asks(t, 201, "PUT", "/hamburg", strings.Replace(wished(), `"properties":{`, `"properties":{"expectsHours":false,"watched":false,`, 1))
	got := r.asks(t, 200, "GET", "/hamburg", "")
	if p := got["properties"].(map[string]any); p["expectsHours"] != false || p["watched"] != false {
		t.Errorf("%v", got)
	}
	r.ingest(t, hour22, row(1, hour22-1, "1"))
	r.done(t, "CloseDay", dayMessage(theDay))
	if last := r.revision(t); !last.Complete || last.MissingHours != "" {
		t.Errorf("%+v", last)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	check(t, "charged", map[string]string{"2019-12-10 " + payer: "1"}, paid(t, b))
	r.finished(t)
}
