package handlers_test

import (
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// TestAnHourThatIsNotOver: it must not take the place of the hour that will be
// reported, nor hold a usage day of the future open.
func TestAnHourThatIsNotOver(t *testing.T) {
	t.Parallel()
	r := registered(t)
	for _, c := range []struct {
		ahead time.Duration
		want  hourlog.Verdict
	}{{-2 * time.Hour, hourlog.Accepted}, {3 * time.Hour, hourlog.Rejected}, {10 * 365 * 24 * time.Hour, hourlog.Rejected}} {
		h := usage.HourOf(time.Now().Add(c.ahead))
		name := r.ingest(t, h, rowsOf(h)...)
		got := r.hourRow(t, name)
		if got.Verdict != c.want || c.want == hourlog.Rejected && (got.Code != landing.RejectedNotOver || got.Reason == "") {
			t.Errorf("an hour that begins in %s: %+v", c.ahead, got)
		}
	}
}
