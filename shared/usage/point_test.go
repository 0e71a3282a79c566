package usage_test

import (
	"testing"
	"time"

	"stackusage/shared/usage"
)

func TestAPointIsReadBack(t *testing.T) {
	want := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	for _, text := range []string{usage.Point(want), "2026-11-29T10:00Z", "2026-11-29T10:00:00Z", "2026-11-29T10:00:00.000Z", "2026-11-29T12:00+02:00"} {
		if got, err := usage.ParsePoint(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
		var flag usage.HourFlag
		if err := flag.Set(text); err != nil || flag.String() != "2026-11-29T10:00Z" || *flag.Hour != usage.HourOf(want) {
			t.Errorf("%s: %s, %v", text, &flag, err)
		}
	}
	for _, text := range []string{"", "noon", "2026-11-29", "2026-11-29T10:00", "2026-11-29T10:30Z", "2026-11-29T10:00:01Z", "0000-01-01T00:00+01:00"} {
		if err := new(usage.HourFlag).Set(text); err == nil {
			t.Errorf("%q is accepted as an hour", text)
		}
	}
}

func TestATimeOfAnotherClockIsJustNow(t *testing.T) {
	now := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{"just now": 0, "1 s ago": time.Second, "6 h ago": 6 * time.Hour} {
		if got := usage.Ago(now, now.Add(-d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for _, d := range []time.Duration{400 * time.Millisecond, -2 * time.Second, -3 * time.Hour} {
		if got := usage.Ago(now, now.Add(-d)); got != "just now" {
			t.Errorf("%s: %q", d, got)
		}
	}
}

func TestOneOfAThingHasNoPlural(t *testing.T) {
	for want, got := range map[string]string{
		"0 rows": usage.Count(0, "row"), "1 row": usage.Count(1, "row"), "2 rows": usage.Count(int64(2), "row"),
		"1 batch": usage.Count(1, "batch"), "2 batches": usage.Count(2, "batch"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestASpanIsReadable(t *testing.T) {
	const day = 24 * time.Hour
	for want, d := range map[string]time.Duration{
		"0 s": 400 * time.Millisecond, "12 s": 12 * time.Second, "1 min": 59*time.Second + 600*time.Millisecond,
		"1 min 30 s": 90 * time.Second, "1 h": 59*time.Minute + 59*time.Second + 900*time.Millisecond,
		"6 h 5 min": 6*time.Hour + 5*time.Minute + 20*time.Second, "1 d": 23*time.Hour + 59*time.Minute + 50*time.Second,
		"7 d": 7 * day, "929 d 16 h": 22312*time.Hour + 11*time.Minute, "-3 h": -3 * time.Hour,
	} {
		if got := usage.Span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := usage.Span(-400 * time.Millisecond); got != "0 s" {
		t.Errorf("a clock that is a little ahead: %q, want 0 s", got)
	}
}
