//go:build !linux

package agent_test

import "time"

// Zero: not measured here.
func processTime() time.Duration { return 0 }
func peakRSS() float64           { return 0 }
