package hourlog

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// daysOf lists the usage days that a file's rows fall on. The column is cut
// after so many days that only a broken clock touches; then the inputs are
// looked for.
func daysOf(ctx context.Context, store table.Store, id ID, h Hour) (days []usage.Day, err error) {
	if h.UsageDays == "" {
		return nil, nil
	}
	if !strings.Contains(h.UsageDays, "...") {
		for text := range strings.SplitSeq(h.UsageDays, ",") {
			d, err := usage.ParseDay(text)
			if err != nil {
				return nil, fmt.Errorf("column usageDays: %w", err)
			}
			days = append(days, d)
		}
		return days, nil
	}
	key := id.Hour.Compact() + "_" + id.SHA16
	for row, err := range store.List(ctx, table.DayInputs, "", key, key+"\x7f") {
		if err != nil {
			return nil, err
		}
		text, ours := strings.CutPrefix(row.Partition, id.CloudID+"_")
		if !ours || row.Key != key {
			continue
		}
		d, err := usage.ParseDay(text)
		if err != nil {
			return nil, err
		}
		days = append(days, d)
	}
	return days, nil
}

// Landed is a row of UsageHours with its name.
type Landed struct {
	ID ID
	Hour
	Undecided int64 // rejected rows that nobody has decided about; only WithUndecided counts them
}

// All goes through the landed files of one registration, or of all if
// cloudID is empty, in order of reported hours. Pointers are left out.
func All(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Landed, error] {
	from, to := bounds(cloudID)
	return list(ctx, store, from, to)
}

// Between is All of the reported days from first to last.
func Between(ctx context.Context, store table.Store, cloudID string, first, last usage.Day) iter.Seq2[Landed, error] {
	return list(ctx, store, openday.Partition(cloudID, first), openday.Partition(cloudID, last.Next()))
}

// Undecided goes through the landed files of a registration whose verdict
// may change: it was not registered, the file was over a limit, or it was decided
// that it takes the place of another or is excluded. Of those with a decision some are done.
func Undecided(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Landed, error] {
	return list(ctx, store, cloudID+"_", cloudID+table.AfterUnderscore,
		table.Condition{Column: "verdict", Value: string(Unregistered)},
		table.Condition{Column: "decision", Value: string(DecisionSupersede)}, table.Condition{Column: "decision", Value: string(DecisionRedrive)},
		table.Condition{Column: "decision", Value: string(DecisionExclude)}, table.Condition{Column: "decision", Value: string(DecisionReingest)},
		table.Condition{Column: "code", Value: landing.RejectedTooLarge}, table.Condition{Column: "code", Value: landing.RejectedTooManyRows})
}

// Decided goes through the landed files of a registration, or of all if cloudID is empty,
// of which something was decided since then, and through those with earlier decisions.
func Decided(ctx context.Context, store table.Store, cloudID string, since time.Time) iter.Seq2[Landed, error] {
	from, to := bounds(cloudID)
	return list(ctx, store, from, to, table.NotBefore("decidedAt", since), table.Filled("earlier"))
}

// bounds are the partitions of a registration, or of all if cloudID is empty.
func bounds(cloudID string) (from, to string) {
	if cloudID == "" {
		return "", ""
	}
	return cloudID + "_", cloudID + table.AfterUnderscore
}

// OpenFiles goes through the landed files of a registration that are in conflict,
// rejected, or not registered. Of the rejected ones another file may be accepted.
func OpenFiles(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Landed, error] {
	return list(ctx, store, cloudID+"_", cloudID+table.AfterUnderscore, table.Condition{Column: "verdict", Value: string(Conflict)},
		table.Condition{Column: "verdict", Value: string(Rejected)}, table.Condition{Column: "verdict", Value: string(Unregistered)})
}

func list(ctx context.Context, store table.Store, from, to string, any ...table.Condition) iter.Seq2[Landed, error] {
	return func(yield func(Landed, error) bool) {
		for row, err := range store.Scan(ctx, table.UsageHours, from, to, any...) {
			var h Landed
			if err == nil {
				registration, day, _ := strings.Cut(row.Partition, "_")
				hh, sha16, file := strings.Cut(row.Key, "_")
				if !file {
					continue
				}
				h.ID.CloudID, h.ID.SHA16 = registration, sha16
				if h.ID.Hour, err = usage.ParseCompactHour(day + hh); err == nil {
					err = table.Decode(row.Props, &h.Hour)
				}
			}
			if err != nil {
				yield(Landed{}, fmt.Errorf("list hours: %w", err))
				return
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}
