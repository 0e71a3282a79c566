package stackapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"stackusage/agent/stackapi"
	"stackusage/internal/badinput"
)

// FuzzRowsAgainstPlain compares the rows of a page with those of encoding/json, of a
// page that comes at once and of one that comes byte by byte.
func FuzzRowsAgainstPlain(f *testing.F) {
	for _, text := range []string{
		`{"a":1.0,"b":"\u00e9\"\\"},{}`, `[[],{"a":[null,true,false]}], "x"`, "1", "-0.5e+10,1E5,0", "01", "1.", "-", "1e", `"\x"`, `"\u12g4"`, "\"\n\"",
		"nul", "truefalse", "{,}", "[1,]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{1:2}`, "1 2", "]", "}", "", " ", "\v", "\x00", "\"\xff\"", `{}],"nextLink":"x","y":[`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		f.Add(text)
	}
	for _, row := range badinput.Small() {
		f.Add(row.Line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		page := `{"value":[` + text + `]}`
		var want []json.RawMessage
		sound := true // as rows, each read alone: so encoding/json bounds its depth
		plain := json.NewDecoder(strings.NewReader("[" + text + "]"))
		_, err := plain.Token()
		for err == nil && plain.More() {
			var row json.RawMessage
			if err = plain.Decode(&row); err == nil {
				want = append(want, row)
			}
		}
		if err == nil {
			_, err = plain.Token()
		}
		if err != nil || plain.More() || plain.InputOffset() != int64(len(text)+2) {
			sound = false
		}
		for _, source := range []int{0, 1} {
			var rows [][]byte
			var in = strings.NewReader(page)
			take := func(raw []byte) error {
				rows = append(rows, bytes.Clone(raw))
				return nil
			}
			if source == 0 {
				_, err = stackapi.DecodePage(in, 1<<30, take)
			} else {
				_, err = stackapi.DecodePage(iotest.OneByteReader(in), 1<<30, take)
			}
			if !sound {
				if err == nil && !json.Valid([]byte(page)) {
					t.Fatalf("%q is taken", page)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%q: %v", page, err)
			}
			if len(rows) != len(want) {
				t.Fatalf("%q: %d rows, want %d", page, len(rows), len(want))
			}
			for i := range want {
				if !bytes.Equal(rows[i], want[i]) {
					t.Fatalf("row %d is %q, want %q", i, rows[i], want[i])
				}
			}
		}
	})
}

// TestACutPageIsCutEverywhere: of a page that ends early, every row that was handed on
// is a row of the whole page, and the end is io.ErrUnexpectedEOF.
func TestACutPageIsCutEverywhere(t *testing.T) {
	t.Parallel()
	const page = `{"nextLink":null,"value":[{"a":"x\"y\u00e9"}, 12.5e3 ,[true,null],"z"],"n":1}`
	whole, _, err := decode(page, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(page) {
		rows, _, err := decode(page[:n], 1<<20)
		if err == nil || err.Error() == "" || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("cut to %q: %v", page[:n], err)
		}
		for i, row := range rows {
			if row != whole[i] {
				t.Errorf("cut to %q: row %d is %q", page[:n], i, row)
			}
		}
	}
}
