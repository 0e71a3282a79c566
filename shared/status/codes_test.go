package status_test

import (
	"os"
	"strings"
	"testing"

	"stackusage/shared/status"
)

// TestCodesAreDocumented: docs/operations.md has a row for each code, and for no other.
func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "| code | severity |")
	section, _, _ = strings.Cut(section, "\n\n")
	rows := strings.Count(section, "\n| `")
	for _, c := range status.Conditions() {
		if !strings.Contains(section, "\n| `"+string(c.Code)+"` |") {
			t.Errorf("no row for %s", c.Code)
		}
		if rows--; c.Means == "" {
			t.Errorf("%s has no meaning", c.Code)
		}
	}
	if rows != 0 {
		t.Errorf("%d rows too many", rows)
	}
}
