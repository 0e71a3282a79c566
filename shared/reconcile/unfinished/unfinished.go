// Package unfinished finds what is still to come of reported hours: hours that have not
// come, and rejected rows that wait for a decision.
package unfinished

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/calendar"
	"stackusage/shared/registration"
	"stackusage/shared/status"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Usage is what is still to come of the reported hours of some days. A bill does not have
// it yet, and it is no difference.
type Usage struct {
	MissingHours []calendar.Range      `json:"missingHours"`
	Rows         *status.UndecidedRows `json:"rejectedRows,omitempty"`         // that wait for a decision; nil: none
	Accepted     []calendar.Range      `json:"acceptedMissingHours,omitempty"` // that will never come, as an operator has recorded
}

// Finished reports whether all hours have come and all rejected rows are decided, as far
// as they ever will.
func (u Usage) Finished() bool { return len(u.MissingHours) == 0 && u.Rows == nil }

// Texts are what is unfinished, for people.
func (u Usage) Texts() (texts []string) {
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

// Of looks at the reported hours of the days from one to another, both included. The error
// is status.ErrCut where there are more rejected rows than are counted.
func Of(ctx context.Context, tables table.Store, registrations registration.Store, cloudID string, from, to usage.Day) (u Usage, err error) {
	u.MissingHours = []calendar.Range{}
	history, err := registrations.History(ctx, cloudID)
	if err != nil {
		return u, err
	}
	gaps, err := calendar.Between(ctx, tables, history, from.First(), to.Next().First()-1, time.Now())
	if err != nil {
		return u, err
	}
	u.MissingHours, u.Accepted = append(u.MissingHours, gaps.Missing...), gaps.Accepted
	rows, err := status.Undecided(ctx, tables, cloudID, from, to)
	if rows.Rows > 0 {
		u.Rows = &rows
	}
	return u, err
}
