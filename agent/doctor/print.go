package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// columns are wide enough for every name and outcome, so that lines can be
// written as checks end.
const columns = "%-25s %-8s %s\n"

// Header is the first line of the table.
func Header(w io.Writer) { fmt.Fprintf(w, columns, "CHECK", "OUTCOME", "WHAT") }

// Print writes one line of the table, and advice below it.
func (r Result) Print(w io.Writer) {
	outcome := string(r.Outcome)
	if r.Outcome == Failed {
		outcome = "FAILED"
	}
	what := make([]string, 0, 2)
	for _, text := range []string{r.At, r.Found + r.Cause} {
		if text != "" && (text != r.At || r.Outcome != Skipped) {
			what = append(what, text)
		}
	}
	fmt.Fprintf(w, columns, r.Check, outcome, oneLine(strings.Join(what, ": ")))
	for line := range strings.Lines(r.Advice) {
		fmt.Fprintf(w, columns, "", "", "-> "+oneLine(line))
	}
}

// oneLine keeps what a server says from writing on the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
}

// Count is how many results have each outcome.
func Count(results []Result) map[Outcome]int {
	n := map[Outcome]int{}
	for _, r := range results {
		n[r.Outcome]++
	}
	return n
}

// WriteJSON writes {"ok": ..., "checks": [...]}; ok means that nothing failed.
func WriteJSON(w io.Writer, results []Result) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		OK     bool     `json:"ok"`
		Checks []Result `json:"checks"`
	}{Count(results)[Failed] == 0, results})
}
