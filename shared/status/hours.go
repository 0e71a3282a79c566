package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/usage"
)

// maxRanges bounds how many ranges of hours a finding lists.
const maxRanges = 20

// hours compares what landed with the calendar.
func (s *stack) hours(ctx context.Context) (err error) {
	if !s.registered() {
		return nil
	}
	var open []usage.Day
	for _, m := range s.marks {
		if m.Revision == 0 {
			open = append(open, m.Day)
		}
	}
	if s.calendar, err = calendar.Read(ctx, s.Tables, s.history, open, s.now); err != nil {
		return err
	}
	c := s.calendar
	s.out.LastHour, s.out.Missing, s.out.Accepted = c.Last, slices.Concat(c.Missing, c.Silent), c.Accepted
	if expects := s.history.Calendar(); c.Last != nil && expects(usage.HourOf(s.now).Start()) {
		s.out.Behind = int64(s.now.Sub(c.Last.Start()) / time.Second)
	}
	if n := calendar.Total(c.Missing); n > 0 {
		first, last := c.Missing[0].First, c.Missing[len(c.Missing)-1].Last
		s.found(Finding{Code: HoursMissing, Text: fmt.Sprintf("%s missing, and later ones have landed", verb(n, "reported hour")),
			Details: listed(c.Missing), Since: first.End(), Next: []Step{
				{Command: fmt.Sprintf("stackusage-agent backfill --from %s --to %s", first, last+1), Note: "on the stack"},
				s.acceptMissing(first, last)}})
	}
	if n := calendar.Total(c.Accepted); n > 0 {
		s.found(Finding{Code: HoursAccepted, Severity: Notice, Text: fmt.Sprintf("%s missing, and accepted as missing by an operator", verb(n, "reported hour")),
			Details: listed(c.Accepted), Since: c.Accepted[0].First.End()})
	}
	return nil
}

// acceptMissing is the step for hours that will never come.
func (s *stack) acceptMissing(first, last usage.Hour) Step {
	step := s.run("hour accept-missing --from %s --to %s --reason TEXT", first, last)
	step.Note = "if they will never come"
	return step
}

// silence is the finding that nothing comes any more. It says what the agent said last.
func (s *stack) silence(context.Context) error {
	silent := s.calendar.Silent
	if len(silent) == 0 {
		return nil
	}
	first := silent[0].First
	f := Finding{Code: StackSilent, Since: first.Start(), Details: []string{s.agentText()}, Next: []Step{{Command: "stackusage-agent doctor", Note: "on the stack"}}}
	if f.Text = "no hours reported since " + first.String() + " (" + usage.Span(s.now.Sub(first.Start())) + ")"; s.calendar.Last == nil {
		f.Text = "no hour has ever been accepted; the first expected one is " + first.String()
	}
	if every := s.history.DeliveredEvery(s.now); every > 0 {
		f.Details = []string{"Its hours are delivered by hand, every " + usage.Span(every) + "."}
		f.Next = []Step{{Command: "stackusage-agent export --to FOLDER", Note: "on the stack"}, {Command: "stackusage import FOLDER", Note: "where Azure can be reached"}}
	}
	if s.out.Watched {
		quiet := s.run("registration update --watched off --reason TEXT")
		quiet.Note = "if the stack shall be silent for now"
		f.Next = append(f.Next, quiet)
	} else {
		f.Severity, f.Text, f.Next = Notice, f.Text+"; the registration is not watched", nil
	}
	s.found(f)
	return nil
}

// listed are ranges as details: a line for a few, and how many more there are.
func listed(ranges []calendar.Range) []string {
	var texts []string
	for _, r := range ranges[:min(len(ranges), maxRanges)] {
		texts = append(texts, r.String())
	}
	if more := len(ranges) - maxRanges; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more ranges (--output json)", more))
	}
	return []string{strings.Join(texts, ", ")}
}

// verb is count with is or are.
func verb[N int | int64](n N, what string) string {
	if n == 1 {
		return count(n, what) + " is"
	}
	return count(n, what) + " are"
}
