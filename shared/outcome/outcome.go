// Package outcome names what commerce does with a record, and has the one rule for
// what of a record stands in the bill.
package outcome

import (
	"fmt"

	"stackusage/shared/usage"
)

// Outcomes of a record. All are final.
const (
	Accepted  = "Accepted"
	Duplicate = "Duplicate" // accepted before, with these very bytes
	Conflict  = "Conflict"  // known with another content, which stands
	Rejected  = "Rejected"
	Expired   = "Expired" // past commerce's lateness limit
)

// Result is the outcome of one record, as commerce reports it.
type Result struct {
	RecordID string `json:"recordId"`
	Status   string `json:"status"` // one of the outcomes
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Quantity string `json:"quantity,omitempty"` // stored, in a Conflict
}

// Known reports whether a status is one of the outcomes.
func Known(status string) bool {
	switch status {
	case Accepted, Duplicate, Conflict, Rejected, Expired:
		return true
	}
	return false
}

// Taken reports whether the record is in the bill as it was sent.
func Taken(status string) bool { return status == Accepted || status == Duplicate }

// InBill reports whether something stands in the bill under the record's id.
func InBill(status string) bool { return Taken(status) || status == Conflict }

// Billed is what of a record stands in the bill: the quantity sent if commerce took
// it, the quantity stored before if it is a Conflict, nothing if it was Rejected or
// Expired. An unknown status, or a stored quantity that cannot be read, is an error.
func Billed(status string, sent usage.Quantity, stored string) (usage.Quantity, error) {
	switch {
	case Taken(status):
		return sent, nil
	case status == Conflict:
		return usage.ParseSum(stored)
	case Known(status):
		return usage.Quantity{}, nil
	}
	return usage.Quantity{}, fmt.Errorf("outcome %.40q: want Accepted, Duplicate, Conflict, Rejected or Expired", status)
}
