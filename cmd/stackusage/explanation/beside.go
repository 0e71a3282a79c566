package explanation

import (
	"cmp"
	"fmt"

	"stackusage/shared/explain"
	"stackusage/shared/usage"
)

// Note stands beside a line. Its hour, file and row are where it is from; empty: of none.
type Note struct {
	Text  string
	Hour  usage.Hour
	SHA16 string
	Row   int64

	csv step // its What is empty if it is no row in CSV
}

// Beside is what stands beside a line: what is not billed, and why.
func Beside(l explain.Line) (notes []Note) {
	say := func(s step, format string, args ...any) {
		notes = append(notes, Note{Text: fmt.Sprintf(format, args...), csv: s})
	}
	for _, p := range l.Pending {
		since := "accepted since the last revision"
		if p.Quantity.Sign() < 0 {
			since = "no longer accepted since the last revision"
		}
		say(step{What: "pending", ReportedHour: p.ReportedHour.String(), HourBlob: p.Blob, Quantity: &p.Quantity, Reason: since},
			"not billed yet: %s of reported hour %s, %s (%s)", p.Quantity, p.ReportedHour.String(), since, p.Blob)
		notes[len(notes)-1].Hour = p.ReportedHour
	}
	last := l.Revisions[len(l.Revisions)-1]
	if l.Waived.Sign() != 0 {
		say(step{What: "waived", Revision: last.Number, Quantity: &l.Waived}, "not billed: %s, by the decision of an operator", l.Waived)
	}
	for _, rev := range l.Revisions {
		if rev.Carried.Sign() != 0 {
			say(step{What: "carriedAway", Revision: rev.Number, Quantity: &rev.Carried, OtherDay: rev.CarriedTo.String(), By: rev.By, Reason: rev.Reason},
				"billed on %s instead: %s, carried forward by revision %d", rev.CarriedTo, rev.Carried, rev.Number)
		}
	}
	rest := l.Used.Sub(l.Billed).Sub(l.CarriedAway).Sub(l.Waived)
	of := step{Revision: last.Number, RecordID: last.RecordID, Outcome: last.Outcome, Code: last.Code, Quantity: &rest, Reason: last.Message}
	switch {
	case l.Unreported || rest.Sign() == 0 || last.RecordID == "":
	case last.Outcome == "":
		of.What = "noOutcome"
		say(of, "not billed yet: %s, commerce has no outcome yet", rest)
	default:
		of.What = "declined"
		say(of, "not billed: %s, commerce's outcome is %s; the next revision bills it again", rest, last.Outcome)
	}
	if l.Unreported {
		say(step{What: "reportingOff", Quantity: &l.Used}, "not billed: %s, because usage reporting was off", l.Used)
	}
	for _, c := range l.Conflicts {
		say(step{What: "conflict", ReportedHour: c.ReportedHour.String(), HourBlob: c.Blob, Quantity: &c.Quantity, Accepted: &c.Accepted},
			"in conflict: another file of reported hour %s has %s in place of %s, undecided: stackusage hour compare --hour %s --sha16 %s",
			c.ReportedHour.String(), c.Quantity, c.Accepted, c.ReportedHour.String(), c.SHA16)
		notes[len(notes)-1].Hour = c.ReportedHour
	}
	for _, row := range l.RejectedRows {
		text := fmt.Sprintf("rejected row %d of %s: %s, %s", row.Number, row.Blob, row.Code, row.State)
		if row.By != "" {
			text += fmt.Sprintf(" by %s: %s", row.By, row.Why)
		}
		notes = append(notes, Note{text, row.ReportedHour, row.SHA16, row.Number, step{What: "rejectedRow", ReportedHour: row.ReportedHour.String(),
			HourBlob: row.Blob, Row: row.Number, Code: row.Code, State: row.State, By: row.By, Reason: cmp.Or(row.Why, row.Reason)}})
	}
	if len(l.Pending) == 0 && len(l.RejectedRows) == 0 && len(l.Conflicts) == 0 {
		say(step{}, "not billed: 0 rejected rows that name the resource, 0 hours to come")
	}
	return notes
}

// step is a line of the explanation in CSV. WHAT tells what it is:
//
//	billed       the line: its quantity is in the bill
//	revision     what a revision added to it
//	hour         what a reported hour of the revision added
//	row          a row of the hour
//	carriedIn    what an earlier day carried into the line
//
// and what stands beside the line, and is not in the bill of the day:
//
//	pending      an hour that was accepted, or is not any more, since the last revision
//	waived       an operator decided not to bill it
//	carriedAway  another day bills it
//	noOutcome    commerce has not answered
//	declined     commerce declined it
//	reportingOff usage reporting was off
//	conflict     what another file of the hour has, about which nobody has decided
//	rejectedRow  a rejected row that names the resource; its quantity is not known
type step struct {
	UsageDay     usage.Day       `json:"usageDay"`
	ResourceURI  string          `json:"resourceUri"`
	MeterID      string          `json:"meterId"`
	What         string          `json:"what"`
	Revision     int             `json:"revision,omitempty"`
	RecordID     string          `json:"recordId,omitempty"`
	Outcome      string          `json:"outcome,omitempty"`
	ReportedHour string          `json:"reportedHour,omitempty"`
	HourBlob     string          `json:"hourBlob,omitempty"`
	Row          int64           `json:"row,omitempty"`
	Quantity     *usage.Quantity `json:"quantity,omitempty"`
	Accepted     *usage.Quantity `json:"acceptedQuantity,omitempty"` // of a conflict: what the accepted file has
	OtherDay     string          `json:"otherDay,omitempty"`         // that carried it here, or bills it instead
	Code         string          `json:"code,omitempty"`             // of a rejection, or commerce's
	State        string          `json:"state,omitempty"`            // of a rejected row
	By           string          `json:"by,omitempty"`
	Reason       string          `json:"reason,omitempty"`
}

func flat(r *explain.Report) (steps []step) {
	for _, l := range r.Lines {
		add := func(s step) {
			s.UsageDay, s.ResourceURI, s.MeterID = r.Day, l.ResourceURI, l.MeterID
			steps = append(steps, s)
		}
		add(step{What: "billed", Quantity: &l.Billed})
		for _, c := range l.Carried {
			add(step{What: "carriedIn", Revision: c.Revision, Quantity: &c.Quantity, OtherDay: c.Day.String(), Reason: c.Reason})
		}
		for _, rev := range l.Revisions {
			add(step{What: "revision", Revision: rev.Number, RecordID: rev.RecordID, Outcome: rev.Outcome, Quantity: &rev.Added, Code: rev.Code, By: rev.By, Reason: rev.Reason})
			for _, c := range rev.Changes {
				hour := step{What: "hour", Revision: rev.Number, RecordID: rev.RecordID, Outcome: rev.Outcome, ReportedHour: c.ReportedHour.String(), HourBlob: c.Blob, Quantity: &c.Quantity, Reason: c.Why}
				add(hour)
				for _, row := range c.Listed {
					hour.What, hour.Row, hour.Quantity, hour.Reason = "row", row.Number, &row.Quantity, ""
					add(hour)
				}
			}
		}
		for _, n := range Beside(l) {
			if n.csv.What != "" {
				add(n.csv)
			}
		}
	}
	return steps
}
