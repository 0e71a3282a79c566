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
