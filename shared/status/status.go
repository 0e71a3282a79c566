// Package status answers one question: is all well? GET /api/status and stackusage
// status show what it reads.
//
//	Registration   how far the stack has come with its calendar, and its agent
//	Finding        a condition that somebody should know, with what to do next
//	openday.Mark, ...   what is open, whether it is a finding or not
//
// It reads what is open and not the past: no table is read whole but those that list
// open work, and every list has an end. What cannot be read is a finding (NotRead).
package status

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Status is the answer.
type Status struct {
	Now            time.Time        `json:"now"`
	Registrations  []Registration   `json:"registrations"` // by name
	Findings       []Finding        `json:"findings"`      // problems first
	OpenDays       []OpenDay        `json:"openDays"`      // have something to close
	OpenRevisions  []OpenDay        `json:"openRevisions"` // have batches without a final outcome
	FailedMessages int              `json:"failedMessages"`
	Queues         map[string]int64 `json:"queues"`          // messages, about
	Sweep          *Run             `json:"sweep,omitempty"` // the last run that ended without an error
	Checked        int              `json:"openItems"`       // that were looked at: days, revisions, files, messages
}

// Run is a run of Sweep.
type Run struct {
	At      time.Time `json:"at"`
	Version string    `json:"version,omitempty"` // of the app
}

// Registration is how far one stack has come.
type Registration struct {
	Name     string             `json:"registration,omitempty"` // empty: nobody has registered the cloudId
	CloudID  string             `json:"cloudId"`
	Watched  bool               `json:"watched"`
	LastHour *usage.Hour        `json:"lastHour"`      // the last reported hour with an accepted file; nil: none
	Behind   int64              `json:"secondsBehind"` // since LastHour began; 0 where nothing has landed or nothing is expected
	Missing  []calendar.Range   `json:"missingHours,omitempty"`
	Accepted []calendar.Range   `json:"acceptedMissingHours,omitempty"`
	Agent    *landing.Heartbeat `json:"heartbeat"` // newest; nil: none in this month or the last
	OpenDays int                `json:"openDays"`
	Problems int                `json:"problems"`
	Notices  int                `json:"notices"`
}

// Title is how people know the stack.
func (r Registration) Title() string {
	if r.Name == "" {
		return r.CloudID
	}
	return r.Name
}

// Finding is a condition that was found.
type Finding struct {
	Code         Code      `json:"code"`
	Severity     Severity  `json:"severity"`
	Registration string    `json:"registration,omitempty"` // empty: it is about the app
	CloudID      string    `json:"cloudId,omitempty"`
	UsageDay     string    `json:"usageDay,omitempty"`
	Text         string    `json:"text"`
	Details      []string  `json:"details,omitempty"`
	Since        time.Time `json:"since,omitzero"`
	Next         []Step    `json:"next"`
}

// Step is a command to run next.
type Step struct {
	Command string `json:"command"`
	Note    string `json:"note,omitempty"` // where, or when
}

// openday.Mark is an entry of OpenDays or OpenRevisions.
type OpenDay struct {
	CloudID      string    `json:"cloudId"`
	UsageDay     string    `json:"usageDay"`
	Revision     int       `json:"revision,omitempty"`
	Closed       bool      `json:"closed,omitempty"` // it was closed before
	Since        time.Time `json:"since"`
	WaitsFor     string    `json:"waitsFor,omitempty"`        // why the day has no next revision yet; empty: it is due
	DueAt        time.Time `json:"dueAt,omitzero"`            // when it has one all the same
	Declined     int64     `json:"declinedRecords,omitempty"` // of the last revision, by commerce
	Unanswered   int       `json:"openBatches,omitempty"`
	LastResponse string    `json:"lastResponse,omitempty"` // of a batch that waits
}

// Landing lists and opens what the stacks dropped.
type Landing interface {
	Containers(ctx context.Context, prefix string) ([]string, error)
	ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
}

// Queues says about how many messages a queue has.
type Queues interface {
	Depth(ctx context.Context, queue string) (int64, error)
}

// Reader reads the status. All fields but Only and Progress are set before Read is called.
type Reader struct {
	Closer        *closing.Closer // when days are due
	Tables        table.Store
	Registrations registration.Store
	Blobs         content.Opener
	Landing       Landing
	Queues        Queues
	Log           *slog.Logger
	Now           func() time.Time

	Only     string             // cloudId of the one registration to look at; empty: all
	Progress func(done, of int) // called after each registration; nil: nobody
}

// reading is one reading.
type reading struct {
	Reader
	all        Status
	now        time.Time
	containers []string // cloudIds that have a landing container
}

