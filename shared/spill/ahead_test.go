package spill_test

import (
	"testing"
	"testing/synctest"

	"stackusage/shared/spill"
)

type large struct{ size int }

func (l *large) Size() int { return l.size }

// TestLargeElementsAreReadAheadByBytes: a day is joined from thirty files, and one line of
// them may have 256 KiB.
func TestLargeElementsAreReadAheadByBytes(t *testing.T) {
	for _, c := range []struct{ size, most int }{{size: 500, most: 200}, {size: 250 << 10, most: 3}} {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			a := spill.ReadAhead(func(yield func(large, error) bool) {
				for ; read < 1000 && yield(large{c.size}, nil); read++ {
					continue
				}
			})
			defer a.Stop()
			taken := 0
			for {
				e, err := a.Next()
				if err != nil {
					t.Fatal(err)
				}
				if e == nil {
					break
				}
				taken++
				synctest.Wait()
				if ahead := read - taken; ahead > c.most {
					t.Fatalf("%d elements of %d bytes are read ahead, want at most %d", ahead, c.size, c.most)
				}
			}
			if taken != 1000 {
				t.Errorf("%d of 1000 elements", taken)
			}
		})
	}
}
