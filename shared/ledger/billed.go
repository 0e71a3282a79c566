package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"stackusage/shared/outcome"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Inputs lists the inputs of a usage day, in order, whether they count or not.
func (l *Ledger) Inputs(ctx context.Context, cloudID string, day usage.Day) ([]DayInput, error) {
	inputs, _, err := l.inputs(ctx, cloudID, day)
	if err != nil {
		return nil, fmt.Errorf("list inputs of %s: %w", day, err)
	}
	return inputs, nil
}

// AcceptedInputs is Inputs of which the hour blob counts.
func (l *Ledger) AcceptedInputs(ctx context.Context, cloudID string, day usage.Day) ([]DayInput, error) {
	inputs, err := l.Inputs(ctx, cloudID, day)
	if err != nil {
		return nil, err
	}
	var counted []DayInput
	for _, in := range inputs {
		h, err := l.Hour(ctx, HourID{cloudID, in.Hour, in.SHA16})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return nil, fmt.Errorf("list inputs of %s: %w", day, err)
		}
		if h.Verdict == Accepted {
			counted = append(counted, in)
		}
	}
	return counted, nil
}

// BilledLine is what a row of DailyUsage says of its quantity.
type BilledLine struct {
	RecordID       string
	Revision       int64
	Answer         string // Accepted, Duplicate, Conflict, Rejected, Expired
	OutcomeCode    string // of a refusal
	OutcomeMessage string
	BillingModel   string
	Payer          string // the Azure subscription that is charged
	SubscriptionID string // the stack's
	MeterID        string // the stack's
	MeterName      string
	Unit           string
	MeterClass     string
	Flags          string         // what is odd about the line, separated by commas
	Quantity       usage.Quantity // that was sent
	Stands         usage.Quantity // that commerce has of it
}

// BilledLines goes through commerce's answers to the records of a usage day.
func (l *Ledger) BilledLines(ctx context.Context, cloudID string, day usage.Day) iter.Seq2[BilledLine, error] {
	return func(yield func(BilledLine, error) bool) {
		for row, err := range l.Store.List(ctx, table.DailyUsage, dayPartition(cloudID, day), "", "") {
			var b BilledLine
			if err == nil {
				b, err = billedLine(row)
			}
			if err != nil {
				yield(BilledLine{}, fmt.Errorf("list DailyUsage of %s: %w", day, err))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

func billedLine(row table.Row) (b BilledLine, err error) {
	var have line
	if err := table.Decode(row.Props, &have); err != nil {
		return b, fmt.Errorf("row %s/%s: %w", row.Partition, row.Key, err)
	}
	b = BilledLine{RecordID: have.RecordID, Revision: have.Revision, Answer: have.Answer, OutcomeCode: have.OutcomeCode, OutcomeMessage: have.OutcomeMessage,
		BillingModel: have.BillingModel, Payer: have.BillingSubscriptionID, SubscriptionID: have.SubscriptionID,
		MeterID: have.MeterID, MeterName: have.MeterName, Unit: have.Unit, MeterClass: have.MeterClass, Flags: have.Flags}
	if b.Quantity, err = usage.ParseSum(have.Quantity); err != nil {
		return b, fmt.Errorf("row %s/%s: column quantity: %w", row.Partition, row.Key, err)
	}
	if b.Stands, err = outcome.Billed(have.Answer, b.Quantity, have.StoredQuantity); err != nil {
		return b, fmt.Errorf("row %s/%s: columns outcome and storedQuantity: %w", row.Partition, row.Key, err)
	}
	return b, nil
}
