package outbox

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// AcceptedInputs is Inputs of which the hour blob counts.
func AcceptedInputs(ctx context.Context, store table.Store, cloudID string, day usage.Day) ([]openday.Input, error) {
	inputs, err := openday.Inputs(ctx, store, cloudID, day)
	if err != nil {
		return nil, err
	}
	var counted []openday.Input
	for _, in := range inputs {
		h, err := hourlog.Read(ctx, store, hourlog.ID{CloudID: cloudID, Hour: in.Hour, SHA16: in.SHA16})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return nil, fmt.Errorf("list inputs of %s: %w", day, err)
		}
		if h.Verdict == hourlog.Accepted {
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
func BilledLines(ctx context.Context, store table.Store, cloudID string, day usage.Day) iter.Seq2[BilledLine, error] {
	return billedBetween(ctx, store, cloudID, day, "", "")
}

// BilledOf is BilledLines of one resource of a subscription of the stack.
func BilledOf(ctx context.Context, store table.Store, cloudID string, day usage.Day, subscriptionID, resourceURI string) iter.Seq2[BilledLine, error] {
	rows := daily.RowsOf(usage.DashedGUID(subscriptionID), resourceURI)
	return billedBetween(ctx, store, cloudID, day, rows+"_", rows+"`") // the byte after the underscore
}

func billedBetween(ctx context.Context, store table.Store, cloudID string, day usage.Day, from, to string) iter.Seq2[BilledLine, error] {
	return func(yield func(BilledLine, error) bool) {
		for row, err := range store.List(ctx, table.DailyUsage, openday.Partition(cloudID, day), from, to) {
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
