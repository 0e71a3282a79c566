package app

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule tells when a timer is due.
type Schedule struct{ spec *cron.SpecSchedule }

// star marks a field of cron's as "*".
const star = 1 << 63

// ParseSchedule reads an NCRONTAB expression of six fields, seconds first. The real
// host keeps no status of a timer that is due more often than once a minute; here
// that is an error.
func ParseSchedule(s string) (Schedule, error) {
	// robfig/cron knows notations that NCRONTAB does not.
	if strings.ContainsAny(s, "?@=") {
		return Schedule{}, fmt.Errorf("parse schedule %q: not an NCRONTAB expression", s)
	}
	parsed, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(s)
	if err != nil {
		return Schedule{}, fmt.Errorf("parse schedule %q: %w", s, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, fmt.Errorf("parse schedule %q: not an NCRONTAB expression", s)
	}
	if bits.OnesCount64(spec.Second&^star) != 1 {
		return Schedule{}, fmt.Errorf("parse schedule %q: due more often than once a minute, which the stand-in does not carry out", s)
	}
	spec.Location = time.UTC
	// Cron runs when either the day of the month or the weekday matches, NCRONTAB
	// when both do. A field that is "*" asks for both.
	spec.Dom |= star
	return Schedule{spec}, nil
}

// Next is the first time after t, in UTC.
func (s Schedule) Next(t time.Time) time.Time { return s.spec.Next(t.UTC()) }
