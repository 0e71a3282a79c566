package daily_test

import (
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
)

// watched tells whether a sequence was let go of, so that what it holds open
// can be closed.
func watched(sums []daily.Sum, failAfter int, ended *bool) iter.Seq2[daily.Sum, error] {
	return func(yield func(daily.Sum, error) bool) {
		defer func() { *ended = true }()
		for i, s := range sums {
			if i == failAfter {
				yield(daily.Sum{}, errors.New("source is gone"))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
		if failAfter >= len(sums) {
			yield(daily.Sum{}, errors.New("source is gone"))
		}
	}
}

func TestMergeOfNothingIsNothing(t *testing.T) {
	if got := collect(t, daily.Merge()); got != nil {
		t.Errorf("got %v", got)
	}
	if got := collect(t, daily.Merge(sequence(nil), sequence(nil))); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestMergeAddsEqualKeysOfAllSequences(t *testing.T) {
	sums := threeSums(t)
	got := collect(t, daily.Merge(sequence(sums), sequence(sums[1:]), sequence(nil), sequence(sums)))
	want := views(sums)
	for i, times := range []string{"32.922851799055934", "98.768555397167802", "148.152833095751703"} {
		want[i].Quantity = times
	}
	want[0].Rows, want[1].Rows, want[2].Rows = 2, 6, 9
	if diff := cmp.Diff(want, views(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(views(threeSums(t)), views(sums)); diff != "" {
		t.Errorf("merging changed what it read: %s", diff)
	}
}

func TestMergeReportsAnErrorOnceAndLetsGoOfAllSources(t *testing.T) {
	sums := threeSums(t)
	for failAfter := range 4 {
		for position := range 3 {
			var ended [3]bool
			var sequences []iter.Seq2[daily.Sum, error]
			for i := range 3 {
				at := -1
				if i == position {
					at = failAfter
				}
				sequences = append(sequences, watched(sums, at, &ended[i]))
			}
			errs, after := 0, 0
			for _, err := range daily.Merge(sequences...) {
				if errs > 0 {
					after++
				}
				if err != nil {
					errs++
				}
			}
			if errs != 1 || after != 0 {
				t.Errorf("source %d fails after %d sums: %d errors, %d sums after it", position, failAfter, errs, after)
			}
			for i, done := range ended {
				if started := failAfter > 0 || i <= position; started && !done {
					t.Errorf("source %d fails after %d sums: source %d is still held", position, failAfter, i)
				}
			}
		}
	}
}

func TestMergeLetsGoOfAllSourcesWhenItsReaderStops(t *testing.T) {
	var ended [2]bool
	sums := threeSums(t)
	for range daily.Merge(watched(sums, -1, &ended[0]), watched(sums, -1, &ended[1])) {
		break
	}
	if !ended[0] || !ended[1] {
		t.Errorf("let go: %v", ended)
	}
}
