//go:build !movedclock

package main

import "time"

// now is the clock of the app. A build for the chaos test has another one.
func now() time.Time { return time.Now() }
