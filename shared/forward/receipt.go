package forward

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

// receiptOf is what stands of a batch: the answers in the order of its records.
// Every record must have one.
func receiptOf(id outbox.ID, records []daily.Record, results map[string]outcome.Result) (outbox.Receipt, error) {
	receipt := outbox.Receipt{Batch: id.String(), Outcomes: make([]outbox.ReceiptOutcome, len(records))}
	for i, r := range records {
		result := results[r.RecordID]
		answer := outbox.ReceiptOutcome{RecordID: r.RecordID, Status: result.Status, Code: table.Clip(result.Code), Message: table.Clip(result.Message)}
		answer.Stands = outcome.InBill(result.Status)
		var err error
		if answer.Quantity, err = outcome.Billed(result.Status, r.Quantity, result.Quantity); err != nil {
			return receipt, fmt.Errorf("record %s of batch %s: %w", r.RecordID, id, err)
		}
		if result.Code == outbox.CodeDecided {
			answer.Waived = r.Quantity.Sub(answer.Quantity)
		}
		receipt.Outcomes[i] = answer
	}
	return receipt, nil
}

// putReceipt keeps the answers to a batch.
func (f *Forwarder) putReceipt(ctx context.Context, id outbox.ID, receipt outbox.Receipt) (path, sum string, err error) {
	text, err := json.Marshal(receipt)
	if err != nil {
		return "", "", fmt.Errorf("write receipt of batch %s: %w", id, err)
	}
	hash := sha256.Sum256(text)
	sum = hex.EncodeToString(hash[:])
	name := fmt.Sprintf("%s/%s/%04d_%05d-%s.json", id.CloudID, id.Day.Path(), id.Revision, id.Number, sum[:16])
	return table.ContainerReceipts + "/" + name, sum, content.PutBytes(ctx, f.Blobs, table.ContainerReceipts, name, text)
}
