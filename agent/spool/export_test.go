package spool

import "stackusage/shared/usage"

// Runs is what done.json holds.
type Runs = runs

var (
	DecodeDone = decodeDone
	EncodeDone = encodeDone
)

// With and Has are the set's methods.
func With(r Runs, h usage.Hour) Runs { return r.with(h) }
func Has(r Runs, h usage.Hour) bool  { return r.has(h) }
