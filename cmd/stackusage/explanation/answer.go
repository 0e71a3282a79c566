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

// Note stands beside a line. Its hour, file and row are where it is from; empty: of none.
type Note struct {
	Text  string
	Hour  usage.Hour
	SHA16 string
	Row   int64
}

// Beside is what stands beside a line: what is not billed, and why.
func Beside(l explain.Line) (notes []Note) {
	say := func(format string, args ...any) { notes = append(notes, Note{Text: fmt.Sprintf(format, args...)}) }
	for _, p := range l.Pending {
		since := "accepted since the last revision"
		if p.Quantity.Sign() < 0 {
			since = "no longer accepted since the last revision"
		}
		say("not billed yet: %s of reported hour %s, %s (%s)", p.Quantity, p.ReportedHour.String(), since, p.Blob)
		notes[len(notes)-1].Hour = p.ReportedHour
	}
	if l.Waived.Sign() != 0 {
		say("not billed: %s, by the decision of an operator", l.Waived)
	}
	for _, rev := range l.Revisions {
		if rev.Carried.Sign() != 0 {
			say("billed on %s instead: %s, carried forward by revision %d", rev.CarriedTo, rev.Carried, rev.Number)
		}
	}
	rest := l.Used.Sub(l.Billed).Sub(l.CarriedAway).Sub(l.Waived)
	switch last := l.Revisions[len(l.Revisions)-1]; {
	case l.Unreported || rest.Sign() == 0 || last.RecordID == "":
	case last.Outcome == "":
		say("not billed yet: %s, commerce has no outcome yet", rest)
	default:
		say("not billed: %s, commerce's outcome is %s; the next revision bills it again", rest, last.Outcome)
	}
	if l.Unreported {
		say("not billed: %s, because usage reporting was off", l.Used)
	}
	for _, c := range l.Conflicts {
		say("in conflict: another file of reported hour %s has %s in place of %s, undecided: stackusage hour compare --hour %s --sha16 %s",
			c.ReportedHour.String(), c.Quantity, c.Accepted, c.ReportedHour.String(), c.SHA16)
		notes[len(notes)-1].Hour = c.ReportedHour
	}
	for _, row := range l.RejectedRows {
		text := fmt.Sprintf("rejected row %d of %s: %s, %s", row.Number, row.Blob, row.Code, row.State)
		if row.By != "" {
			text += fmt.Sprintf(" by %s: %s", row.By, row.Why)
		}
		notes = append(notes, Note{text, row.ReportedHour, row.SHA16, row.Number})
	}
	if len(l.Pending) == 0 && len(l.RejectedRows) == 0 && len(l.Conflicts) == 0 {
		say("not billed: 0 rejected rows that name the resource, 0 hours to come")
	}
	return notes
}
