package calendar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// kindAccept and prefixAccept mark the rows of table Decisions that Accept writes.
const (
	kindAccept   = "acceptMissing"
	prefixAccept = "missing_"
)

// acceptance is a row of Decisions: some reported hours will never come.
type acceptance struct {
	Kind   string    `col:"kind"` // kindAccept
	First  time.Time `col:"firstHour"`
	Last   time.Time `col:"lastHour"`
	Hours  int64     `col:"hours"` // how many of them were missing when it was recorded
	Reason string    `col:"reason"`
	By     string    `col:"by"`
	At     time.Time `col:"at"`
}

// Accept records that the hours of a range that are missing will never come, and returns
// them. It adds one row and overwrites none: the same range again is an error, and so is a
// range of which no hour is missing.
func Accept(ctx context.Context, store table.Store, history registration.History, r Range, why reasoned.Decision) ([]Range, error) {
	missing, err := accept(ctx, store, history, r, why)
	if err != nil {
		return nil, fmt.Errorf("accept missing hours %s of %s: %w", r, history.CloudID, err)
	}
	return missing, nil
}

func accept(ctx context.Context, store table.Store, history registration.History, r Range, why reasoned.Decision) ([]Range, error) {
	if err := why.Check(); err != nil {
		return nil, err
	}
	if r.Last < r.First {
		return nil, errors.New("the last hour is before the first")
	}
	gaps, err := Between(ctx, store, history, r.First, r.Last, why.At)
	if err != nil {
		return nil, err
	}
	missing := gaps.Missing
	if len(missing) == 0 {
		text := "no hour of it is missing: its hours have landed, are not expected, or ended less than " + usage.Span(Late) + " ago"
		if len(gaps.Accepted) > 0 {
			text = "it is recorded already"
		}
		return nil, errors.New(text)
	}
	row := table.Row{Partition: history.CloudID, Key: prefixAccept + r.First.Compact() + "_" + r.Last.Compact(), Props: table.Encode(acceptance{
		Kind: kindAccept, First: r.First.Start(), Last: r.Last.Start(), Hours: int64(Total(missing)), Reason: why.Reason, By: why.By, At: table.UTC(why.At)})}
	return missing, store.Apply(ctx, table.Decisions, row.Partition, table.Op{Verb: table.Insert, Row: row})
}

// Acceptance is a decision that the missing hours of a range will never come.
type Acceptance struct {
	CloudID string
	Range
	Missing int // hours of the range that were missing then
	reasoned.Decision
}

// Acceptances are those of a registration, or of all if cloudID is empty.
func Acceptances(ctx context.Context, store table.Store, cloudID string) (all []Acceptance, err error) {
	for row, err := range store.List(ctx, table.Decisions, cloudID, prefixAccept, prefixAccept+"~") {
		var a acceptance
		if err == nil {
			err = table.Decode(row.Props, &a)
		}
		if err != nil {
			return nil, fmt.Errorf("read accepted missing hours: %w", err)
		}
		all = append(all, Acceptance{row.Partition, Range{usage.HourOf(a.First), usage.HourOf(a.Last)}, int(a.Hours), reasoned.Decision{By: a.By, Reason: a.Reason, At: a.At}})
	}
	return all, nil
}

// Accepted are the hours of a registration that are recorded as never to come.
func Accepted(ctx context.Context, store table.Store, cloudID string) (ranges []Range, err error) {
	all, err := Acceptances(ctx, store, cloudID)
	for _, a := range all {
		ranges = append(ranges, a.Range)
	}
	return ranges, err
}
