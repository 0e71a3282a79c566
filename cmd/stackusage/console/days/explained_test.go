package days

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/explanation"
	"stackusage/shared/daily"
	"stackusage/shared/explain"
	"stackusage/shared/usage"
)

func quantity(t *testing.T, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// answerOf is a line with seven reported hours, of which one has five rows, and with all
// that may stand beside it.
func answerOf(t *testing.T) explanation.Answer {
	first := usage.HourOf(time.Date(2024, 3, 2, 1, 0, 0, 0, time.UTC))
	rev := explain.Revision{Number: 1, ClosedAt: first.Start(), Hours: 7, RecordID: "r", Outcome: "Accepted", Reason: "<b>why</b>", By: "olga"}
	for i := range 7 {
		c := explain.Change{ReportedHour: first + usage.Hour(i), Blob: "stack/2024/03/02/x.ndjson.gz", SHA16: fmt.Sprintf("%016d", i), Quantity: quantity(t, "1.00000000000000000001"), Rows: 1}
		c.Listed = []explain.Row{{Number: int64(i + 1), Hour: first, Quantity: c.Quantity}}
		if i == 0 {
			c.Rows = 5
			for n := range 4 {
				c.Listed = append(c.Listed, explain.Row{Number: int64(n + 20), Hour: first})
			}
		}
		rev.Changes, rev.Total = append(rev.Changes, c), rev.Total.Add(c.Quantity)
	}
	rev.Sent, rev.Added = rev.Total, rev.Total
	carried := explain.Revision{Number: 2, ClosedAt: first.Start(), Carried: quantity(t, "-2"), CarriedTo: first.Day() + 5}
	l := explain.Line{Line: daily.Line{Shown: usage.Shown{ResourceURI: "/a/b", MeterID: "m"}}, Unit: "hours", Billed: rev.Added, Used: rev.Total, Revisions: []explain.Revision{rev, carried},
		Pending:      []explain.Pending{{ReportedHour: first + 9, Quantity: quantity(t, "4"), Blob: "late"}},
		Conflicts:    []explain.Conflict{{ReportedHour: first + 8, SHA16: "cc"}},
		RejectedRows: []explain.RejectedRow{{ReportedHour: first + 7, SHA16: "dd", Number: 14, Code: "QuantityNotNumeric", State: "rejected"}}}
	return explanation.Answer{Report: &explain.Report{CloudID: "c", Day: first.Day(), Lines: []explain.Line{l}}}
}

// TestExplained: what is folded adds up, each hour and row has an address, and texts of
// others are texts.
func TestExplained(t *testing.T) {
	for all, want := range map[string]struct{ rows, folded int }{"": {10, 1}, "true": {12, 0}} {
		r := &page.Request{Context: t.Context(), Path: "/explain", Query: url.Values{"registration": {"hamburg"}}}
		if all != "" {
			r.Query.Set("all", all)
		}
		p, part := &page.Page{}, &page.Part{}
		if err := showAnswer(r, p, part, answerOf(t)); err != nil {
			t.Fatal(err)
		}
		body := string(part.Body)
		if n := strings.Count(body, `href="/row?`); n != want.rows {
			t.Errorf("all=%s: %d rows, want %d", all, n, want.rows)
		}
		if n := strings.Count(body, "<details>"); n != want.folded {
			t.Errorf("all=%s: %d folded, want %d", all, n, want.folded)
		}
		texts := []string{`title="1.00000000000000000001"`, `title="7.00000000000000000007"`, "&lt;b&gt;why&lt;/b&gt;", "carried forward to",
			`href="/hour?hour=2024-03-02T10%3A00Z&amp;registration=hamburg"`, `href="/hour?hour=2024-03-02T09%3A00Z&amp;registration=hamburg"`,
			`href="/row?hour=2024-03-02T08%3A00Z&amp;line=14&amp;registration=hamburg&amp;sha16=dd"`,
			`href="/row?hour=2024-03-02T01%3A00Z&amp;line=1&amp;registration=hamburg&amp;sha16=0000000000000000"`, "everything agrees"}
		if all == "" {
			texts = append(texts, `title="4.00000000000000000004"`, "4 more reported hours", "2 more rows", `href="/explain?all=true&amp;registration=hamburg"`)
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("all=%s: no %s in\n%s", all, text, body)
			}
		}
		if _, err := html.Parse(strings.NewReader(body)); err != nil {
			t.Error(err)
		}
	}
}