// Read reads the status. The error means that storage cannot be read at all; what else
// cannot be read is a finding.
func (r Reader) Read(ctx context.Context) (Status, error) {
	rd := &reading{Reader: r, now: r.Now().UTC()}
	rd.all = Status{Now: rd.now, Registrations: []Registration{}, Findings: []Finding{}, OpenDays: []OpenDay{}, OpenRevisions: []OpenDay{}, Queues: map[string]int64{}}
	histories, err := r.Registrations.Histories(ctx)
	if err != nil {
		return rd.all, err
	}
	marks, err := openday.List(ctx, r.Tables)
	if err != nil {
		return rd.all, err
	}
	rd.containers, err = landing.Stacks(ctx, r.Landing, func(container string) {
		r.Log.WarnContext(ctx, "container with a foreign name", slog.String("container", container))
	})
	if err != nil {
		rd.notRead(ctx, nil, "the containers of landed files", err)
	}
	stacks := rd.stacks(histories, marks)
	for i, s := range stacks {
		s.read(ctx)
		if r.Progress != nil {
			r.Progress(i+1, len(stacks))
		}
	}
	rd.messages(ctx)
	rd.sweep(ctx)
	rd.finish(stacks)
	return rd.all, nil
}

// stack is what is known of one stack before it is looked at.
type stack struct {
	*reading
	history   registration.History
	marks     []openday.Entry
	container bool
	out       Registration
	calendar  calendar.State
}

// stacks are those to look at: what is registered, has landed something, or has something
// open. Of a container that nobody has registered, only what landed matters.
func (rd *reading) stacks(histories []registration.History, marks []openday.Entry) []*stack {
	byID := map[string]*stack{}
	of := func(cloudID string) *stack {
		if byID[cloudID] == nil {
			byID[cloudID] = &stack{reading: rd, history: registration.History{CloudID: cloudID}}
		}
		return byID[cloudID]
	}
	for _, h := range histories {
		if len(h.Registrations) > 0 {
			of(h.CloudID).history = h
		}
	}
	for _, m := range marks {
		s := of(m.CloudID)
		s.marks = append(s.marks, m)
	}
	for _, cloudID := range rd.containers {
		of(cloudID).container = true
	}
	var all []*stack
	for id, s := range byID {
		s.out = Registration{Name: s.history.Name(), CloudID: id, Watched: s.history.Watched(rd.now)}
		if rd.Only == "" || rd.Only == id {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *stack) int {
		return strings.Compare(a.out.Title()+a.out.CloudID, b.out.Title()+b.out.CloudID)
	})
	return all
}

func (s *stack) registered() bool { return len(s.history.Registrations) > 0 }

// read looks at everything of the stack. What one part cannot read, the others still show.
func (s *stack) read(ctx context.Context) {
	for _, part := range []struct {
		what string
		read func(context.Context) error
	}{
		{"the reported hours", s.hours}, {"the heartbeats of the agent", s.agent}, {"the silence of the stack", s.silence}, {"files that are not accepted", s.files}, {"rejected rows", s.rows},
		{"open usage days", s.days}, {"batches", s.batches}, {"findings of closed days", s.decisions},
	} {
		if err := part.read(ctx); err != nil {
			s.notRead(ctx, s, part.what, err)
		}
	}
}

// finish counts the findings of each registration, and puts all into order.
func (rd *reading) finish(stacks []*stack) {
	for _, s := range stacks {
		for _, f := range rd.all.Findings {
			if f.CloudID == s.out.CloudID && f.Severity == Problem {
				s.out.Problems++
			} else if f.CloudID == s.out.CloudID {
				s.out.Notices++
			}
		}
		if s.registered() || s.out.Problems+s.out.Notices+s.out.OpenDays > 0 {
			rd.all.Registrations = append(rd.all.Registrations, s.out)
		}
	}
	slices.SortStableFunc(rd.all.Findings, func(a, b Finding) int {
		return strings.Compare(string(b.Severity), string(a.Severity)) // problem, notice
	})
	rd.all.Checked += len(rd.all.OpenDays) + len(rd.all.OpenRevisions) + rd.all.FailedMessages
}

// found adds a finding about the stack.
func (s *stack) found(f Finding) {
	f.Registration, f.CloudID = s.out.Title(), s.out.CloudID
	s.reading.found(f)
}

func (rd *reading) found(f Finding) {
	if f.Severity == "" {
		f.Severity = Problem
	}
	if f.Next == nil {
		f.Next = []Step{}
	}
	f.Since = f.Since.UTC()
	rd.all.Findings = append(rd.all.Findings, f)
}

// notRead is the finding that a part of the status cannot be read. Its cause may name
// addresses: it is logged.
func (rd *reading) notRead(ctx context.Context, s *stack, what string, err error) {
	f := Finding{Code: NotRead, Text: what + " cannot be read, so problems may be hidden; the log has the cause"}
	title := ""
	if s != nil {
		f.Registration, f.CloudID = s.out.Title(), s.out.CloudID
		title = f.Registration
	}
	rd.found(f)
	rd.Log.WarnContext(ctx, "a part of the status cannot be read", slog.String("registration", title), slog.String("part", what), slog.String("cause", err.Error()))
}

// run is a step by a command of the operator's tool about the stack.
func (s *stack) run(format string, args ...any) Step {
	return Step{Command: fmt.Sprintf("stackusage "+format, args...) + " --registration " + s.out.Title()}
}

// count is a number of things: 1 row, 2 rows.
func count[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "ch") { // batch
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
