// Package status is what is open in the function app: what GET /api/status answers.
package status

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
)

// Status is what GET /api/status answers: what is open, not what was done.
type Status struct {
	Now            time.Time        `json:"now"`
	OpenDays       []OpenDay        `json:"openDays"`       // have something to close
	OpenRevisions  []OpenDay        `json:"openRevisions"`  // have batches without a final answer
	Agents         []Agent          `json:"agents"`         // what each registration's agent said last
	Findings       []Finding        `json:"findings"`       // wait for an operator's decision; the first hundred
	FailedMessages int              `json:"failedMessages"` // rows of FailedMessages
	Queues         map[string]int64 `json:"queues"`         // messages, about
}

// OpenDay is an entry of OpenDays or OpenRevisions.
type OpenDay struct {
	CloudID      string    `json:"cloudId"`
	UsageDay     string    `json:"usageDay"`
	Revision     int       `json:"revision,omitempty"`
	Since        time.Time `json:"since"`
	WaitsFor     string    `json:"waitsFor,omitempty"`        // why the day has no next revision yet; empty: it is due, or the rules are not known
	DueAt        time.Time `json:"dueAt,omitzero"`            // when it has one all the same
	Declined     int64     `json:"declinedRecords,omitempty"` // of the last revision, by commerce
	Unanswered   int       `json:"openBatches,omitempty"`
	LastResponse string    `json:"lastResponse,omitempty"` // of a batch that waits
}

// Finding is one of what ledger.Findings lists.
type Finding struct {
	CloudID  string `json:"cloudId"`
	UsageDay string `json:"usageDay"`
	Kind     string `json:"kind"`
	Text     string `json:"text"`
}

// maxFindings bounds how many findings the status shows.
const maxFindings = 100

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

// Reader reads the status. All fields are set before Read is called.
type Reader struct {
	Closer        *closing.Closer // when days are due; nil: not said
	Ledger        *ledger.Ledger
	Registrations registration.Store
	Blobs         content.Opener
	Landing       Landing
	Queues        Queues
	Log           *slog.Logger
	Now           func() time.Time
}

// Read reads the status.
func (r Reader) Read(ctx context.Context) (Status, error) {
	s := Status{Now: r.Now().UTC(), OpenDays: []OpenDay{}, OpenRevisions: []OpenDay{}, Findings: []Finding{}, Queues: map[string]int64{}}
	marks, err := r.Ledger.OpenMarks(ctx)
	if err != nil {
		return s, err
	}
	histories, err := r.Registrations.Histories(ctx)
	if err != nil {
		return s, err
	}
	of := make(map[string]registration.History, len(histories))
	for _, h := range histories {
		of[h.CloudID] = h
	}
	for _, m := range marks {
		open := OpenDay{CloudID: m.CloudID, UsageDay: m.Day.String(), Revision: m.Revision, Since: m.Since, Declined: m.Declined}
		if m.Revision == 0 {
			if len(s.OpenDays) < maxDue {
				r.due(ctx, m, of[m.CloudID], &open)
			}
			s.OpenDays = append(s.OpenDays, open)
			continue
		}
		_, batches, err := r.Ledger.Batches(ctx, m.CloudID, m.Day, m.Revision)
		if err != nil {
			return s, err
		}
		for _, b := range batches {
			if b.State != ledger.BatchAnswered {
				open.Unanswered++
				open.LastResponse = b.LastResponse
			}
		}
		s.OpenRevisions = append(s.OpenRevisions, open)
	}
	if s.Findings, err = r.findings(ctx, histories); err != nil {
		return s, err
	}
	if s.Agents, err = r.heartbeats(ctx); err != nil {
		return s, err
	}
	for m, err := range r.Ledger.FailedMessages(ctx) {
		if err != nil {
			return s, err
		}
		if !m.Dismissed() {
			s.FailedMessages++
		}
	}
	if err != nil {
		return s, err
	}
	names, err := queue.Names()
	if err != nil {
		return s, err
	}
	for _, name := range names {
		if s.Queues[name], err = r.Queues.Depth(ctx, name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// maxDue bounds for how many open days the status says when they are due: each costs some
// requests.
const maxDue = 100

// due says why an open day waits for its next revision. Of a day of which that cannot
// be read it says so: the rest of the status is worth having.
func (r Reader) due(ctx context.Context, m ledger.OpenMark, history registration.History, open *OpenDay) {
	if r.Closer == nil {
		return
	}
	if len(history.Registrations) == 0 {
		open.WaitsFor = "no registration has this cloudId"
		return
	}
	_, err := r.Closer.OpenDue(ctx, m, history)
	if waits, is := errors.AsType[*closing.NotDue](err); is {
		open.WaitsFor, open.DueAt = waits.Reason, waits.Until.UTC()
	} else if err != nil {
		r.Log.WarnContext(ctx, "an open day cannot be read", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()), slog.String("cause", err.Error()))
		open.WaitsFor = "not known: its rows cannot be read"
	}
}

func (r Reader) findings(ctx context.Context, histories []registration.History) ([]Finding, error) {
	found, err := r.Ledger.Findings(ctx, r.Blobs, histories, maxFindings)
	shown := make([]Finding, len(found))
	for i, f := range found {
		shown[i] = Finding{CloudID: f.CloudID, UsageDay: f.Day.String(), Kind: f.Kind, Text: f.String()}
	}
	return shown, err
}

func (r Reader) foreign(container string) {
	r.Log.Warn("container with a foreign name", slog.String("container", container))
}
