// Package ledger is what counted: the state of hours, days and batches in
// tables, and the order of writes that keeps it true under crashes, repeats and
// races.
//
//	CommitHour    DayInputs -> mark in OpenDays -> UsageHours        the hour counts
//	BeginClose    mark's ETag -> last revision -> DayInputs -> which of them count
//	CommitRevision  insert in UsageDays                             the day is closed
//	FinishClose   delete the mark, if nothing came in between
//
// Content is written before the row that commits it; a commit is an insert or
// one transaction in one partition; a repeat finds its row and still does what
// comes after it. docs/formats/tables.md lists tables and columns.
package ledger

import (
	"stackusage/shared/table"
)

// Ledger keeps the state of hours, days and batches in a Store.
type Ledger struct{ Store table.Store }
