package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"stackusage/shared/content"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Receipt is the file that keeps commerce's final answers to one batch, in the
// order of its records.
type Receipt struct {
	Batch    string           `json:"batch"`
	Outcomes []ReceiptOutcome `json:"outcomes"`
}

// ReceiptOutcome is the answer to one record, and what stands of it.
type ReceiptOutcome struct {
	RecordID string         `json:"recordId"`
	Status   string         `json:"status"`
	Code     string         `json:"code,omitempty"`
	Message  string         `json:"message,omitempty"`
	Stands   bool           `json:"stands"`
	Quantity usage.Quantity `json:"quantity"`        // as commerce has it; 0 if the record does not stand
	Waived   usage.Quantity `json:"waived,omitzero"` // what an operator decided not to bill
}

// maxReceipt bounds a receipt: 500 outcomes whose code and message are clipped to
// some 1,000 bytes each, and which JSON may write six times as long, come to less
// than half of it; those of earlier versions, clipped to 2,000 characters, to less
// than all.
const maxReceipt = 64 << 20

// ReadReceipt reads the receipt of a path, container and name, which must have the hash
// that UsageBatches names.
func ReadReceipt(ctx context.Context, from content.Opener, path, sha256 string) (Receipt, error) {
	var receipt Receipt
	text, err := content.At(path).With(sha256, table.UsageBatches).Bytes(ctx, from, maxReceipt)
	if err != nil {
		return receipt, err
	}
	if err := json.Unmarshal(text, &receipt); err != nil {
		return receipt, fmt.Errorf("read receipt %s: %w", path, err)
	}
	return receipt, nil
}
