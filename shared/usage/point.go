package usage

import (
	"fmt"
	"strings"
	"time"
)

// Point is how a point in time is shown to people, in UTC: 2019-12-10T19:00Z.
// ParsePoint reads it back.
func Point(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

// Span is how a length of time is shown to people, to about a hundredth: 929 d 16 h,
// 6 h 5 min, 1 min 30 s, 12 s. Less than half a second is 0 s.
func Span(d time.Duration) string {
	if d <= -time.Second/2 { // less is rounded to 0
		return "-" + Span(-d)
	}
	for _, in := range []struct {
		unit, part time.Duration
		name, rest string
	}{{24 * time.Hour, time.Hour, "d", "h"}, {time.Hour, time.Minute, "h", "min"}, {time.Minute, time.Second, "min", "s"}} {
		rounded := d.Round(in.part)
		if rounded < in.unit {
			continue
		}
		text := fmt.Sprintf("%d %s", rounded/in.unit, in.name)
		if rest := rounded % in.unit / in.part; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, in.rest)
		}
		return text
	}
	return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
}

// Ago is how long ago a point in time is, as people are told: 12 s ago. One that is not
// over yet by this clock, as another machine wrote it, is just now.
func Ago(now, t time.Time) string {
	if d := now.Sub(t); d >= time.Second/2 { // less is rounded to 0
		return Span(d) + " ago"
	}
	return "just now"
}

// Count is a number of things: 1 row, 2 rows.
func Count[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "ch") { // batch
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ParsePoint reads what people write: an RFC 3339 time of any offset, with seconds or
// without. Stored texts are read by ParseHour, which wants seconds.
func ParsePoint(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04Z07:00", time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("parse time %.40q: want RFC 3339 in UTC, for example 2019-12-10T19:00Z", text)
}

// HourFlag is an hour that people write, for the flags of a program.
type HourFlag struct{ Hour *Hour } // nil until it is set

// Set reads a full hour, as ParsePoint reads times.
func (f *HourFlag) Set(text string) error {
	t, err := ParsePoint(text)
	if err != nil {
		return err
	}
	h, err := ParseHour(t.Format(time.RFC3339Nano))
	if err == nil {
		f.Hour = &h
	}
	return err
}

// String is the hour, empty until it is set.
func (f *HourFlag) String() string {
	if f.Hour == nil {
		return ""
	}
	return f.Hour.String()
}

// Type is what help calls the value.
func (f *HourFlag) Type() string { return "hour" }
