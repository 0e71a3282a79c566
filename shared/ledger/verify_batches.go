package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// batchState is one batch of a statement and its row, if it has one.
type batchState struct {
	id  BatchID
	row Batch
}

// readBatches compares the batches of the n-th statement with UsageBatches.
func (v *verifier) readBatches(ctx context.Context, s *dayState, n int) error {
	st := &s.stated[n]
	ids, rows, err := v.ledger.Batches(ctx, s.cloudID, s.day, int(st.Number))
	if err != nil || st.manifest.Revision < 0 {
		return err
	}
	byNumber := map[int]Batch{}
	for i, id := range ids {
		byNumber[id.Number] = rows[i]
	}
	for _, b := range st.manifest.Batches {
		id := BatchID{s.cloudID, s.day, int(st.Number), b.Number}
		where := "UsageBatches " + id.partition() + "/" + id.key()
		row, there := byNumber[b.Number]
		delete(byNumber, b.Number)
		if !there {
			if s.open { // whoever stated the day has not listed its batches yet
				continue
			}
			if err := v.differ(where, "the row is not there; the batch is committed in %s", st.Manifest); err != nil {
				return err
			}
			continue
		}
		if row.State == BatchAnswered {
			st.receipts = append(st.receipts, Source{row.Receipt, row.ReceiptSHA256})
		} else if err := v.awaited(ctx, where, id); err != nil {
			return err
		}
		s.batches = append(s.batches, batchState{id, row})
		err := cmp.Or(same(v, where, "blob", row.Blob, b.Blob), same(v, where, "sha256", row.SHA256, b.SHA256),
			same(v, where, "records", row.Records, int64(b.Records)))
		if err != nil {
			return err
		}
	}
	for number := range byNumber {
		id := BatchID{s.cloudID, s.day, int(st.Number), number}
		if err := v.differ("UsageBatches "+id.partition()+"/"+id.key(), "%s has no such batch", st.Manifest); err != nil {
			return err
		}
	}
	return nil
}

// awaited: a batch without a final answer is of a revision that OpenDays has, or
// nobody would send it again. It may have been answered since it was read.
func (v *verifier) awaited(ctx context.Context, where string, id BatchID) error {
	open, err := v.marked(ctx, id.CloudID, revisionKey(id.Day, id.Revision))
	if err != nil || open {
		return err
	}
	now, err := v.ledger.Batch(ctx, id)
	if err != nil || now.State == BatchAnswered {
		return err
	}
	return v.differ(where, "state is %s, and the revision is not in OpenDays", now.State)
}

// batchRecords goes through the records of a statement's batches, byte for
// byte. It holds one batch at a time.
func (v *verifier) batchRecords(ctx context.Context, m Manifest) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, b := range m.Batches {
			var batch struct {
				Records []json.RawMessage `json:"records"`
			}
			body, err := v.readFile(ctx, b.Blob, b.SHA256, maxVerifyFile)
			if err == nil && json.Unmarshal(body, &batch) != nil {
				err = damaged(b.Blob, "not the JSON of a batch")
			}
			if err == nil && (len(batch.Records) != b.Records || len(body) != b.Bytes) {
				err = damaged(b.Blob, "it has %d records in %d bytes; the manifest says %d in %d", len(batch.Records), len(body), b.Records, b.Bytes)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, record := range batch.Records {
				if !yield(record, nil) {
					return
				}
			}
		}
	}
}

func (v *verifier) readReceipt(ctx context.Context, source Source) (Receipt, error) {
	var receipt Receipt
	text, err := v.readFile(ctx, source.Blob, source.SHA256, maxVerifyFile)
	if err == nil {
		if jsonErr := json.Unmarshal(text, &receipt); jsonErr != nil {
			err = damaged(source.Blob, "%v", jsonErr)
		}
	}
	return receipt, err
}

// answered is an answered batch with what commerce said.
type answered struct {
	records []daily.Record
	receipt Receipt
}

// readAnswered reads a batch and its receipt, which must fit each other.
func (v *verifier) readAnswered(ctx context.Context, b batchState) (a answered, err error) {
	body, err := v.readFile(ctx, b.row.Blob, b.row.SHA256, maxVerifyFile)
	if err != nil {
		return a, err
	}
	if a.records, err = daily.DecodeBatch(body); err != nil {
		return a, damaged(b.row.Blob, "%v", err)
	}
	if a.receipt, err = v.readReceipt(ctx, Source{b.row.Receipt, b.row.ReceiptSHA256}); err != nil {
		return a, err
	}
	if a.receipt.Batch != b.id.String() || len(a.receipt.Answers) != len(a.records) {
		return a, damaged(b.row.Receipt, "it has %d answers for batch %q, must have %d for %s", len(a.receipt.Answers), a.receipt.Batch, len(a.records), b.id)
	}
	for i, answer := range a.receipt.Answers {
		r := a.records[i]
		stands := r.Quantity
		switch answer.Status {
		case "Accepted", "Duplicate":
		case "Conflict":
			stands = answer.Quantity // as commerce said; nothing else is known of it
		case "Rejected", "Expired":
			stands = usage.Quantity{}
		default:
			return a, damaged(b.row.Receipt, "answer %d: status %q is not final", i+1, answer.Status)
		}
		if answer.RecordID != r.RecordID || answer.Stands == refused(answer.Status) || !answer.Quantity.Equal(stands) {
			return a, damaged(b.row.Receipt, "answer %d, %s with quantity %s, does not fit record %s of %s", i+1, answer.Status, answer.Quantity, r.RecordID, r.Quantity)
		}
	}
	return a, nil
}

func refused(status string) bool { return status == "Rejected" || status == "Expired" }
