// Package status is what an agent says of itself, and how others read it: the command
// status, the doctor and the agent's next run.
package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

const (
	// Note is the note of the spool that holds a status.
	Note = "status.json"
	// Format is the one format of it.
	Format = "stackusage-agent-status/1"
)

// Status is what an agent says of itself. Times are UTC; hours are reported
// hours by their start. Pointers are nil and times zero for what is not known.
type Status struct {
	Format  string    `json:"format"` // stackusage-agent-status/1
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Updated time.Time `json:"updated"`

	BacklogHours  int         `json:"backlogHours"` // files that wait to be uploaded
	BacklogBytes  int64       `json:"backlogBytes"`
	OldestSpooled *usage.Hour `json:"oldestSpooledHour"` // of the backlog
	LastSealed    *usage.Hour `json:"lastSealedHour"`
	LastUploaded  *usage.Hour `json:"lastUploadedHour"`
	NextHour      *usage.Hour `json:"nextHour"`               // the oldest that is not collected; nil before Run or Once
	NextRound     time.Time   `json:"nextRound,omitzero"`     // of Run; long past: it is not running
	LastCollected time.Time   `json:"lastCollected,omitzero"` // when LastSealed was sealed
	LastUpload    time.Time   `json:"lastUpload,omitzero"`    // when LastUploaded was uploaded

	Waiting      string   `json:"waiting,omitempty"` // the stack's "not yet", which is no error
	CollectError *Failure `json:"collectError"`      // of the last try; nil if it went well
	UploadError  *Failure `json:"uploadError"`       // likewise
	LastError    *Failure `json:"lastError"`         // the last one of all, mended or not

	FailingHours []FailingHour `json:"failingHours,omitempty"` // due, and not collected at the last try
	FailingFiles []FailingFile `json:"failingFiles,omitempty"` // not stored at the last try, and set aside
	PartsSince   time.Time     `json:"partsSince,omitzero"`    // since when the stack is asked subscriber by subscriber
	Old          bool          `json:"overMaxAge,omitempty"`   // OldestSpooled has waited longer than Settings.MaxAge

	Ends map[string]time.Time `json:"ends,omitempty"` // of what the agent signs in with

	TenantsStale bool `json:"tenantsStale"` // the last hour has an older map
	Damaged      int  `json:"damagedFiles"` // set aside, for somebody to look at the disk
}

// Failing is an error of all that was not collected or stored at the last try, nil if
// there is nothing; what the stack does not tell yet is none.
func (s Status) Failing() error {
	var failures []error
	for _, h := range s.FailingHours {
		if !h.Waiting {
			failures = append(failures, fmt.Errorf("hour %s: %s", h.Hour, h.Text))
		}
	}
	for _, f := range s.FailingFiles {
		failures = append(failures, fmt.Errorf("hour %s: %s", f.Hour, f.Text))
	}
	return Join(failures)
}

// Failure is an error and when it was.
type Failure struct {
	Step string    `json:"step"` // collect or upload
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// FailingHour is an hour that is due and was not collected.
type FailingHour struct {
	Hour usage.Hour `json:"hour"`
	Trouble
}

// FailingFile is a file that was not stored.
type FailingFile struct {
	Hour     usage.Hour `json:"hour"`
	File     string     `json:"file"`
	Rejected bool       `json:"rejected,omitempty"` // set aside
	Trouble
}

// Trouble is an hour or a file that failed.
type Trouble struct {
	Tries   int       `json:"tries"`
	Since   time.Time `json:"since"`             // of the first failure
	Next    time.Time `json:"next"`              // of the next try; the past: at the next round
	Text    string    `json:"text"`              // of the last failure
	Waiting bool      `json:"waiting,omitempty"` // the stack says "not yet" of an hour that is young enough for that
}

// Join keeps an error readable where many failed for one reason.
func Join(failures []error) error {
	const shown = 3
	if more := len(failures) - shown; more > 0 {
		failures = append(failures[:shown:shown], fmt.Errorf("and %d more", more))
	}
	return errors.Join(failures...)
}

// Of is the failure of a step.
func (s *Status) Of(step string) **Failure {
	if step == metrics.StepUpload {
		return &s.UploadError
	}
	return &s.CollectError
}

// endsSoon is how long before it ends a certificate or secret is warned of.
const endsSoon = 30 * 24 * time.Hour

// Ending are the certificates and secrets that end soon, or have ended.
func (s Status) Ending(now time.Time) (warnings []string) {
	for _, what := range slices.Sorted(maps.Keys(s.Ends)) {
		switch left := s.Ends[what].Sub(now); {
		case left <= 0:
			warnings = append(warnings, fmt.Sprintf("the %s has ended at %s: replace it", what, usage.Point(s.Ends[what])))
		case left < endsSoon:
			warnings = append(warnings, fmt.Sprintf("the %s ends in %s, at %s: replace it; no restart is needed", what, usage.Count(int(left/(24*time.Hour)), "day"), usage.Point(s.Ends[what])))
		}
	}
	return warnings
}

// ErrNone means that no agent has used the folder yet.
var ErrNone = errors.New("no agent has written a status here")

// Read reads the status that the agent of a spool folder wrote last. It
// needs no lock, so the agent may be at work.
func Read(dir string) (Status, error) {
	text, err := spool.ReadNote(dir, Note)
	if err == nil && text == nil {
		err = ErrNone
	}
	var s Status
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && s.Format != Format {
		err = fmt.Errorf("format %.40q, want %s", s.Format, Format)
	}
	if err != nil {
		return Status{}, fmt.Errorf("read status of %s: %w", dir, err)
	}
	return s, nil
}
