package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/calendar"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// now is 20 days after the registration begins.
var (
	begins = usage.HourOf(time.Date(2019, 12, 1, 19, 0, 0, 0, time.UTC))
	now    = time.Date(2019, 12, 21, 12, 30, 0, 0, time.UTC)
)

func history(change func(*registration.Registration)) registration.History {
	r := registration.Registration{CloudID: cloudID, EffectiveDay: begins.Day().Compact(), Start: begins.Start()}
	if change != nil {
		change(&r)
	}
	return registration.History{CloudID: cloudID, Registrations: []registration.Registration{r.Filled()}}
}

// tables have what a test puts there.
type tables struct{ *memstore.Tables }

func (s tables) put(t *testing.T, name, partition, key string, props table.Props) {
	t.Helper()
	ok(t, s.Apply(t.Context(), name, partition, table.Op{Verb: table.Put, Row: table.Row{Partition: partition, Key: key, Props: props}}))
}

// landed has a file accepted for each hour from first to last.
func (s tables) landed(t *testing.T, first, last usage.Hour) {
	t.Helper()
	for h := first; h <= last; h++ {
		s.put(t, table.UsageHours, cloudID+"_"+h.Day().Compact(), h.Start().Format("15"), table.Props{"acceptedFile": "0123456789abcdef"})
		s.put(t, table.UsageHours, cloudID+"_"+h.Day().Compact(), h.Start().Format("15")+"_0123456789abcdef", table.Props{"verdict": "accepted"})
	}
}

func newTables() tables {
	return tables{memstore.NewTables(table.UsageHours, table.UsageDays, table.Decisions)}
}

