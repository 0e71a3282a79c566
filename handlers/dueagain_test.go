package handlers_test

import (
	"testing"
	"time"

	"stackusage/handlers"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// TestDueAgain: a closed day waits out ReopenDelay, unless its last missing hour came.
func TestDueAgain(t *testing.T) {
	t.Parallel()
	const delay = 6 * time.Hour
	closed := hour00.Start()
	for _, c := range []struct {
		name     string
		complete bool
		missing  []usage.Hour
		after    time.Duration
		waits    bool
	}{
		{"complete, within the delay", true, nil, delay - time.Second, true},
		{"complete, after it", true, nil, delay, false},
		{"the last missing hour came", false, nil, time.Second, false},
		{"hours are still missing, within the delay", false, []usage.Hour{hour23}, delay - time.Second, true},
		{"hours are still missing, after it", false, []usage.Hour{hour23}, delay, false},
	} {
		a := &handlers.App{Settings: handlers.Settings{ReopenDelay: delay}, Now: func() time.Time { return closed.Add(c.after) }}
		if got := a.Waits(ledger.Revision{StatedAt: closed, Complete: c.complete}, c.missing); got != c.waits {
			t.Errorf("%s: it waits: %t", c.name, got)
		}
	}
}
