package rowsums

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"stackusage/shared/usage"
)

// TestBytesAreThoseOfTheSort: a table is written before the texts in memory are more than
// maxBytes, whichever of them are long.
func TestBytesAreThoseOfTheSort(t *testing.T) {
	long := strings.Repeat("x", 50<<10)
	for name, shown := range map[string]usage.Shown{
		"tags": {SubscriptionID: "s", ResourceURI: "/a/b/c/d", Tags: long},
		"uri":  {SubscriptionID: "s", ResourceURI: "/a/b/c/" + long},
	} {
		sums, err := New(t.TempDir(), 1000, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sums.Close()
		for n := range 100 {
			shown.AdditionalInfo = fmt.Sprint(n)
			if err := sums.Add(usage.Record{Shown: shown}); err != nil {
				t.Fatal(err)
			}
		}
		s := &sums.sort
		s.of(sums.table)
		used := 0
		for _, a := range []*arena{&sums.table.heads.texts, &sums.table.tails.texts, &sums.table.rows.texts, &s.heads.texts, &s.heads.keys, &s.tails.texts, &s.tails.keys, &s.keys} {
			used += a.used
		}
		if bytes := sums.table.bytes(); used > bytes {
			t.Errorf("long %s: %d bytes are used, %d counted", name, used, bytes)
		}
	}
}

// TestCloseGivesBackAlsoAfterAPanic: whoever runs the work recovers from it and goes on.
func TestCloseGivesBackAlsoAfterAPanic(t *testing.T) {
	dir := t.TempDir()
	sums, err := New(dir, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sums.writing.Do(func() error { panic("of the writer") }); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		sums.Close()
	}()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left on disk: %v, %v", left, err)
	}
}