func texts(ranges []calendar.Range) string {
	var all []string
	for _, r := range ranges {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRead: what has come, what is missing between, and what since.
func TestRead(t *testing.T) {
	t.Parallel()
	day := begins.Day()
	byHand := history(func(r *registration.Registration) { r.DeliveredEvery = 10 })
	for name, tt := range map[string]struct {
		history registration.History
		open    []usage.Day
		stored  func(*testing.T, tables)
		want    string
	}{
		"nothing ever landed": {history(nil), nil, func(*testing.T, tables) {}, "last none; silent 2019-12-01T19:00Z to 2019-12-21T05:00Z"},
		"all is there": {history(nil), nil, func(t *testing.T, s tables) { s.landed(t, begins, begins+483) },
			"last 2019-12-21T22:00Z"},
		"an hour may be six hours late": {history(nil), nil, func(t *testing.T, s tables) { s.landed(t, begins, usage.HourOf(now)-7) },
			"last 2019-12-21T05:00Z"},
		"silence begins with the seventh": {history(nil), nil, func(t *testing.T, s tables) { s.landed(t, begins, usage.HourOf(now)-8) },
			"last 2019-12-21T04:00Z; silent 2019-12-21T05:00Z"},
		"gaps, the days not closed": {history(nil), nil, func(t *testing.T, s tables) {
			s.landed(t, begins+2, begins+3)
			s.landed(t, begins+5, begins+100)
			s.landed(t, begins+102, begins+490)
		}, "last 2019-12-22T05:00Z; missing 2019-12-01T19:00Z to 2019-12-01T20:00Z, 2019-12-01T23:00Z, 2019-12-06T00:00Z"},
		"a day that was closed with all hours is not read again": {history(nil), nil, func(t *testing.T, s tables) {
			s.landed(t, begins, begins+4)
			for d := day.Next(); d < day+15; d++ {
				s.put(t, table.UsageDays, cloudID, d.Compact()+"_0001", table.Props{"complete": d != day+3})
			}
			s.put(t, table.UsageDays, cloudID, (day+3).Compact()+"_0002", table.Props{"complete": true})
		}, "last 2019-12-15T23:00Z; silent 2019-12-16T00:00Z to 2019-12-21T05:00Z"},
		"one that is open again is": {history(nil), []usage.Day{day + 3}, func(t *testing.T, s tables) {
			s.landed(t, begins, begins+490)
			for d := day.Next(); d < day+15; d++ {
				s.put(t, table.UsageDays, cloudID, d.Compact()+"_0001", table.Props{"complete": true})
			}
			row, err := s.Get(t.Context(), table.UsageHours, cloudID+"_20191204", "07")
			ok(t, err)
			ok(t, s.Apply(t.Context(), table.UsageHours, row.Partition, table.Op{Verb: table.Delete, Row: row}))
		}, "last 2019-12-22T05:00Z; missing 2019-12-04T07:00Z"},
		"an hour that is excluded has come, and one that an end took out has not": {history(nil), nil, func(t *testing.T, s tables) {
			s.landed(t, begins, begins+490)
			s.put(t, table.UsageHours, cloudID+"_20191204", "07", table.Props{"excluded": "0123456789abcdef", "excludedBy": "operator"})
			s.put(t, table.UsageHours, cloudID+"_20191204", "08", table.Props{"excluded": "0123456789abcdef", "excludedBy": "end"})
		}, "last 2019-12-22T05:00Z; missing 2019-12-04T08:00Z"},
		"a file in conflict or rejected is none": {history(nil), nil, func(t *testing.T, s tables) {
			s.landed(t, begins+1, begins+490)
			s.put(t, table.UsageHours, cloudID+"_20191201", "19_aaaaaaaaaaaaaaaa", table.Props{"verdict": "rejected"})
		}, "last 2019-12-22T05:00Z; missing 2019-12-01T19:00Z"},
		"nothing is expected after the end": {history(func(r *registration.Registration) { r.End = (begins + 5).Start() }), nil,
			func(t *testing.T, s tables) { s.landed(t, begins, begins+3) }, "last 2019-12-01T22:00Z; silent 2019-12-01T23:00Z"},
		"hours that are delivered by hand are not silent before the next delivery": {byHand, nil, func(t *testing.T, s tables) { s.landed(t, begins, begins+240) },
			"last 2019-12-11T19:00Z"},
		"nor before the first": {byHand, nil, func(*testing.T, tables) {}, "last none; silent 2019-12-01T19:00Z to 2019-12-11T05:00Z"},
		"a delivery is late": {byHand, nil, func(t *testing.T, s tables) { s.landed(t, begins, begins+200) },
			"last 2019-12-10T03:00Z; silent 2019-12-10T04:00Z to 2019-12-11T05:00Z"},
		"a gap in a delivery is missing at once": {byHand, nil, func(t *testing.T, s tables) {
			s.landed(t, begins, begins+300)
			s.landed(t, begins+302, begins+303)
		}, "last 2019-12-14T10:00Z; missing 2019-12-14T08:00Z"},
		"delivered by hand, and closed with all hours": {byHand, nil, func(t *testing.T, s tables) {
			s.landed(t, begins, begins+4)
			for d := day.Next(); d < day+15; d++ {
				s.put(t, table.UsageDays, cloudID, d.Compact()+"_0001", table.Props{"complete": true})
			}
		}, "last 2019-12-15T23:00Z"},
		"nothing is ever expected": {history(func(r *registration.Registration) { r.NoHoursExpected = true }), nil,
			func(t *testing.T, s tables) {}, "last none"},
		"no registration": {registration.History{CloudID: cloudID}, nil, func(*testing.T, tables) {}, "last none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTables()
			tt.stored(t, s)
			got, err := calendar.Read(t.Context(), s, tt.history, tt.open, now)
			ok(t, err)
			text := "last none"
			if got.Last != nil {
				text = "last " + got.Last.String()
			}
			for _, part := range []struct {
				name   string
				ranges []calendar.Range
			}{{"missing", got.Missing}, {"silent", got.Silent}, {"accepted", got.Accepted}} {
				if len(part.ranges) > 0 {
					text += "; " + part.name + " " + texts(part.ranges)
				}
			}
			if text != tt.want {
				t.Errorf("%s\nwant\n%s", text, tt.want)
			}
			silent := calendar.Silence(tt.history, got.Last, nil, now)
			if (silent == nil) != (len(got.Silent) == 0) || silent != nil && silent.First != got.Silent[0].First {
				t.Errorf("Silence %v", silent)
			}
		})
	}
}

// TestAccept: an operator records once that hours will never come, and a file that comes
// all the same is as good as any other.
func TestAccept(t *testing.T) {
	t.Parallel()
	s, h := newTables(), history(nil)
	s.landed(t, begins, begins+40)
	s.landed(t, begins+44, begins+490)
	accept := func(first, last usage.Hour, why reasoned.Decision) (string, error) {
		why.At = now
		missing, err := calendar.Accept(t.Context(), s, h, calendar.Range{First: first, Last: last}, why)
		return texts(missing), err
	}
	state := func() string {
		got, err := calendar.Read(t.Context(), s, h, nil, now)
		ok(t, err)
		return fmt.Sprintf("missing %s; accepted %s", texts(got.Missing), texts(got.Accepted))
	}
	why := reasoned.Decision{By: "olga", Reason: "the stack was rebuilt"}
	if got, err := accept(begins+30, begins+42, why); err != nil || got != "2019-12-03T12:00Z to 2019-12-03T13:00Z" {
		t.Errorf("%s, %v", got, err)
	}
	if got := state(); got != "missing 2019-12-03T14:00Z; accepted 2019-12-03T12:00Z to 2019-12-03T13:00Z" {
		t.Error(got)
	}
	for want, why := range map[string]struct {
		first, last usage.Hour
		why         reasoned.Decision
	}{
		"it is recorded already": {begins + 41, begins + 42, why}, "no hour of it is missing": {begins, begins + 5, why},
		"the last hour is before": {begins + 5, begins, why}, "the reason is missing": {begins + 43, begins + 43, reasoned.Decision{By: "olga"}},
		"less than 6 h ago": {usage.HourOf(now) + 20, usage.HourOf(now) + 30, why},
	} {
		if _, err := accept(why.first, why.last, why.why); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s.landed(t, begins+41, begins+41)
	if got := state(); got != "missing 2019-12-03T14:00Z; accepted 2019-12-03T13:00Z" {
		t.Errorf("a file came: %s", got)
	}
	if row, err := s.Get(t.Context(), table.Decisions, cloudID, "missing_2019120301_2019120313"); err != nil || row.Props["by"] != "olga" || row.Props["hours"] != int64(2) {
		t.Errorf("row %v, %v", row, err)
	}
}

// TestBetween: what is over and not due yet waits; what came after it was due is late.
func TestBetween(t *testing.T) {
	t.Parallel()
	byHand := history(func(r *registration.Registration) { r.DeliveredEvery = 10 })
	for name, tt := range map[string]struct {
		history registration.History
		until   usage.Hour
		want    string
	}{
		"uploaded":                      {history(nil), usage.HourOf(now) - 9, "missing 2019-12-21T04:00Z to 2019-12-21T05:00Z; waiting 2019-12-21T06:00Z to 2019-12-21T11:00Z"},
		"by hand":                       {byHand, usage.HourOf(now) - 9, "missing ; waiting 2019-12-21T04:00Z to 2019-12-21T11:00Z"},
		"by hand, and nothing for long": {byHand, begins + 100, "missing 2019-12-06T00:00Z to 2019-12-11T05:00Z; waiting 2019-12-11T06:00Z to 2019-12-21T11:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTables()
			s.landed(t, begins, tt.until)
			got, err := calendar.Between(t.Context(), s, tt.history, begins, begins+1000, now)
			ok(t, err)
			if text := fmt.Sprintf("missing %s; waiting %s", texts(got.Missing), texts(got.Waiting)); text != tt.want {
				t.Errorf("%s, want %s", text, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		history registration.History
		after   time.Duration
		want    bool
	}{{history(nil), 6 * time.Hour, false}, {history(nil), 6*time.Hour + time.Second, true}, {byHand, 10*24*time.Hour + 6*time.Hour, false}, {byHand, 11 * 24 * time.Hour, true}, {registration.History{}, 7 * time.Hour, true}} {
		if got := calendar.CameLate(tt.history, begins, begins.End().Add(tt.after)); got != tt.want {
			t.Errorf("%s after its end: late %t", tt.after, got)
		}
	}
}
