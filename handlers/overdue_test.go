package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"stackusage/handlers"
)

// Alert rules look for this line: infra/modules/alert-rules.bicep.
func TestSweepSaysWhichDaysAreOverdue(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	said := func(t *testing.T, want int) {
		t.Helper()
		var log bytes.Buffer
		r.Log = slog.New(slog.NewJSONHandler(&log, nil))
		r.sweep(t)
		line := fmt.Sprintf(`"msg":"day overdue","function":"Sweep","invocation":"","cloudId":%q,"usageDay":%q,"deadline":`, cloudID, theDay.String())
		if n := strings.Count(log.String(), line); n != want || strings.Count(log.String(), "day overdue") != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, log.String())
		}
	}
	r.advance(49 * time.Hour)
	t.Run("a day that was due a while ago may be on its way", func(t *testing.T) { said(t, 0) })
	r.advance(2 * time.Hour)
	t.Run("a day that is still not stated two hours after its deadline is overdue", func(t *testing.T) { said(t, 1) })
	t.Run("a day that is stated is not", func(t *testing.T) {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.take(t, handlers.QueueDays)
		said(t, 0)
	})
}
