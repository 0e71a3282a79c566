package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackusage/shared/queue"
)

// logged is what the app logs while work is done.
func (r *rig) logged(work func()) string {
	var log bytes.Buffer
	r.Log = slog.New(slog.NewJSONHandler(&log, nil))
	defer func() { r.Log = slog.New(slog.DiscardHandler) }()
	work()
	return log.String()
}

// Alert rules look for these lines: infra/modules/alert-rules.bicep.
func TestLinesOfAlerts(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	said := func(t *testing.T, want int) {
		t.Helper()
		log := r.logged(func() { r.sweep(t) })
		line := fmt.Sprintf(`"msg":"day overdue","function":"Sweep","invocation":"","cloudId":%q,"usageDay":%q,"deadline":`, cloudID, theDay.String())
		if n := strings.Count(log, line); n != want || strings.Count(log, "day overdue") != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, log)
		}
	}
	r.advance(49 * time.Hour)
	t.Run("a day that was due a while ago may be on its way", func(t *testing.T) { said(t, 0) })
	r.advance(2 * time.Hour)
	t.Run("a day that is still not stated two hours after its deadline is overdue", func(t *testing.T) { said(t, 1) })
	t.Run("a day that is stated is not", func(t *testing.T) {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.take(t, queue.Days)
		said(t, 0)
	})
	for status, kind := range map[int]string{http.StatusBadRequest: "declined", http.StatusForbidden: "credentials", http.StatusServiceUnavailable: "busy"} {
		t.Run(fmt.Sprintf("a batch that waits after %d says that the cause is %s", status, kind), func(t *testing.T) {
			r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool {
				w.WriteHeader(status)
				return true
			}
			log := r.logged(func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
			if !strings.Contains(log, `"msg":"batch waits"`) || !strings.Contains(log, fmt.Sprintf(`"kind":%q`, kind)) {
				t.Errorf("log %s", log)
			}
			r.advance(25 * time.Hour)
		})
	}
}
