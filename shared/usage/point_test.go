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
