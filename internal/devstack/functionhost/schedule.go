package functionhost

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule tells when a timer is due.
type schedule interface {
	// next is the first time after t, in UTC.
	next(t time.Time) time.Time
	// tooFast reports that the timer is due more often than once a minute; the
	// host then keeps no status for it.
	tooFast(now time.Time) bool
	// adjusts is the AdjustForDST that the handler is shown.
	adjusts() bool
}

// parseSchedule reads an NCRONTAB expression of six fields (seconds first) or
// five, or a time span.
func parseSchedule(s string) (schedule, error) {
	if strings.Contains(s, ":") {
		d, err := parseTimeSpan(s)
		if err != nil {
			return nil, fmt.Errorf("parse schedule: %w", err)
		}
		if d <= 0 {
			return nil, fmt.Errorf("parse schedule %q: it never advances", s)
		}
		return every(d), nil
	}
	options := cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow
	switch n := len(strings.Fields(s)); n {
	case 5:
	case 6:
		options |= cron.Second
	default:
		return nil, fmt.Errorf("parse schedule %q: %d fields, want 6 or 5", s, n)
	}
	// robfig/cron knows notations that NCRONTAB does not.
	if strings.ContainsAny(s, "?@=") {
		return nil, fmt.Errorf("parse schedule %q: not an NCRONTAB expression", s)
	}
	parsed, err := cron.NewParser(options).Parse(s)
	if err != nil {
		return nil, fmt.Errorf("parse schedule %q: %w", s, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("parse schedule %q: not an NCRONTAB expression", s)
	}
	spec.Location = time.UTC
	// Cron runs when either the day of the month or the weekday matches, NCRONTAB
	// when both do. The top bit marks a field as "*", which asks for both.
	spec.Dom |= 1 << 63
	return crontab{spec}, nil
}

type crontab struct{ spec *cron.SpecSchedule }

func (c crontab) next(t time.Time) time.Time { return c.spec.Next(t.UTC()) }
func (c crontab) adjusts() bool              { return true }

func (c crontab) tooFast(now time.Time) bool {
	// The real host compares the first occurrences ahead.
	t := c.next(now)
	for range 5 {
		after := c.next(t)
		if after.Sub(t) < time.Minute && !after.IsZero() {
			return true
		}
		t = after
	}
	return false
}

// every is a schedule by time span.
type every time.Duration

func (e every) next(t time.Time) time.Time { return t.UTC().Add(time.Duration(e)) }
func (e every) tooFast(time.Time) bool     { return time.Duration(e) < time.Minute }
func (e every) adjusts() bool              { return false }
