package usage_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

func TestParseHour(t *testing.T) {
	tests := []struct {
		name, text, want string
		ofDay            int
		day              string
	}{
		{"in UTC", "2019-12-10T19:00:00Z", "2019-12-10T19:00Z", 19, "2019-12-10"},
		{"as the stack writes it", "2019-12-10T18:00:00+00:00", "2019-12-10T18:00Z", 18, "2019-12-10"},
		{"with a fraction of zero", "2019-12-10T18:00:00.0000000Z", "2019-12-10T18:00Z", 18, "2019-12-10"},
		{"an offset moves the day", "2017-06-07T17:00:00-07:00", "2017-06-08T00:00Z", 0, "2017-06-08"},
		{"an offset of half an hour", "2019-12-10T05:30:00+05:30", "2019-12-10T00:00Z", 0, "2019-12-10"},
		{"midnight belongs to the day it begins", "2019-12-11T00:00:00Z", "2019-12-11T00:00Z", 0, "2019-12-11"},
		{"the epoch", "1970-01-01T00:00:00Z", "1970-01-01T00:00Z", 0, "1970-01-01"},
		{"the hour before the epoch", "1969-12-31T23:00:00Z", "1969-12-31T23:00Z", 23, "1969-12-31"},
		{"the first hour of a day before the epoch", "1969-12-31T00:00:00Z", "1969-12-31T00:00Z", 0, "1969-12-31"},
		{"a leap day", "2020-02-29T23:00:00Z", "2020-02-29T23:00Z", 23, "2020-02-29"},
		{"the first hour there is", "0000-01-01T00:00:00Z", "0000-01-01T00:00Z", 0, "0000-01-01"},
		{"the last hour there is", "9999-12-31T23:00:00Z", "9999-12-31T23:00Z", 23, "9999-12-31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := usage.ParseHour(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if h.String() != tt.want || h.OfDay() != tt.ofDay || h.Day().String() != tt.day {
				t.Errorf("got %s, hour %d of %s", h, h.OfDay(), h.Day())
			}
			var back usage.Hour
			stored, err := h.MarshalText()
			if err := errors.Join(err, back.UnmarshalText(stored)); err != nil || back != h {
				t.Errorf("%s reads back as %s, %v", stored, back, err)
			}
			var flag usage.HourFlag
			if err := flag.Set(h.String()); err != nil || *flag.Hour != h {
				t.Errorf("%s reads back as %v, %v", h, &flag, err)
			}
			if back, err := usage.ParseCompactHour(h.Compact()); err != nil || back != h {
				t.Errorf("%s reads back as %s, %v", h.Compact(), back, err)
			}
			if back, err := usage.ParseDay(h.Day().String()); err != nil || back != h.Day() {
				t.Errorf("%s reads back as %s, %v", h.Day(), back, err)
			}
		})
	}
}

func TestParseHourRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                           "",
		"no offset":                         "2019-12-10T19:00:00",
		"a date":                            "2019-12-10",
		"a half hour":                       "2019-12-10T19:30:00Z",
		"a second after the hour":           "2019-12-10T19:00:01Z",
		"a fraction after the hour":         "2019-12-10T19:00:00.000000001Z",
		"an hour that is half in UTC":       "2019-12-10T19:00:00+05:30",
		"a month that does not exist":       "2019-13-10T19:00:00Z",
		"a day that does not exist":         "2019-02-29T19:00:00Z",
		"hour 24":                           "2019-12-10T24:00:00Z",
		"a leap second":                     "2016-12-31T23:59:60Z",
		"an offset that leads below year 0": "0000-01-01T00:00:00+01:00",
		"an offset that leads beyond 9999":  "9999-12-31T23:00:00-01:00",
	} {
		t.Run(name, func(t *testing.T) {
			if h, err := usage.ParseHour(text); err == nil {
				t.Errorf("ParseHour(%q) = %s, want an error", text, h)
			}
		})
	}
}

func TestParseDayAndCompactHour(t *testing.T) {
	for _, text := range []string{"20191210", "2019-12-10"} {
		if d, err := usage.ParseDay(text); err != nil || d.String() != "2019-12-10" || d.Compact() != "20191210" {
			t.Errorf("ParseDay(%q) = %s, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "2019-1210", "201912-10", "2-0-1-9-1-2-1-0", "20190229", "2019-13-01", "2019121", "2019-12-10T00:00:00Z", " 20191210"} {
		if d, err := usage.ParseDay(text); err == nil {
			t.Errorf("ParseDay(%q) = %s, want an error", text, d)
		}
	}
	for _, text := range []string{"", "201912101", "2019121024", "20191210190", "2019-12-10", "20191210 9"} {
		if h, err := usage.ParseCompactHour(text); err == nil {
			t.Errorf("ParseCompactHour(%q) = %s, want an error", text, h)
		}
	}
}

func TestHoursAndDaysAgreeWithTheCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// From before 1800 to after 2100, to the nanosecond.
		at := time.Unix(rapid.Int64Range(-5_400_000_000, 5_400_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		utc := at.UTC()
		h := usage.HourOf(at)
		if want := time.Date(utc.Year(), utc.Month(), utc.Day(), utc.Hour(), 0, 0, 0, time.UTC); !h.Start().Equal(want) || !h.End().Equal(want.Add(time.Hour)) {
			t.Fatalf("%s lies in %s to %s", utc, h.Start(), h.End())
		}
		d := h.Day()
		if want := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC); !d.Start().Equal(want) || !d.End().Equal(want.AddDate(0, 0, 1)) {
			t.Fatalf("%s lies on the day %s to %s", utc, d.Start(), d.End())
		}
		if h.OfDay() != utc.Hour() || d.First()+usage.Hour(h.OfDay()) != h || d.Next().First()-d.First() != 24 {
			t.Fatalf("%s is hour %d of %s", utc, h.OfDay(), d)
		}
	})
}

func TestHourAndDayAsText(t *testing.T) {
	type doc struct {
		H usage.Hour
		D usage.Day
	}
	h, err := usage.ParseHour("2019-12-10T19:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	want := doc{h, h.Day()}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `{"H":"2019-12-10T19:00:00Z","D":"2019-12-10"}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var got doc
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"H":"2019-12-10T19:01:00Z"}`), &got); err == nil {
		t.Error("a minute passed for an hour")
	}
	if err := json.Unmarshal([]byte(`{"D":"today"}`), &got); err == nil {
		t.Error("a word passed for a day")
	}
}

func TestHourSet(t *testing.T) {
	t.Run("is written as an ascending list and read back", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			hours := rapid.SliceOfDistinct(rapid.IntRange(0, 23), rapid.ID).Draw(t, "hours")
			var set usage.HourSet
			for _, n := range hours {
				set = set.With(n).With(n)
			}
			slices.Sort(hours)
			if diff := cmp.Diff(hours, set.Hours()); len(hours) > 0 && diff != "" {
				t.Fatal(diff)
			}
			b, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			var back usage.HourSet
			if err := json.Unmarshal(b, &back); err != nil || back != set {
				t.Fatalf("%s reads back as %v, %v", b, back.Hours(), err)
			}
		})
	})
	t.Run("empty is an empty list, not null", func(t *testing.T) {
		if b, err := json.Marshal(usage.HourSet(0)); err != nil || string(b) != "[]" {
			t.Errorf("got %s, %v", b, err)
		}
	})
	for _, bad := range []string{`[24]`, `[-1]`, `["1"]`, `{}`, `7`, `[1.5]`} {
		var s usage.HourSet
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was read as %v", bad, s.Hours())
		}
	}
}
