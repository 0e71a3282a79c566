package verify_test

import (
	"strings"
	"testing"

	"stackusage/internal/memstore"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/verify"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// put writes a row as somebody would by hand.
func put(t *testing.T, s *memstore.Tables, name, partition, key string, props table.Props) {
	t.Helper()
	if err := s.Apply(t.Context(), name, partition, table.Op{Verb: table.Insert, Row: table.Row{Partition: partition, Key: key, Props: props}}); err != nil {
		t.Fatal(err)
	}
}

// A list in a header waits for an operator unless it is confirmed for the list that
// holds for the day by now.
func TestALaterListConfirmsNothingOfTheDay(t *testing.T) {
	const day, other, mine = "20191210", "b31316d4-de02-43a4-903d-eb74f8258b02", "b31316d4-de02-43a4-903d-eb74f8258b03"
	list := func(subscription, against string) table.Props {
		return table.Props{"subscriptions": subscription, "against": against, "confirmed": true}
	}
	for name, c := range map[string]struct {
		lists map[string]table.Props
		waits bool
	}{
		"another list holds":              {map[string]table.Props{"20191201": list(mine, "")}, true},
		"this list holds":                 {map[string]table.Props{"20191201": list(other, "")}, false},
		"this list was replaced":          {map[string]table.Props{"20191201": list(other, ""), "20191205": list(mine, "")}, true},
		"it was for the same day":         {map[string]table.Props{"20191201": list(other, ""), "20191201_0002": list(mine, "")}, true},
		"this list holds from a later":    {map[string]table.Props{"20191201": list(mine, ""), "20191211": list(other, "")}, true},
		"confirmed against it":            {map[string]table.Props{"20191201": list(mine, registration.ListHash([]string{other}))}, false},
		"confirmed against it, of before": {map[string]table.Props{"20191201": list(mine, registration.ListHash([]string{other})), "20191205": list(cloudID, "")}, true},
	} {
		s := memstore.NewTables(table.Registrations, table.Decisions)
		put(t, s, table.Registrations, cloudID, "registration_20191201", table.Props{"subscriptionId": cloudID})
		for key, props := range c.lists {
			put(t, s, table.Registrations, cloudID, "infrastructure_"+key, props)
		}
		if open := verify.Seen(t.Context(), s, cloudID, day, []string{other}); len(open) > 0 != c.waits {
			t.Errorf("%s: %q waits for an operator", name, open)
		}
	}
}

// What commerce has just declined is no difference: the app records it in the row of
// the day, then deletes that of the revision.
func TestADayThatIsBeingRecordedAsDeclinedIsNoDifference(t *testing.T) {
	const day = "20191210"
	record := func(s *memstore.Tables) { put(t, s, table.OpenDays, cloudID, day, table.Props{"declined": int64(1)}) }
	for name, c := range map[string]struct {
		before, between func(*memstore.Tables)
		want            string
	}{
		"nothing is recorded":                       {want: "1 line states something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays"},
		"it is recorded":                            {before: record},
		"it is recorded when the day has been read": {between: record, want: "was recording"},
		"the revision is still there": {before: func(s *memstore.Tables) { put(t, s, table.OpenDays, cloudID, day+"_0001", table.Props{}) },
			want: "was recording"},
	} {
		s := memstore.NewTables(table.OpenDays, table.UsageDays)
		run := func(step func(*memstore.Tables)) {
			if step != nil {
				step(s)
			}
		}
		run(c.before)
		found := verify.Standing(t.Context(), s, cloudID, day, func() { run(c.between) })
		all := append(found.Differences, found.Open...)
		if differs := len(found.Differences) > 0; differs != (name == "nothing is recorded") {
			t.Errorf("%s: differs: %v", name, found.Differences)
		}
		if len(all) > 0 != (c.want != "") || len(all) > 0 && !strings.Contains(all[0].What, c.want) {
			t.Errorf("%s: %q, want %q", name, all, c.want)
		}
	}
}
