package agent

import (
	"math/rand/v2"
	"time"

	"stackusage/shared/usage"
)

// pause is the wait between two rounds while there is more to catch up, and the first
// wait after a failure, doubled for each one after it.
const pause = time.Minute

// Settings of Run and Once. The configuration has their defaults.
type Settings struct {
	// First is the first reported hour, where the registration starts: Run and Once do
	// not start without it.
	First usage.Hour

	// Until is the first hour that Once leaves alone; 0 means that it takes all that
	// is due.
	Until usage.Hour

	// Delay is the wait after an hour's end before it is asked for. It leaves what the
	// stack still reads an hour to be booked. The time an hour is asked by is when a
	// row entered the usage system, so in principle an hour is whole when it is over;
	// but nobody documents how soon it can be read, and what comes into an hour after
	// it was asked for is never seen. An hour costs nothing: a usage day is closed six
	// reported hours after its end at the earliest. Stacks that do not report the
	// current UTC day answer "not yet", whatever the delay.
	Delay time.Duration

	// MaxCatchUp is how many hours are collected in one round, so that a stack
	// that was away is not asked for a month at once.
	MaxCatchUp int

	// Interval is the longest wait between two rounds, and between two tries
	// of what fails.
	Interval time.Duration

	// Jitter is the most that is added by chance to the wait for the next
	// hour, so that many agents do not ask and upload at once.
	Jitter time.Duration

	// KeepSent is how long a file is kept after it was uploaded.
	KeepSent time.Duration

	// MaxAge is how long an hour may wait to be uploaded before Status reports it.
	MaxAge time.Duration

	// ByHand means that nothing is uploaded: a person exports the hours.
	ByHand bool

	// NoSplit keeps the agent from asking subscriber by subscriber where the stack's
	// gateway gives up on all at once.
	NoSplit bool

	// CheckAfter is when an hour is asked for once more after it was sealed, to see
	// whether it has the same rows; 0 means never.
	CheckAfter time.Duration
}

// Due is when an hour may be asked for.
func (s Settings) Due(h usage.Hour) time.Time { return h.End().Add(s.Delay) }

// again is the wait after the n-th failure in a row: doubled for each one, less up
// to half by chance, at least what was asked for. What has failed for days is tried
// a few times a day.
func (s Settings) again(n int, failing, asked time.Duration) time.Duration {
	d, most := pause, max(s.Interval, min(24*time.Hour, failing/4))
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	d -= rand.N(d/2 + 1)
	return max(d, min(asked, most))
}
