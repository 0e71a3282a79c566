package handlers_test

import (
	"errors"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/explain"
	"stackusage/shared/meter"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

// explained follows every line of every closed day back to its rows: each must add up,
// and together they must be what commerce accepted.
func (r *rig) explained(t *testing.T) {
	t.Helper()
	meters, err := meter.BuiltIn()
	ok(t, err)
	books := explain.Books{Tables: r.store.Tables, App: r.store.Blobs, Hours: r.store.Blobs, Meters: meters,
		Settling: time.Duration(r.Settings.SettlingHours) * time.Hour}
	days := map[[2]string]usage.Day{}
	for s, err := range daybook.Entries(t.Context(), r.Tables, "", 0, 0) {
		ok(t, err)
		days[[2]string{s.CloudID, s.Day.String()}] = s.Day
	}
	for of, day := range days {
		var explained, accepted usage.Quantity
		report, err := books.Explain(t.Context(), explain.Question{CloudID: of[0], Day: day})
		if err != nil && !errors.Is(err, explain.ErrNothing) {
			t.Fatal(err)
		}
		if err == nil {
			for _, text := range report.Contradictions {
				t.Errorf("explain %s: %s", day, text)
			}
			for _, line := range report.Lines {
				explained = explained.Add(line.Billed)
			}
		}
		for line, err := range outbox.BilledLines(t.Context(), r.Tables, of[0], day) {
			ok(t, err)
			accepted = accepted.Add(line.Stands)
		}
		if !explained.Equal(accepted) {
			t.Errorf("explain %s: the lines are billed with %s, commerce accepted %s", day, explained, accepted)
		}
	}
}
