package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/closing"
	"stackusage/shared/forward"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/registration"
	"stackusage/shared/review"
	"stackusage/shared/usage"
)

// maxOpen bounds of how many open days, and of how many open revisions, of one
// registration more is read than that they are open: each costs some requests.
const maxOpen = 100

// days says what each open day waits for, and until when.
func (s *stack) days(ctx context.Context) error {
	looked, waits, declined := 0, []OpenDay{}, []OpenDay{}
	for _, m := range s.marks {
		if m.Revision != 0 {
			continue
		}
		open := OpenDay{CloudID: m.CloudID, UsageDay: m.Day.String(), Since: m.Since.UTC(), Declined: m.Declined}
		if looked++; looked <= maxOpen {
			if s.day(ctx, m, &open) {
				waits = append(waits, open)
			}
		} else {
			open.WaitsFor = "not read: too many days are open"
		}
		if open.Declined > 0 {
			declined = append(declined, open)
		}
		s.all.OpenDays = append(s.all.OpenDays, open)
		s.out.OpenDays++
	}
	s.waits(waits)
	s.declined(declined)
	if looked > maxOpen {
		return fmt.Errorf("%d days are open, and the first %d were read: %w", looked, maxOpen, ErrCut)
	}
	return nil
}

// day reads one open day, and reports whether it waits for longer than a day does. Of a day
// that cannot be read the status says so.
func (s *stack) day(ctx context.Context, m openday.Entry, open *OpenDay) (long bool) {
	if !s.registered() {
		open.WaitsFor = "no registration has this cloudId"
		return false
	}
	state, err := s.Closer.OpenDue(ctx, m, s.history)
	open.Closed = state.Last != nil
	waits, is := errors.AsType[*closing.NotDue](err)
	if is {
		open.WaitsFor, open.DueAt = waits.Reason, waits.Until.UTC()
	} else if err != nil {
		s.Log.WarnContext(ctx, "an open day cannot be read", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()), slog.String("cause", err.Error()))
		open.WaitsFor = "not known: its rows cannot be read"
		s.found(Finding{Code: NotRead, UsageDay: m.Day.String(), Text: "open day " + m.Day.String() + " cannot be read, so problems may be hidden; the log has the cause"})
		return false
	}
	if state.Last != nil && m.DeclinedRevision != state.Last.Number {
		open.Declined = 0 // a later revision has what commerce declined
	}
	rules := s.Closer.Rules
	if rules.Overdue(state, s.now) {
		s.found(Finding{Code: DayOverdue, UsageDay: m.Day.String(), Text: m.Day.String() + " is not closed, and was due at " + usage.Point(rules.Deadline(state)), Since: rules.Deadline(state),
			Next: []Step{{Command: "stackusage message list", Note: "a failed message of usage-days names the error of CloseDay"}, s.run("day list --from %s --to %[1]s", m.Day)}})
	}
	return is && !state.ByHand && open.Declined == 0 && s.now.After(m.Day.End().Add(rules.Settling()+calendar.Late))
}

// waits is the finding of the days that wait for longer than a day does.
func (s *stack) waits(days []OpenDay) {
	if len(days) == 0 {
		return
	}
	f := Finding{Code: DayWaits, Severity: Notice, Text: count(len(days), "usage day") + " waiting to be closed", Since: days[0].Since,
		Next: []Step{s.run("day list --from %s --to %s", days[0].UsageDay, days[len(days)-1].UsageDay)}}
	for _, d := range days[:min(len(days), maxRanges)] {
		text := d.UsageDay + ": " + d.WaitsFor
		if !d.DueAt.IsZero() {
			text += "; due at " + usage.Point(d.DueAt)
		}
		f.Details = append(f.Details, text)
	}
	if more := len(days) - maxRanges; more > 0 {
		f.Details = append(f.Details, fmt.Sprintf("and %d more (--output json)", more))
	}
	s.found(f)
}

// declined is the finding of what commerce declined of the last revision of some days.
func (s *stack) declined(days []OpenDay) {
	if len(days) == 0 {
		return
	}
	f := Finding{Code: RecordsDeclined, Since: days[0].Since, Next: []Step{s.run("day list-declined")}}
	var records int64
	for _, d := range days {
		records += d.Declined
		if len(f.Details) < maxRanges {
			f.Details = append(f.Details, strings.TrimSuffix(d.UsageDay+": "+count(d.Declined, "record")+"; "+d.WaitsFor, "; "))
		}
	}
	f.Text = fmt.Sprintf("commerce declined %s of %s", count(records, "record"), count(len(days), "day"))
	s.found(f)
}

