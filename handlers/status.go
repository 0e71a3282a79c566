package handlers

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
)

// Status is what GET /api/status answers: what is open, not what was done.
type Status struct {
	Now            time.Time        `json:"now"`
	OpenDays       []OpenDayStatus  `json:"openDays"`       // have something to close
	OpenRevisions  []OpenDayStatus  `json:"openRevisions"`  // have batches without a final answer
	Agents         []AgentStatus    `json:"agents"`         // what each registration's agent said last
	Findings       []FindingStatus  `json:"findings"`       // wait for an operator's decision; the first hundred
	FailedMessages int              `json:"failedMessages"` // rows of FailedMessages
	Queues         map[string]int64 `json:"queues"`         // messages, about
}

// OpenDayStatus is one entry of OpenDays.
type OpenDayStatus struct {
	CloudID    string    `json:"cloudId"`
	UsageDay   string    `json:"usageDay"`
	Revision   int       `json:"revision,omitempty"`
	Since      time.Time `json:"since"`
	Declined   int64     `json:"declinedRecords,omitempty"` // of the last revision, by commerce
	Unanswered int       `json:"unansweredBatches,omitempty"`
	LastAnswer string    `json:"lastAnswer,omitempty"` // of a batch that waits
}

// FindingStatus is one of what ledger.Findings lists.
type FindingStatus struct {
	CloudID  string `json:"cloudId"`
	UsageDay string `json:"usageDay"`
	Kind     string `json:"kind"`
	Text     string `json:"text"`
}

// maxFindings bounds how many findings the status shows.
const maxFindings = 100

func (a *App) findingStatus(ctx context.Context) ([]FindingStatus, error) {
	books, err := a.Registrations.Books(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.Ledger.Findings(ctx, a.Blobs, books, maxFindings)
	shown := make([]FindingStatus, len(found))
	for i, f := range found {
		shown[i] = FindingStatus{CloudID: f.CloudID, UsageDay: f.Day.String(), Kind: f.Kind, Text: f.String()}
	}
	return shown, err
}

func (a *App) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	s, err := a.readStatus(ctx)
	if err != nil {
		a.Log.ErrorContext(ctx, "status failed", slog.String("error", err.Error()))
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"error":"storage does not answer; the log says more"}`))
		return
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s) // the client may be gone
}

func (a *App) readStatus(ctx context.Context) (Status, error) {
	s := Status{Now: a.Now().UTC(), OpenDays: []OpenDayStatus{}, OpenRevisions: []OpenDayStatus{}, Findings: []FindingStatus{}, Queues: map[string]int64{}}
	marks, err := a.Ledger.OpenMarks(ctx)
	if err != nil {
		return s, err
	}
	for _, m := range marks {
		open := OpenDayStatus{CloudID: m.CloudID, UsageDay: m.Day.String(), Revision: m.Revision, Since: m.Since, Declined: m.Declined}
		if m.Revision == 0 {
			s.OpenDays = append(s.OpenDays, open)
			continue
		}
		_, batches, err := a.Ledger.Batches(ctx, m.CloudID, m.Day, m.Revision)
		if err != nil {
			return s, err
		}
		for _, b := range batches {
			if b.State != ledger.BatchAnswered {
				open.Unanswered++
				open.LastAnswer = b.LastAnswer
			}
		}
		s.OpenRevisions = append(s.OpenRevisions, open)
	}
	if s.Findings, err = a.findingStatus(ctx); err != nil {
		return s, err
	}
	if s.Agents, err = a.heartbeats(ctx); err != nil {
		return s, err
	}
	if s.FailedMessages, err = a.Ledger.CountFailed(ctx); err != nil {
		return s, err
	}
	names, err := queue.Names()
	if err != nil {
		return s, err
	}
	for _, name := range names {
		if s.Queues[name], err = a.Queues.Depth(ctx, name); err != nil {
			return s, err
		}
	}
	return s, nil
}
