package usagelines

import (
	"context"
	"fmt"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

// outcomes are those of the records of a day's last revision, in the order of the
// records: batch after batch. It holds those of one batch.
type outcomes struct {
	day     *Day
	batches map[int]outbox.Batch             // by number; one that is not listed yet has no outcomes
	number  int                              // of the batch at hand
	left    int64                            // records of it that were not asked for
	known   []outbox.ReceiptOutcome          // of the batch at hand, if it has its final outcome: of the records that are left
	some    map[string]outbox.ReceiptOutcome // else, by record: those in DailyUsage so far
}

func (d *Day) outcomes(ctx context.Context) (*outcomes, error) {
	if err := d.listBatches(ctx); err != nil {
		return nil, err
	}
	return &outcomes{day: d, batches: d.batches}, nil
}

func (d *Day) listBatches(ctx context.Context) error {
	if d.batches != nil {
		return nil
	}
	ids, batches, err := outbox.OfRevision(ctx, d.reader.Tables, d.CloudID, d.Day, int(d.Revision.Number))
	if err != nil {
		return err
	}
	d.batches = make(map[int]outbox.Batch, len(batches))
	for i, id := range ids {
		d.batches[id.Number] = batches[i]
	}
	return nil
}

// of is the final outcome of the next record; nil if it has none yet.
func (o *outcomes) of(ctx context.Context, recordID string) (*outbox.ReceiptOutcome, error) {
	if o.left == 0 {
		o.number++
		if err := o.read(ctx); err != nil {
			return nil, err
		}
	}
	o.left--
	if len(o.known) > 0 {
		answer := o.known[0]
		o.known = o.known[1:]
		if answer.RecordID != recordID {
			return nil, fmt.Errorf("%w: record %s, and the receipt of batch %d has an outcome of %q there", linefile.ErrDamaged, recordID, o.number, answer.RecordID)
		}
		return &answer, nil
	}
	if answer, is := o.some[recordID]; is {
		return &answer, nil
	}
	return nil, nil
}

// read reads what is known of the next batch.
func (o *outcomes) read(ctx context.Context) error {
	o.known, o.some = nil, nil
	b, listed := o.batches[o.number]
	if !listed { // CloseDay has committed the revision, and not listed its batches
		o.left = -1
		return nil
	}
	o.left = b.Records
	if b.State != outbox.BatchDone {
		return o.readSome(ctx, b)
	}
	receipt, err := outbox.ReadReceipt(ctx, o.day.reader.Blobs, b.Receipt, b.ReceiptSHA256)
	if err != nil {
		return err
	}
	if int64(len(receipt.Outcomes)) != b.Records {
		return fmt.Errorf("%w: %s has %d outcomes for %d records", linefile.ErrDamaged, b.Receipt, len(receipt.Outcomes), b.Records)
	}
	o.known = receipt.Outcomes
	return nil
}

// readSome reads the outcomes that records of a batch have, if it was tried: they are
// final, and in the bill, while the batch waits for the rest.
func (o *outcomes) readSome(ctx context.Context, b outbox.Batch) error {
	if b.Tries == 0 && !b.Partial && b.LeasedUntil.IsZero() {
		return nil
	}
	body, err := content.At(b.Blob).With(b.SHA256, table.UsageBatches).Bytes(ctx, o.day.reader.Blobs, daily.MaxBatchBytes)
	if err != nil {
		return err
	}
	records, err := daily.DecodeBatch(body)
	if err != nil {
		return fmt.Errorf("%s: %w", b.Blob, err)
	}
	id := outbox.ID{CloudID: o.day.CloudID, Day: o.day.Day, Revision: int(o.day.Revision.Number), Number: o.number}
	answers, err := outbox.Answers(ctx, o.day.reader.Tables, id, records)
	if err != nil {
		return err
	}
	o.some = make(map[string]outbox.ReceiptOutcome, len(answers))
	for _, r := range records {
		a, is := answers[r.RecordID]
		if !is {
			continue
		}
		one := outbox.ReceiptOutcome{RecordID: r.RecordID, Status: a.Status, Code: a.Code, Message: a.Message}
		if one.Quantity, err = outcome.Billed(a.Status, r.Quantity, a.Quantity); err != nil {
			return fmt.Errorf("record %s of batch %s: %w", r.RecordID, id, err)
		}
		if a.Code == outbox.CodeDecided {
			one.Waived = r.Quantity.Sub(one.Quantity)
		}
		o.some[r.RecordID] = one
	}
	return nil
}

// end reports whether all outcomes were asked for.
func (o *outcomes) end() error {
	if o.left > 0 || o.left == 0 && len(o.batches) > o.number {
		return fmt.Errorf("%w: its batches have more records than the daily file", linefile.ErrDamaged)
	}
	return nil
}