// How many tries a batch may take, and how long, before somebody should know. Alert rule
// commerce-refusing has the same numbers.
const (
	triesUnreadable = 2
	triesBusy       = 20
	tries           = 4
	answerLimit     = 6 * time.Hour
)

// waiting are batches of which the same is to be said.
type waiting struct {
	code    Code
	text    string
	batches []string
	since   time.Time
	next    Step
}

// batches looks at the revisions that have batches without a final outcome.
func (s *stack) batches(ctx context.Context) error {
	groups := []*waiting{
		{code: CredentialsRefused, text: "commerce refuses the identity of the app", next: Step{Command: "stackusage batch list --registration " + s.out.Title(), Note: "fix the role or COMMERCE_SCOPE; sending continues by itself"}},
		{code: BatchRefused, text: "commerce refuses every request with the batch, or its address is wrong", next: s.run("batch list")},
		{code: BatchUnanswered, text: "the batch has no readable response of commerce", next: s.run("batch list")},
	}
	looked := 0
	for _, m := range s.marks {
		if m.Revision == 0 {
			continue
		}
		open := OpenDay{CloudID: m.CloudID, UsageDay: m.Day.String(), Revision: m.Revision, Since: m.Since.UTC()}
		if looked++; looked > maxOpen {
			s.all.OpenRevisions = append(s.all.OpenRevisions, open)
			continue
		}
		ids, batches, err := outbox.OfRevision(ctx, s.Tables, m.CloudID, m.Day, m.Revision)
		if err != nil {
			return err
		}
		for i, b := range batches {
			if b.State == outbox.BatchDone {
				open.Declined += b.Declined
				continue
			}
			open.Unanswered++
			open.LastResponse = b.LastResponse
			if g := which(b, m.Since, s.now); g >= 0 {
				groups[g].add(ids[i], b, m.Since)
			}
		}
		s.all.OpenRevisions = append(s.all.OpenRevisions, open)
	}
	for _, g := range groups {
		if n := len(g.batches); n > 0 {
			s.found(Finding{Code: g.code, Text: g.text + " (" + count(n, "batch") + ")", Details: g.batches[:min(n, maxRanges)], Since: g.since, Next: []Step{g.next}})
		}
	}
	if looked > maxOpen {
		return fmt.Errorf("%d revisions are open, and the first %d were read: %w", looked, maxOpen, ErrCut)
	}
	return nil
}

// which is the group of a batch without an outcome; -1 if it may still wait.
func which(b outbox.Batch, since, now time.Time) int {
	kind, _, _ := strings.Cut(b.LastResponse, ":")
	switch k := forward.Kind(kind); {
	case k == forward.Credentials:
		return 0
	case k == forward.Declined, k == forward.Endpoint, !b.DeclinedSince.IsZero():
		return 1
	case k == forward.Unreadable && b.Tries > triesUnreadable, k == forward.Busy && b.Tries > triesBusy,
		k != forward.Busy && b.Tries > tries, now.Sub(since) > answerLimit:
		return 2
	}
	return -1
}

func (g *waiting) add(id outbox.ID, b outbox.Batch, since time.Time) {
	text := fmt.Sprintf("%s revision %d batch %d: %s", id.Day, id.Revision, id.Number, count(b.Tries, "try"))
	if b.Tries != 1 {
		text = strings.Replace(text, "trys", "tries", 1)
	}
	if b.LastResponse != "" {
		text += fmt.Sprintf(", the last response: %.200q", b.LastResponse)
	}
	g.batches = append(g.batches, text)
	if g.since.IsZero() || since.Before(g.since) {
		g.since = since
	}
}

// maxDecisions bounds how many findings of closed days are listed.
const maxDecisions = 100

// decisions are what an operator has to decide about who pays and what is free.
func (s *stack) decisions(ctx context.Context) error {
	if !s.registered() {
		return nil
	}
	found, err := review.Findings(ctx, s.Tables, s.Blobs, []registration.History{s.history}, maxDecisions)
	for _, f := range found {
		s.found(Finding{Code: DecisionWaits, UsageDay: f.Day.String(), Text: f.Kind + ": " + f.String(), Since: f.Day.End(), Next: []Step{s.run("finding list")}})
	}
	return err
}
