package daily

import (
	"encoding/json"
	"fmt"

	"stackusage/shared/usage"
)

// Manifest is the file that a revision's row names: its exact inputs and
// batches, however many.
type Manifest struct {
	CloudID  string       `json:"cloudId"`
	UsageDay usage.Day    `json:"usageDay"`
	Revision int          `json:"revision"`
	File     string       `json:"file"`
	SHA256   string       `json:"sha256"`
	Inputs   []Input      `json:"inputs"`
	Carries  []CarryInput `json:"carries,omitempty"`
	Before   []Source     `json:"before,omitempty"` // what the difference is against: the daily file before and its receipts
	Batches  []Batch      `json:"batches"`
}

// Source is a file that a revision was made from.
type Source struct {
	Blob   string `json:"blob"`   // container and name
	SHA256 string `json:"sha256"` // of its bytes
}

// EncodeManifest is the manifest's bytes; the same manifest gives the same.
func EncodeManifest(m Manifest) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode manifest of day %s: %w", m.UsageDay, err)
	}
	return b, nil
}
