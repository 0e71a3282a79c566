package days

import (
	"encoding/json"
	"testing"

	"stackusage/shared/daybook"
)

// TestChanges: what a revision has that the one before had not is read from their inputs.
func TestChanges(t *testing.T) {
	const a, b = "2024030201_aaaaaaaaaaaaaaaa,2024030202_bbbbbbbbbbbbbbbb", "2024030202_cccccccccccccccc,2024030203_dddddddddddddddd,carry_20240301_0002_eeeeeeeeeeeeeeee"
	for _, c := range []struct {
		name         string
		before       *daybook.Revision
		now          daybook.Revision
		json, column string
	}{
		{"the first", nil, daybook.Revision{Inputs: a}, `{}`, ""},
		{"the first, with usage of another day", nil, daybook.Revision{Inputs: b}, `{"carriedFrom":["2024-03-01"]}`, "usage of 2024-03-01 carried in"},
		{"other hours", &daybook.Revision{Inputs: a}, daybook.Revision{Inputs: b},
			`{"arrivedHours":["2024-03-02T03:00:00Z"],"replacedHours":["2024-03-02T02:00:00Z"],"removedHours":["2024-03-02T01:00:00Z"],"carriedFrom":["2024-03-01"]}`,
			"1 hour arrived, 1 hour replaced, 1 hour removed, usage of 2024-03-01 carried in"},
		{"the same hours", &daybook.Revision{Inputs: b}, daybook.Revision{Inputs: b, Attempt: 2}, `{"repeat":2}`, "declined records sent again (2)"},
		{"too many inputs", &daybook.Revision{Inputs: a}, daybook.Revision{Inputs: "sha256:00"}, `{}`, ""},
		{"too many inputs before", &daybook.Revision{Inputs: "sha256:00"}, daybook.Revision{Inputs: b}, `{}`, ""},
	} {
		changes := changesOf(c.before, c.now)
		if text, err := json.Marshal(changes); err != nil || string(text) != c.json || changes.Text() != c.column {
			t.Errorf("%s: %s, %q, %v", c.name, text, changes.Text(), err)
		}
	}
}
