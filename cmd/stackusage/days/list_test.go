package days

import (
	"fmt"
	"testing"
)

// TestListNamesWaivedLines: a settled day is closed, and looks like any other but for
// this.
func TestListNamesWaivedLines(t *testing.T) {
	for want, row := range map[string]Row{
		"2 lines not billed by decision; olga: agreed": {Revision: 1, Waived: 2, By: "olga", Reason: "agreed"},
		"1 line not billed by decision":                {Revision: 2, Waived: 1}, // of a revision after it
	} {
		cells := row.cells("hamburg")
		if got := fmt.Sprint(cells[len(cells)-1]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
