// Package usagesums keeps the sums of closed usage days on disk, so that a month is shown
// without reading its lines again: the lines of a revision never change.
//
//	lines of a closed day -> Make -> file: sums by resource, sums by subscription and meter -> Day
//	(usagelines)                     below a Cache, or a temporary one
//
// Sums are of what became of the usage. Prices and names are applied by those who read
// them. All numbers are exact.
//
// The file, docs/formats/usage-sums.md, is sorted by resource, so that days are merged as
// streams. It may be deleted at any time: it is made again.
package usagesums

import (
	"fmt"

	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// DamagedError is of a file that is not what was written.
type DamagedError struct {
	Day  *Day
	what string
}

// Error names the file.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("damaged file of usage sums %s: %s", e.Day.path, e.what)
}

// MaxTags bounds tags, as records do: of longer ones they have a hash alone. In the sums
// these are LongTags.
const (
	MaxTags  = 16 << 10
	LongTags = "!"
)

// Owner is whose usage it is.
type Owner struct {
	Subscription string // the stack's; in lower case with dashes
	Tenant       string // as settled with the day of the usage, in the same form; empty: none is known
}

// Term is what the usage is of, and how it is billed.
type Term struct {
	MeterID         string // in normal form
	CommerceMeterID string // in normal form; empty: not known
	Class           meter.Class
	Model           registration.BillingModel
	CarriedFrom     usage.Day // 0: usage of the day itself
	Unit, Name      string    // by the catalogue that the day is settled by; empty: not in it
}

// Part is what became of usage.
type Part uint8

// Parts of lines, as usagelines.Line has them. AwayLessTotal is CarriedAway - Total of
// lines that were carried into the day.
const (
	Billed Part = iota
	CarriedAway
	Pending
	Declined
	Waived
	Unreported
	AwayLessTotal
	Parts int = iota
)

// Entry is the sums of lines of one owner and one term, of a day or of a resource.
type Entry struct {
	Owner, Term int   // of Day.Owners and Day.Terms
	Lines       int64 // all of them, also those of which no part is left
	N           int
	Of          [Parts]PartSum // the first N
}

// PartSum is the sum of one part.
type PartSum struct {
	Part     Part
	Lines    int64 // that have some of it
	Quantity usage.Quantity
}
