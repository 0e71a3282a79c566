package spill_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/spill"
)

// numbered is an element that tells the sequence and the place that it is from.
type numbered struct{ key, sequence, place int }

func each(elements []numbered) iter.Seq2[numbered, error] {
	return func(yield func(numbered, error) bool) {
		for _, e := range elements {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func byKey(a, b *numbered) int { return cmp.Compare(a.key, b.key) }

// TestMergeIsAStableSort: over all numbers of sequences of all lengths, also those that
// are handed over in several parts.
func TestMergeIsAStableSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sequences []iter.Seq2[numbered, error]
		var want []numbered
		for i := range rapid.IntRange(0, 9).Draw(t, "sequences") {
			keys := rapid.SliceOfN(rapid.IntRange(0, 20), 0, rapid.SampledFrom([]int{3, 64, 65, 200}).Draw(t, "longest")).Draw(t, "keys")
			slices.Sort(keys)
			var elements []numbered
			for place, key := range keys {
				elements = append(elements, numbered{key, i, place})
			}
			sequences, want = append(sequences, each(elements)), append(want, elements...)
		}
		slices.SortStableFunc(want, func(a, b numbered) int { return byKey(&a, &b) })
		var got []numbered
		for e, err := range spill.Merge(sequences, byKey, nil) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		sums := map[int]int{}
		for e, err := range spill.Merge(sequences, byKey, func(total *numbered, next numbered) { total.place += next.place }) {
			if _, twice := sums[e.key]; twice || err != nil {
				t.Fatalf("key %d comes twice, or %v", e.key, err)
			}
			sums[e.key] = e.place
		}
		for _, e := range want {
			sums[e.key] -= e.place
		}
		for key, left := range sums {
			if left != 0 {
				t.Fatalf("the total of key %d differs by %d", key, left)
			}
		}
	})
}

func TestAheadKeepsTheOrderOfElementsAndErrors(t *testing.T) {
	gone := errors.New("the source is gone")
	for _, n := range []int{0, 1, 63, 64, 65, 300} {
		for _, fails := range []error{nil, gone} {
			a := spill.ReadAhead(func(yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
				if fails != nil {
					yield(0, fails)
				}
			})
			for i := range n {
				if e, err := a.Next(); err != nil || e == nil || *e != i {
					t.Fatalf("%d of %d: %v, %v", i, n, e, err)
				}
			}
			for range 2 {
				if e, err := a.Next(); e != nil || err != fails {
					t.Errorf("behind %d elements: %v, %v, want %v", n, e, err, fails)
				}
			}
			a.Stop()
			a.Stop()
		}
	}
}

// TestAheadHandsOnAPanic: it is for the goroutine that knows what to do about it.
func TestAheadHandsOnAPanic(t *testing.T) {
	a := spill.ReadAhead(func(yield func(int, error) bool) {
		yield(1, nil)
		panic("the source is broken")
	})
	defer a.Stop()
	defer func() {
		if p := recover(); fmt.Sprint(p) != "the source is broken" {
			t.Errorf("%v", p)
		}
	}()
	for {
		if e, err := a.Next(); e == nil {
			t.Fatalf("the sequence ends with %v", err)
		}
	}
}

func TestStopWaitsForTheEndOfTheSequence(t *testing.T) {
	ended := false
	a := spill.ReadAhead(func(yield func(int, error) bool) {
		defer func() { ended = true }()
		for i := 0; yield(i, nil); i++ {
			continue
		}
	})
	if _, err := a.Next(); err != nil {
		t.Fatal(err)
	}
	a.Stop()
	if !ended {
		t.Error("the sequence is still read")
	}
	if e, err := a.Next(); e != nil || err != nil {
		t.Errorf("%v, %v", e, err)
	}
}
