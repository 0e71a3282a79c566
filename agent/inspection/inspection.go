// Package inspection says how a spool stands, from its files: for status and doctor.
package inspection

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

const (
	// overdue is how long after its announced round an agent that says nothing is
	// taken for one that does not run. While it catches up, it speaks with each hour.
	overdue = 2 * time.Hour

	// behind is how long after it was due an hour may be missing before somebody has
	// to look; behindDay is that of a stack that says "not yet": one that does not
	// tell the current UTC day tells an hour after a day.
	behind    = 6 * time.Hour
	behindDay = 30 * time.Hour
)

// Inspection is how a spool stands, as read from its files, whoever uses it.
type Inspection struct {
	Status *status.Status // what an agent has said of itself last; nil if none has
	Next   usage.Hour     // the oldest hour that is not collected
	Lag    time.Duration  // since that was due; 0 if it is not yet
	Behind *Finding       // nil if Lag is no cause for concern
	Open   []string       // what somebody has to look at, Behind first
	Unread error          // of what an agent has said, if that is damaged
}

// Finding is what is wrong and what to do.
type Finding struct{ Cause, Advice string }

// String is both in one line.
func (f Finding) String() string { return f.Cause + ": " + f.Advice }

// Inspect looks at the spool in dir without its lock. What an agent has said last is
// only the explanation: whether hours are missing follows from the files.
func Inspect(dir string, settings agent.Settings, limits spool.Limits, now time.Time) (Inspection, error) {
	i := Inspection{Next: settings.First}
	s, err := status.Read(dir)
	switch {
	case err == nil:
		i.Status = &s
	case errors.As(err, new(*fs.PathError)): // who looks may not
		return i, err
	case !errors.Is(err, status.ErrNone):
		i.Unread = err
	}
	sp, err := spool.Peek(dir)
	if err != nil {
		return i, err
	}
	gaps, err := sp.Gaps(settings.First, 1)
	if err != nil {
		return i, err
	}
	i.Next = gaps[0]
	if i.Status != nil {
		if err := correct(i.Status, sp); err != nil {
			return i, err
		}
		s = *i.Status
	}
	i.Lag = max(0, now.Sub(settings.Due(i.Next)))
	full := spool.CheckLimits(dir, limits)
	if i.Status == nil && i.Unread == nil {
		full = nil // there may be no folder yet
	}
	if i.Behind = i.concern(settings, full, now); i.Behind != nil {
		i.Open = append(i.Open, i.Behind.String())
	}
	switch {
	case i.Status != nil:
		i.Open = append(i.Open, i.openOf(s, settings, full, now)...)
	case i.Unread != nil && i.Behind == nil:
		i.Open = append(i.Open, oneText(i.Unread.Error())+": a running agent replaces it within the hour")
	}
	return i, nil
}

// correct replaces what an agent has said of files by what is there: one that is
// killed, or has a full disk, says nothing of what it stored since.
func correct(s *status.Status, sp *spool.Spool) error {
	sealed, err := sp.Sealed()
	if err != nil {
		return err
	}
	rejected, err := sp.Rejected()
	if err != nil {
		return err
	}
	s.BacklogHours, s.BacklogBytes, s.OldestSpooled = len(sealed), 0, nil
	there := map[string]bool{}
	for i, e := range slices.Concat(sealed, rejected) {
		there[e.Name()] = true
		if i < len(sealed) {
			s.BacklogBytes += e.Size
		}
	}
	if s.Old = s.Old && len(sealed) > 0; len(sealed) > 0 {
		s.OldestSpooled = &sealed[0].Hour
	}
	s.FailingFiles = slices.DeleteFunc(s.FailingFiles, func(f status.FailingFile) bool { return !there[f.File] })
	return nil
}

const seeLog = "see whether it runs, and its log (systemctl status stackusage-agent; journalctl -u stackusage-agent)"

