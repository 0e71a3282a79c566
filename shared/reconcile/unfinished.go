package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/status"
)

// Unfinished is what is still to come of the reported hours of the days: it is in neither
// number yet, or only in the one of the stack. It is no difference.
type Unfinished struct {
	MissingHours []calendar.Range      `json:"missingHours"`
	Rows         *status.UndecidedRows `json:"rejectedRows,omitempty"`         // that wait for a decision; nil: none
	Accepted     []calendar.Range      `json:"acceptedMissingHours,omitempty"` // that will never come, as an operator has recorded
}

// Finished reports whether all hours have come and all rejected rows are decided, as far
// as they ever will.
func (u Unfinished) Finished() bool { return len(u.MissingHours) == 0 && u.Rows == nil }

// Texts are what is unfinished, for people.
func (u Unfinished) Texts() (texts []string) {
	for _, r := range u.MissingHours {
		text := fmt.Sprintf("%d reported hours are missing: %s", r.Hours(), r)
		if r.Hours() == 1 {
			text = fmt.Sprintf("reported hour %s is missing", r)
		}
		texts = append(texts, text)
	}
	if u.Rows != nil {
		var parts []string
		for _, code := range slices.Sorted(maps.Keys(u.Rows.Codes)) {
			parts = append(parts, fmt.Sprintf("%s %d", code, u.Rows.Codes[code]))
		}
		texts = append(texts, fmt.Sprintf("rejected rows wait for a decision: %d of %d hours (%s)", u.Rows.Rows, u.Rows.Hours, strings.Join(parts, ", ")))
	}
	return texts
}

// unfinished looks at the reported hours of the days.
func (r *run) unfinished(ctx context.Context) (u Unfinished, err error) {
	u.MissingHours = []calendar.Range{}
	if r.Registrations == nil {
		return u, nil
	}
	history, err := r.Registrations.History(ctx, r.o.CloudID)
	if err != nil {
		return u, err
	}
	missing, accepted, err := calendar.Between(ctx, r.Ledger.Store, history, r.o.From.First(), r.o.To.Next().First()-1, time.Now())
	if err != nil {
		return u, err
	}
	u.MissingHours, u.Accepted = append(u.MissingHours, missing...), accepted
	rows, err := status.Undecided(ctx, r.Ledger, r.o.CloudID, r.o.From, r.o.To)
	if errors.Is(err, status.ErrCut) {
		r.note("there are more rejected rows than are counted here")
		err = nil
	}
	if rows.Rows > 0 {
		u.Rows = &rows
	}
	return u, err
}
