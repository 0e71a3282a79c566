package explanation

import (
	"fmt"
	"iter"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/explain"
	"stackusage/shared/prices"
	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

// Answer is what the command has, for Env.View.
type Answer struct {
	*explain.Report
	Prices *prices.List // nil: there are none
}

// Statement is a row of the statement of a usage details file, and the daily rows under
// it, for Env.View.
type Statement struct {
	details.Statement
	Rows     iter.Seq2[Billed, error]
	Together func() string // how they make the row; after Rows
	Differs  string        // how the row is not quantity times rate; empty if it is
}

// Price is what a line of the answer is billed at. There is a price list.
func (a Answer) Price(l explain.Line) prices.Price {
	return a.Prices.Of(prices.Charge{Day: a.Day, MeterID: l.MeterID, CommerceMeterID: l.CommerceMeterID, Class: l.MeterClass, Model: l.BillingModel})
}

// Checked is what was read, each file with its hash.
func Checked(c explain.Checked) string {
	partials := cli.Count(c.Partials, "partial")
	if c.Removed > 0 {
		partials += fmt.Sprintf(" (%d removed by storage)", c.Removed)
	}
	return fmt.Sprintf("%s with %s, %s, %s, %s", cli.Count(c.HourBlobs, "hour blob"), cli.Count(c.Rows, "row"),
		partials, cli.Count(c.DailyFiles, "daily file"), cli.Count(c.Receipts, "receipt"))
}

// Rest is what a revision billed more than the changes of its hours, or less, and why.
func Rest(l explain.Line, rev explain.Revision) (rest usage.Quantity, why string) {
	var sum usage.Quantity
	for _, c := range rev.Changes {
		sum = sum.Add(c.Quantity)
	}
	if l.CarriedFrom != 0 {
		sum = usage.Quantity{}
		if rev.Number <= l.Revisions[0].Number {
			sum = rev.Total // what earlier days carried forward
		}
	}
	rest = rev.Added.Sub(sum)
	return rest, reasonOf(rev, rest)
}

// reasonOf says why a revision billed something else than its hours have.
func reasonOf(rev explain.Revision, rest usage.Quantity) string {
	switch {
	case rev.RecordID == "" && rev.Carried.Sign() != 0:
		return fmt.Sprintf("billed on %s instead: carried forward", rev.CarriedTo)
	case rev.RecordID == "" && rev.Reporting != "":
		return "not billed: usage reporting was off"
	case rev.RecordID == "" && rev.Waived.Sign() != 0:
		return "not billed: by the decision of an operator"
	case rev.RecordID != "" && rev.Outcome == "":
		return "sent, no outcome yet"
	case rev.RecordID != "" && !rev.Sent.Equal(rev.Added):
		return fmt.Sprintf("sent %s, commerce's outcome: %s", rev.Sent, strings.TrimSpace(rev.Outcome+" "+rev.Code+" "+rev.Message))
	case rest.Sign() > 0:
		return "billed now, not billed by the revisions before"
	}
	return "taken back"
}
