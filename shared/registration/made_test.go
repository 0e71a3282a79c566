package registration_test

import (
	"testing"
	"time"

	"stackusage/shared/registration"
)

func TestMade(t *testing.T) {
	t.Parallel()
	at := func(day int) time.Time { return time.Date(2020, 1, day, 0, 0, 0, 0, time.UTC) }
	entry := func(name, day string, made time.Time, end time.Time) registration.Registration {
		return registration.Registration{CloudID: "b31316d4-de02-43a4-903d-eb74f8258b01", Name: name, EffectiveDay: day,
			Start: at(1), End: end, Note: registration.Note{At: made}}
	}
	numbered := func(r registration.Registration, n int) registration.Registration {
		r.Number = n
		return r
	}
	for _, c := range []struct {
		name    string
		history []registration.Registration
		day     string
		want    time.Time
	}{
		{"nobody is registered", nil, "20200105", time.Time{}},
		{"its first entry", []registration.Registration{entry("a", "20200102", at(3), time.Time{}), entry("a", "20200109", at(9), time.Time{})}, "20200110", at(3)},
		{"a backdated change makes nothing anew", []registration.Registration{entry("a", "20200102", at(20), time.Time{}), entry("a", "20200103", at(3), time.Time{})}, "20200102", at(3)},
		{"put by hand: its start", []registration.Registration{entry("", "20200102", time.Time{}, time.Time{}), entry("", "20200109", at(9), time.Time{})}, "20200110", at(1)},
		{"another registration", []registration.Registration{entry("a", "20200102", at(3), at(8)), entry("b", "20200109", at(15), time.Time{})}, "20200110", at(15)},
		{"and the one before it", []registration.Registration{entry("a", "20200102", at(3), at(8)), entry("b", "20200109", at(15), time.Time{})}, "20200107", at(3)},
		{"registered again after an end", []registration.Registration{entry("a", "20200102", at(3), at(8)), entry("A", "20200109", at(15), time.Time{})}, "20200110", at(15)},
		{"an end that moved to a later hour", []registration.Registration{entry("a", "20200102", at(3), at(8)), numbered(entry("a", "20200102", at(9), at(12)), 1)}, "20200102", at(9)},
		{"an end that moved to an earlier hour", []registration.Registration{entry("a", "20200102", at(3), at(12)), numbered(entry("a", "20200102", at(9), at(8)), 1)}, "20200102", at(3)},
	} {
		if got := (registration.History{Registrations: c.history}).Made(c.day); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
