package openday

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

// Mark is a row of OpenDays: a usage day that has something to close.
type Mark struct {
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
func touchedBy(in Input) Mark {
	return Mark{Since: in.LandedAt, LastLanding: in.LandedAt, LastInput: in.Hour.Compact() + "_" + in.SHA16}
}

// markTries bounds how often a mark is written anew because others wrote it at
// the same time. Each lost try is another's gain, so that many hours of one day
// get through together.
const markTries = 50

// Touch gives the day's mark a new version, or makes it: a closer that read
// an older version will not delete it. The version read is replaced and no
// other, so that an operator's request in it is not lost.
func Touch(ctx context.Context, store table.Store, cloudID string, day usage.Day, touch Mark) error {
	return Update(ctx, store, cloudID, day, func(mark *Mark, exists bool) bool {
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

// Update reads the day's mark, lets change say what becomes of it, and
// writes it unless change says no.
func Update(ctx context.Context, store table.Store, cloudID string, day usage.Day, change func(mark *Mark, exists bool) bool) error {
	err := table.ErrChanged
	for try := 0; try < markTries && (errors.Is(err, table.ErrExists) || errors.Is(err, table.ErrChanged)); try++ {
		err = tryUpdate(ctx, store, cloudID, day, change)
	}
	if err != nil {
		return fmt.Errorf("mark day %s open: %w", day, err)
	}
	return nil
}

func tryUpdate(ctx context.Context, store table.Store, cloudID string, day usage.Day, change func(mark *Mark, exists bool) bool) error {
	var mark Mark
	op := table.Op{Verb: table.Insert, Row: table.Row{Partition: cloudID, Key: day.Compact()}}
	have, err := store.Get(ctx, table.OpenDays, cloudID, day.Compact())
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
	return store.Apply(ctx, table.OpenDays, cloudID, op)
}

// Entry is one entry of OpenDays: a day to close (Revision 0), or a
// revision whose batches have no final answer yet.
type Entry struct {
	CloudID  string
	Day      usage.Day
	Revision int
	Mark

	tag table.Tag
}

// List lists what is open, of every registration.
func List(ctx context.Context, store table.Store) ([]Entry, error) {
	var marks []Entry
	for row, err := range store.List(ctx, table.OpenDays, "", "", "") {
		if err != nil {
			return nil, fmt.Errorf("list open days: %w", err)
		}
		m := Entry{CloudID: row.Partition, tag: row.Tag}
		day, revision, forwarding := strings.Cut(row.Key, "_")
		if m.Day, err = usage.ParseDay(day); err == nil && forwarding {
			_, err = fmt.Sscanf(revision, "%04d", &m.Revision)
		}
		if err == nil {
			err = table.Decode(row.Props, &m.Mark)
		}
		if err != nil {
			return nil, fmt.Errorf("list open days: row %s/%s: %w", row.Partition, row.Key, err)
		}
		marks = append(marks, m)
	}
	slices.SortStableFunc(marks, func(a, b Entry) int { return int(a.Day - b.Day) })
	return marks, nil
}

// RevisionKey is the RowKey of a revision: in UsageDays of its row, in OpenDays of its mark.
func RevisionKey(day usage.Day, revision int) string {
	return fmt.Sprintf("%s_%04d", day.Compact(), revision)
}

// DeclinedIn reports whether commerce declined a part of a day's last revision, by its
// number.
func (m Mark) DeclinedIn(last int64) bool {
	return m.Declined > 0 && m.DeclinedRevision == last
}

// OnlyDeclined reports whether that is all that keeps the day open: no input came,
// and nobody asks for anything.
func (m Mark) OnlyDeclined(last int64) bool {
	return m.DeclinedIn(last) && m == m.Rest()
}

// Rest is the mark without what was closed.
func (m Mark) Rest() Mark {
	return Mark{Since: m.Since, LastLanding: m.LastLanding, Declined: m.Declined, DeclinedRevision: m.DeclinedRevision, DeclinedSince: m.DeclinedSince}
}

// RemoveRevision deletes the mark of a revision, by the version that List read.
func RemoveRevision(ctx context.Context, store table.Store, m Entry) error {
	return store.Apply(ctx, table.OpenDays, m.CloudID,
		table.Op{Verb: table.Delete, Row: table.Row{Partition: m.CloudID, Key: RevisionKey(m.Day, m.Revision), Tag: m.tag}})
}
