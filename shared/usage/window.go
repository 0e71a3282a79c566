package usage

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Hour is one UTC hour, counted from 1970-01-01T00:00Z. Hours compare and
// subtract as numbers.
type Hour int64

// HourOf is the hour that holds t.
func HourOf(t time.Time) Hour {
	s := t.Unix()
	if s < 0 { // round down, not towards zero
		s -= 3599
	}
	return Hour(s / 3600)
}

// ParseHour reads an RFC 3339 time, of any offset, that is a full hour in UTC.
func ParseHour(text string) (Hour, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("parse hour %.40q: not an RFC 3339 time", text)
	}
	h := HourOf(t)
	if !h.Start().Equal(t) {
		return 0, fmt.Errorf("parse hour %.40q: not on the hour in UTC", text)
	}
	// An offset may lead out of the years that the texts of hours and days can
	// say: what is written must be readable again.
	if y := h.Start().Year(); y < 0 || y > 9999 {
		return 0, fmt.Errorf("parse hour %.40q: outside the years 0000 to 9999", text)
	}
	return h, nil
}

// Start is the first instant of the hour, in UTC.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// End is the first instant after the hour, in UTC.
func (h Hour) End() time.Time { return (h + 1).Start() }

// Day is the UTC day of the hour.
func (h Hour) Day() Day {
	if h < 0 {
		return Day((h - 23) / 24)
	}
	return Day(h / 24)
}

// OfDay is the hour's number within its day, 0 to 23.
func (h Hour) OfDay() int { return int(h - h.Day().First()) }

// String is the start of the hour as people read and write it: 2019-12-10T19:00Z.
func (h Hour) String() string { return Point(h.Start()) }

// Compact is the hour as row keys write it: 2019121019.
func (h Hour) Compact() string { return h.Start().Format("2006010215") }

// MarshalText writes the hour as formats and APIs have it: 2019-12-10T19:00:00Z.
func (h Hour) MarshalText() ([]byte, error) { return h.Start().AppendFormat(nil, time.RFC3339), nil }

// UnmarshalText reads what ParseHour reads.
func (h *Hour) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHour(string(b))
	return err
}

// ParseCompactHour reads what Compact wrote.
func ParseCompactHour(text string) (Hour, error) {
	t, err := time.Parse("2006010215", text)
	if err != nil || len(text) != len("2006010215") {
		return 0, fmt.Errorf("parse hour %.40q: not of the form 2019121019", text)
	}
	return HourOf(t), nil
}

// Day is one UTC day, counted from 1970-01-01.
type Day int64

// ParseDay reads 20191210 or 2019-12-10.
func ParseDay(text string) (Day, error) {
	layout := time.DateOnly
	if !strings.Contains(text, "-") {
		layout = "20060102"
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return 0, fmt.Errorf("parse day %.40q: not of the form 2019-12-10", text)
	}
	return HourOf(t).Day(), nil
}

// ShowDay is a day of a row as requests and flags take days. A row that was written
// by hand may have something else there, which is shown as it is.
func ShowDay(compact string) string {
	day, err := ParseDay(compact)
	if err != nil {
		return compact
	}
	return day.String()
}

// First is the first hour of the day.
func (d Day) First() Hour { return Hour(d) * 24 }

// Next is the day after.
func (d Day) Next() Day { return d + 1 }

// Start is the first instant of the day, in UTC.
func (d Day) Start() time.Time { return d.First().Start() }

// End is the first instant after the day, in UTC.
func (d Day) End() time.Time { return d.Next().Start() }

// String is the day as people write it: 2019-12-10.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }

// Compact is the day as row keys write it: 20191210.
func (d Day) Compact() string { return d.Start().Format("20060102") }

// Path is the day as names of blobs have it: 2019/12/10.
func (d Day) Path() string { return d.Start().Format("2006/01/02") }

// MarshalText writes the day as String does.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDay reads.
func (d *Day) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDay(string(b))
	return err
}

// HourSet is a set of the 24 hours of a day; bit n stands for hour n.
type HourSet uint32

// With returns the set with hour n (0 to 23) added.
func (s HourSet) With(n int) HourSet { return s | 1<<n }

// Has reports whether hour n is in the set.
func (s HourSet) Has(n int) bool { return s&(1<<n) != 0 }

// Hours lists the hours in ascending order.
func (s HourSet) Hours() []int {
	hours := make([]int, 0, 24)
	for n := range 24 {
		if s.Has(n) {
			hours = append(hours, n)
		}
	}
	return hours
}

// MarshalJSON writes the set as a list of numbers.
func (s HourSet) MarshalJSON() ([]byte, error) { return json.Marshal(s.Hours()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *HourSet) UnmarshalJSON(b []byte) error {
	var hours []int
	if err := json.Unmarshal(b, &hours); err != nil {
		return fmt.Errorf("parse hours %.100q: not a list of numbers", b)
	}
	*s = 0
	for _, n := range hours {
		if n < 0 || n > 23 {
			return fmt.Errorf("parse hours: %d is not an hour of a day", n)
		}
		*s = s.With(n)
	}
	return nil
}
