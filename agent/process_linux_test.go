package agent_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime is what this process has used of all processors.
func processTime() time.Duration {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// peakRSS is the most memory that this process has had since it began, in bytes.
func peakRSS() float64 {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return float64(use.Maxrss) * 1024
}