// concern explains why hours are missing.
func (i Inspection) concern(settings agent.Settings, full error, now time.Time) *Finding {
	s, most := i.Status, behind
	var trouble *status.FailingHour
	if s != nil {
		for n := range s.FailingHours {
			if s.FailingHours[n].Hour == i.Next {
				trouble = &s.FailingHours[n]
			}
		}
	}
	if trouble != nil && trouble.Waiting {
		most = behindDay
	}
	missing := fmt.Sprintf("hour %s is not collected, %s after it was due", i.Next, usage.Span(i.Lag))
	f := func(cause, advice string) *Finding { return &Finding{missing + ", as " + cause, advice} }
	switch {
	case settings.First.Start().After(now):
		return &Finding{fmt.Sprintf("firstHour %s is in the future, nothing is collected until then", settings.First), "set it to the hour in which the stack was registered"}
	case s == nil && i.Unread == nil:
		return &Finding{"no agent has run", "start the service, or stackusage-agent once"}
	case i.Lag <= most:
		return nil
	case full != nil:
		return f("the spool is full", oneText(full.Error()))
	case s == nil:
		return f(oneText(i.Unread.Error()), seeLog)
	case !alive(*s, now):
		return f("the agent has reported nothing since "+usage.Point(s.Updated), seeLog)
	case s.CollectError != nil:
		advice := "see which link stackusage-agent doctor finds broken; the agent tries again by itself"
		if !s.NextRound.IsZero() {
			advice += ", next at " + usage.Point(s.NextRound)
		}
		return f("collecting fails: "+oneText(s.CollectError.Text), advice)
	case trouble != nil:
		return f(fmt.Sprintf("%s failed: %s", tries(trouble.Tries), trouble.Text), "look at the stack's health for that hour; the agent tries again by itself")
	}
	return f("the agent catches up", "look again: the hour must become a later one")
}

// alive says whether the agent that wrote the status seems to run, or ran just now.
// What it said in the future, by a clock that was set back since, shows neither.
func alive(s status.Status, now time.Time) bool {
	if s.Updated.Sub(now) > overdue || ended(s) {
		return false
	}
	return now.Sub(s.Updated) <= overdue || !s.NextRound.IsZero() && now.Sub(s.NextRound) <= overdue
}

// ended says whether the service that wrote the status was killed or crashed: it has
// announced a round, which it takes back when it stops, and its process is gone. Another
// process may have the number since; the agent then counts as alive until it is overdue.
func ended(s status.Status) bool {
	if s.NextRound.IsZero() || s.PID <= 0 {
		return false
	}
	p, err := os.FindProcess(s.PID)
	if err != nil {
		return true // Windows
	}
	defer p.Release()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// openOf are the other reasons for somebody to look.
func (i Inspection) openOf(s status.Status, settings agent.Settings, full error, now time.Time) (points []string) {
	add := func(format string, args ...any) { points = append(points, fmt.Sprintf(format, args...)) }
	if full != nil {
		add("%s", oneText(full.Error()))
	}
	if s.Old {
		todo := "fix what prevents it"
		if settings.ByHand {
			todo = spool.ByHand
		}
		add("hour %s has waited for upload for longer than spool.maxAge: %s", s.OldestSpooled, todo)
	}
	switch {
	case i.Behind != nil:
	case ended(s):
		add("the service has ended without being stopped, after %s: %s", usage.Point(s.Updated), seeLog)
	case !s.NextRound.IsZero() && !alive(s, now):
		add("the service is overdue since %s: see whether it runs, and its log", usage.Point(s.NextRound))
	}
	if e := s.CollectError; e != nil {
		add("collecting fails, last at %s: %s", usage.Point(e.Time), e.Text)
	}
	if e := s.UploadError; e != nil {
		add("uploading fails, last at %s: %s", usage.Point(e.Time), e.Text)
	}
	for _, h := range s.FailingHours {
		if !h.Waiting {
			add("hour %s is not collected after %s: %s", h.Hour, tried(h.Trouble), h.Text)
		}
	}
	for _, f := range s.FailingFiles {
		if f.Rejected {
			add("hour %s is rejected by storage and set aside as rejected/%s, offered again once a day and by once: %s", f.Hour, f.File, f.Text)
		} else {
			add("hour %s is not uploaded after %s: %s", f.Hour, tried(f.Trouble), f.Text)
		}
	}
	return points
}

func tried(t status.Trouble) string {
	return fmt.Sprintf("%s since %s, next at %s", tries(t.Tries), usage.Point(t.Since), usage.Point(t.Next))
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

func oneText(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
