package explanation

import (
	"fmt"
	"strings"
	"testing"

	"stackusage/shared/explain"
	"stackusage/shared/usage"
)

// TestBeside: what commerce declined, or has no outcome of, stands beside the line.
func TestNotBilled(t *testing.T) {
	q, err := usage.ParseQuantity("0.0756")
	if err != nil {
		t.Fatal(err)
	}
	for outcome, want := range map[string]string{
		"Rejected": "not billed: 0.0756, commerce's outcome is Rejected; the next revision bills it again",
		"":         "not billed yet: 0.0756, commerce has no outcome yet",
		"Accepted": "",
	} {
		l := explain.Line{Used: q, Revisions: []explain.Revision{{RecordID: "r", Sent: q, Outcome: outcome}}}
		if outcome == "Accepted" {
			l.Billed = q
		}
		if text := fmt.Sprint(Beside(l)); want != "" && !strings.Contains(text, want) || want == "" && strings.Contains(text, "0.0756") {
			t.Errorf("%q: %s", outcome, text)
		}
	}
}

// TestCSVHasWhatStandsBeside: each thing that is not in the bill is a row that says what it
// is; of a rejected row the quantity is not known.
func TestCSVHasWhatStandsBeside(t *testing.T) {
	q := func(text string) usage.Quantity {
		n, err := usage.ParseQuantity(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	hour := usage.Hour(438000)
	day := hour.Day()
	l := explain.Line{Used: q("10"), Billed: q("1"), Waived: q("2"), CarriedAway: q("3"),
		Carried:      []explain.CarriedFrom{{Day: day - 2, Revision: 4, Quantity: q("0.5"), Reason: "late"}},
		Pending:      []explain.Pending{{ReportedHour: hour, Blob: "p", Quantity: q("7")}},
		Conflicts:    []explain.Conflict{{ReportedHour: hour, Blob: "c", Quantity: q("2.5"), Accepted: q("2")}},
		RejectedRows: []explain.RejectedRow{{ReportedHour: hour, Blob: "r", Number: 26, Code: "QuantityNegative", Reason: "-1", State: "dismissed", By: "olga", Why: "a test"}},
		Revisions: []explain.Revision{{Number: 1, Carried: q("3"), CarriedTo: day + 1, Reason: "x", By: "olga"},
			{Number: 2, RecordID: "id", Sent: q("5"), Added: q("1"), Outcome: "Rejected", Code: "NoMeter", Message: "unknown"}},
	}
	show := func(all ...explain.Line) (texts []string) {
		for _, s := range flat(&explain.Report{Day: day, Lines: all}) {
			quantity := "-"
			if s.Quantity != nil {
				quantity = s.Quantity.String()
			}
			texts = append(texts, strings.TrimSpace(fmt.Sprint(s.What, " ", quantity, " ", s.Revision, s.Row, " ", s.OtherDay, s.Code, s.State, s.By, s.Reason)))
		}
		return texts
	}
	want := strings.Join([]string{
		"billed 1 0 0", "carriedIn 0.5 4 0 " + (day - 2).String() + "late", "revision 0 1 0 olgax", "revision 1 2 0 NoMeter",
		"pending 7 0 0 accepted since the last revision", "waived 2 2 0", "carriedAway 3 1 0 " + (day + 1).String() + "olgax",
		"declined 4 2 0 NoMeterunknown", "conflict 2.5 0 0", "rejectedRow - 0 26 QuantityNegativedismissedolgaa test",
	}, "\n")
	if got := strings.Join(show(l), "\n"); got != want {
		t.Errorf("rows\n%s\nwant\n%s", got, want)
	}
	l = explain.Line{Used: q("3"), Unreported: true, Revisions: []explain.Revision{{Number: 1}}}
	if got := strings.Join(show(l), "\n"); got != "billed 0 0 0\nrevision 0 1 0\nreportingOff 3 0 0" {
		t.Errorf("unreported:\n%s", got)
	}
	l = explain.Line{Used: q("3"), Revisions: []explain.Revision{{Number: 1, RecordID: "id"}}}
	if got := strings.Join(show(l), "\n"); got != "billed 0 0 0\nrevision 0 1 0\nnoOutcome 3 1 0" {
		t.Errorf("without an outcome:\n%s", got)
	}
}
