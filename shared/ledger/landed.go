package ledger

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// daysOf lists the usage days that a file's rows fall on. The column is cut
// after so many days that only a broken clock touches; then the inputs are
// looked for.
func (l *Ledger) daysOf(ctx context.Context, id HourID, h Hour) (days []usage.Day, err error) {
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
	for row, err := range l.Store.List(ctx, table.DayInputs, "", key, key+"\x7f") {
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

// LandedHour is a row of UsageHours with its name.
type LandedHour struct {
	ID HourID
	Hour
}

// LandedHours goes through the landed files of one registration, or of all if
// cloudID is empty, in order of reported hours. Pointers are left out.
func (l *Ledger) LandedHours(ctx context.Context, cloudID string) iter.Seq2[LandedHour, error] {
	if cloudID == "" {
		return l.landed(ctx, "", "")
	}
	return l.landed(ctx, cloudID+"_", cloudID+afterUnderscore)
}

// afterUnderscore ends the range of keys that go on with an underscore.
const afterUnderscore = "`"

// LandedBetween is LandedHours of the reported days from first to last.
func (l *Ledger) LandedBetween(ctx context.Context, cloudID string, first, last usage.Day) iter.Seq2[LandedHour, error] {
	return l.landed(ctx, dayPartition(cloudID, first), dayPartition(cloudID, last.Next()))
}

// UndecidedHours goes through the landed files of a registration whose verdict
// may change: it was not registered, the file was over a limit, or it was decided
// that it takes the place of another or is excluded. Of those with a decision some are done.
func (l *Ledger) UndecidedHours(ctx context.Context, cloudID string) iter.Seq2[LandedHour, error] {
	return l.landed(ctx, cloudID+"_", cloudID+afterUnderscore,
		table.Condition{Column: "verdict", Value: string(Unregistered)},
		table.Condition{Column: "decision", Value: string(Supersede)}, table.Condition{Column: "decision", Value: string(Redrive)},
		table.Condition{Column: "decision", Value: string(Exclude)}, table.Condition{Column: "decision", Value: string(Reingest)},
		table.Condition{Column: "code", Value: landing.RejectedTooLarge}, table.Condition{Column: "code", Value: landing.RejectedTooManyRows})
}

// OpenFiles goes through the landed files of a registration that are in conflict,
// rejected, or not registered. Of the rejected ones another file may be accepted.
func (l *Ledger) OpenFiles(ctx context.Context, cloudID string) iter.Seq2[LandedHour, error] {
	return l.landed(ctx, cloudID+"_", cloudID+afterUnderscore, table.Condition{Column: "verdict", Value: string(Conflict)},
		table.Condition{Column: "verdict", Value: string(Rejected)}, table.Condition{Column: "verdict", Value: string(Unregistered)})
}

func (l *Ledger) landed(ctx context.Context, from, to string, any ...table.Condition) iter.Seq2[LandedHour, error] {
	return func(yield func(LandedHour, error) bool) {
		for row, err := range l.Store.Scan(ctx, table.UsageHours, from, to, any...) {
			var h LandedHour
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
				yield(LandedHour{}, fmt.Errorf("list hours: %w", err))
				return
			}
			if !yield(h, nil) {
				return
			}
		}
	}
}
