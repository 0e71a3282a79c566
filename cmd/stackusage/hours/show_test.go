package hours

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/cmd/stackusage/cli"
)

// TestPick: a row is honest about what was read after it.
func TestPick(t *testing.T) {
	damaged := errors.New("damaged")
	rows := func(n int64, last error) func(func(BlobRow, error) bool) {
		return func(yield func(BlobRow, error) bool) {
			for line := int64(1); line <= n; line++ {
				if !yield(BlobRow{Line: line}, nil) {
					return
				}
			}
			if last != nil {
				yield(BlobRow{}, last)
			}
		}
	}
	for name, c := range map[string]struct {
		rows, line int64
		last       error
		found, end bool
	}{
		"a row, and all after it":              {20, 7, nil, true, true},
		"the last row":                         {20, 20, nil, true, true},
		"no such row":                          {20, 21, nil, false, true},
		"a file that is damaged after the row": {20, 7, damaged, true, false},
		"a file that is damaged before it":     {20, 27, damaged, false, false},
		"a long file":                          {readOn + 5, 7, nil, true, false},
		"a row beyond":                         {readOn + 5, readOn + 2, nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var row BlobRow
			found, end, err := pick(rows(c.rows, c.last), c.line, &row)
			if found != c.found || end != c.end || !errors.Is(err, c.last) || row.Line != min(c.line, c.rows) {
				t.Errorf("line %d, found %t, to the end %t, %v", row.Line, found, end, err)
			}
		})
	}
}

// TestPrintable: a row of a stack does not move the cursor of a terminal.
func TestPrintable(t *testing.T) {
	for _, row := range []string{`{"a":"<script>"}`, "خادم", "\x1b[2J", "a\x00b", "\xff\xfe"} {
		got := printable(cli.SentRow([]byte(row), false))
		if plain := got == row; plain == (strings.ContainsAny(row, "\x1b\x00") || !utf8.ValidString(row)) {
			t.Errorf("%q is shown as %s", row, got)
		}
	}
}
