package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// OpenDay is a row of OpenDays: a usage day that has something to close.
type OpenDay struct {
	Since       time.Time `col:"since"`       // first landing of the blobs that touched it
	LastLanding time.Time `col:"lastLanding"` // of any blob that touched it
	LastInput   string    `col:"lastInput"`   // the newest mark's reason: RowKey in DayInputs

	// What an operator asked for: the next revision, even of the same inputs.
	Restate       string    `col:"restate,omitempty"` // names the request; the revision that answers it repeats it
	Settle        string    `col:"settle,omitempty"`  // what it has settled anew: SettleAll, SettleRegistration; nothing if it is absent
	RestateReason string    `col:"restateReason,omitempty"`
	RestateBy     string    `col:"restateBy,omitempty"`
	RestateAt     time.Time `col:"restateAt"`
	CarryTo       string    `col:"carryTo,omitempty"` // the usage day, 20191220, that shall state the differences in its place
	Waive         bool      `col:"waive,omitempty"`   // the differences shall not be billed

	// What commerce declined of the last revision. It is of no account once there
	// is a later one, which states it again.
	Declined         int64     `col:"declined,omitempty"` // records of which something else stands than was sent
	DeclinedRevision int64     `col:"declinedRevision,omitempty"`
	DeclinedSince    time.Time `col:"declinedSince"` // when the last of them had its final answer
}

// touchedBy is what a mark says of the input that renewed it.
func touchedBy(in DayInput) OpenDay {
	return OpenDay{Since: in.LandedAt, LastLanding: in.LandedAt, LastInput: in.Hour.Compact() + "_" + in.SHA16}
}

// markTries bounds how often a mark is written anew because others wrote it at
// the same time. Each lost try is another's gain, so that many hours of one day
// get through together.
const markTries = 50

// markOpen gives the day's mark a new version, or makes it: a closer that read
// an older version will not delete it. The version read is replaced and no
// other, so that an operator's request in it is not lost.
func (l *Ledger) markOpen(ctx context.Context, cloudID string, day usage.Day, touch OpenDay) error {
	return l.updateMark(ctx, cloudID, day, func(mark *OpenDay, exists bool) bool {
		if !exists {
			*mark = touch
			return true
		}
		mark.LastInput = touch.LastInput
		if touch.Since.Before(mark.Since) {
			mark.Since = touch.Since
		}
		if touch.LastLanding.After(mark.LastLanding) {
			mark.LastLanding = touch.LastLanding
		}
		return true
	})
}

// updateMark reads the day's mark, lets change say what becomes of it, and
// writes it unless change says no.
func (l *Ledger) updateMark(ctx context.Context, cloudID string, day usage.Day, change func(mark *OpenDay, exists bool) bool) error {
	err := table.ErrChanged
	for try := 0; try < markTries && (errors.Is(err, table.ErrExists) || errors.Is(err, table.ErrChanged)); try++ {
		err = l.tryUpdateMark(ctx, cloudID, day, change)
	}
	if err != nil {
		return fmt.Errorf("mark day %s open: %w", day, err)
	}
	return nil
}

func (l *Ledger) tryUpdateMark(ctx context.Context, cloudID string, day usage.Day, change func(mark *OpenDay, exists bool) bool) error {
	var mark OpenDay
	op := table.Op{Verb: table.Insert, Row: table.Row{Partition: cloudID, Key: day.Compact()}}
	have, err := l.Store.Get(ctx, table.OpenDays, cloudID, day.Compact())
	if err == nil {
		op.Verb, op.Row.Tag = table.Update, have.Tag
		err = table.Decode(have.Props, &mark)
	} else if errors.Is(err, table.ErrNotFound) {
		err = nil
	}
	if err != nil || !change(&mark, op.Verb == table.Update) {
		return err
	}
	op.Row.Props = table.Encode(mark)
	return l.Store.Apply(ctx, table.OpenDays, cloudID, op)
}

// OpenMark is one entry of OpenDays: a day to close (Revision 0), or a
// revision whose batches have no final answer yet.
type OpenMark struct {
	CloudID  string
	Day      usage.Day
	Revision int
	OpenDay

	tag table.Tag
}

// OpenMarks lists what is open, of every registration.
func (l *Ledger) OpenMarks(ctx context.Context) ([]OpenMark, error) {
	var marks []OpenMark
	for row, err := range l.Store.List(ctx, table.OpenDays, "", "", "") {
		if err != nil {
			return nil, fmt.Errorf("list open days: %w", err)
		}
		m := OpenMark{CloudID: row.Partition, tag: row.Tag}
		day, revision, forwarding := strings.Cut(row.Key, "_")
		if m.Day, err = usage.ParseDay(day); err == nil && forwarding {
			_, err = fmt.Sscanf(revision, "%04d", &m.Revision)
		}
		if err == nil {
			err = table.Decode(row.Props, &m.OpenDay)
		}
		if err != nil {
			return nil, fmt.Errorf("list open days: row %s/%s: %w", row.Partition, row.Key, err)
		}
		marks = append(marks, m)
	}
	slices.SortStableFunc(marks, func(a, b OpenMark) int { return int(a.Day - b.Day) })
	return marks, nil
}
