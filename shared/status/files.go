package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Bounds of what is read of one registration. Where one is reached, that is a finding.
const (
	maxFiles = 5_000  // that are in conflict, rejected or unregistered
	maxRows  = 50_000 // of Quarantine, redriven ones included
	maxHours = 500    // that have them
)

// ErrCut means that there was more than is read.
var ErrCut = errors.New("there is more than the status reads")

// tally counts things by what they have in common.
type tally map[string]int

// String lists the numbers, the largest first.
func (t tally) String() string {
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(t), func(a, b string) int { return cmp.Or(t[b]-t[a], strings.Compare(a, b)) }) {
		parts = append(parts, fmt.Sprintf("%s %d", name, t[name]))
	}
	return strings.Join(parts, ", ")
}

// filesFound are the files of one kind.
type filesFound struct {
	n     int
	hours []string
	codes tally
	since time.Time
}

func (f *filesFound) add(h hourlog.Landed) {
	if f.n++; len(f.hours) < maxRanges {
		f.hours = append(f.hours, h.ID.Hour.String()+" "+h.ID.SHA16)
	}
	if f.codes == nil {
		f.codes = tally{}
	}
	f.codes[h.Code]++
	if f.since.IsZero() || h.LandedAt.Before(f.since) {
		f.since = h.LandedAt
	}
}

// files looks for files that are not accepted and wait for somebody.
func (s *stack) files(ctx context.Context) error {
	var conflicts, rejected, unregistered filesFound
	read := 0
	var cut error
	for h, err := range hourlog.OpenFiles(ctx, s.Tables, s.out.CloudID) {
		if err != nil {
			return err
		}
		if read++; read > maxFiles {
			cut = ErrCut
			break
		}
		switch h.Verdict {
		case hourlog.Conflict:
			conflicts.add(h)
		case hourlog.Rejected:
			missed, err := s.misses(ctx, h.ID)
			if err != nil {
				return err
			}
			if missed {
				rejected.add(h)
			}
		case hourlog.Unregistered:
			if !s.registered() || s.history.Expects(h.ID.Hour.Start()) {
				unregistered.add(h)
			}
		}
	}
	s.all.Checked += read
	if conflicts.n > 0 {
		s.found(Finding{Code: HourConflict, Text: count(conflicts.n, "file") + " in conflict: other rows than the accepted file of the hour", Details: conflicts.hours, Since: conflicts.since,
			Next: []Step{s.run("hour list --verdict conflict")}})
	}
	if rejected.n > 0 {
		s.found(Finding{Code: FileRejected, Text: verb(rejected.n, "file") + " rejected, and no other file of the hour is accepted",
			Details: append([]string{rejected.codes.String()}, rejected.hours...), Since: rejected.since, Next: []Step{s.run("hour list --verdict rejected")}})
	}
	if unregistered.n > 0 {
		f := Finding{Code: FileUnregistered, Text: count(unregistered.n, "file") + " waiting for a registration of the stack", Since: unregistered.since,
			Next: []Step{{Command: "stackusage registration create --cloud-id " + s.out.CloudID + " --name NAME --subscription GUID --kind KIND --model MODEL --reason TEXT"}}}
		if s.registered() {
			f.Severity, f.Text, f.Next = Notice, count(unregistered.n, "file")+" to be ingested now that the stack is registered", []Step{s.run("hour list --verdict unregistered")}
		}
		s.found(f)
	}
	return cut
}

// misses reports whether the calendar has an hour that has not come.
func (s *stack) misses(ctx context.Context, id hourlog.ID) (bool, error) {
	if !s.registered() || !s.history.Expects(id.Hour.Start()) {
		return false, nil
	}
	for _, ranges := range [][]calendar.Range{s.calendar.Missing, s.calendar.Silent} {
		if calendar.Within(ranges, id.Hour) {
			return true, nil
		}
	}
	if id.Hour.End().Add(calendar.Late + s.history.DeliveredEvery(s.now)).Before(s.now) {
		return false, nil
	}
	_, err := hourlog.AcceptedHour(ctx, s.Tables, id)
	if errors.Is(err, table.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// rows looks for rejected rows that nobody has decided about.
func (s *stack) rows(ctx context.Context) error {
	undecided, err := Undecided(ctx, s.Tables, s.out.CloudID, 0, 0)
	if err != nil && !errors.Is(err, ErrCut) {
		return err
	}
	s.all.Checked += undecided.Looked
	if undecided.Rows > 0 {
		s.found(Finding{Code: RowsUndecided, Details: []string{tally(undecided.Codes).String()}, Since: undecided.Since, Next: []Step{s.run("quarantine list")},
			Text: fmt.Sprintf("%s of %s quarantined and undecided", count(undecided.Rows, "row"), verb(undecided.Hours, "hour"))})
	}
	return err
}

// UndecidedRows are rejected rows that wait for a decision.
type UndecidedRows struct {
	Rows   int            `json:"rows"`
	Hours  int            `json:"hours"`
	Codes  map[string]int `json:"codes"` // rows by the code of their rejection
	Since  time.Time      `json:"since"` // when the first of their hour blobs landed
	Looked int            `json:"-"`     // hours that were looked at
}

// Undecided counts the rejected rows of accepted files that are neither redriven nor
// dismissed: of the reported days from first to last, or of all where both are 0. An error
// that there are too many comes with those that were counted.
func Undecided(ctx context.Context, tables table.Store, cloudID string, first, last usage.Day) (u UndecidedRows, err error) {
	u.Codes = map[string]int{}
	var id hourlog.ID
	var standing hourlog.Hour
	read, rows := 0, 0
	for q, err := range hourlog.RejectedBetween(ctx, tables, cloudID, first, last) {
		if err != nil {
			return u, err
		}
		if read++; read > maxRows {
			return u, ErrCut
		}
		if q.ID != id {
			if id, rows = q.ID, 0; u.Looked == maxHours {
				return u, ErrCut
			}
			u.Looked++
			if standing, err = hourlog.AcceptedHour(ctx, tables, id); errors.Is(err, table.ErrNotFound) {
				standing, err = hourlog.Hour{}, nil
			}
			if err != nil {
				return u, err
			}
		}
		if standing.Counts != id.SHA16 || standing.RejectedFile != q.Bytes {
			continue
		}
		if u.Codes[q.Code]++; rows == 0 {
			u.Hours++
			if u.Since.IsZero() || standing.LandedAt.Before(u.Since) {
				u.Since = standing.LandedAt
			}
		}
		rows++
		u.Rows++
	}
	return u, nil
}
