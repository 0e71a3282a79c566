//go:build movedclock

package main

import (
	"os"
	"strings"
	"time"
)

// now is a clock that is wrong by the duration in the file MOVED_CLOCK_FILE, read
// at each look: the chaos test moves the clock of a running handler. It is in
// no build that is deployed.
func now() time.Time {
	t := time.Now().Round(0) // the monotonic reading does not move
	text, err := os.ReadFile(os.Getenv("MOVED_CLOCK_FILE"))
	if err != nil {
		return t
	}
	by, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return t
	}
	return t.Add(by)
}
