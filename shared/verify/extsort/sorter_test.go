package extsort

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

type joined []string

func (j joined) Add(k joined) joined { return append(j, k...) }

// sortTexts sorts texts as if each had so many bytes.
func sortTexts(dir string, texts []string, size int) (sorted []string, files int) {
	s := &Sorter[joined]{Dir: dir}
	defer s.Close()
	for _, text := range texts {
		s.Put(KeyOf(text), joined{text}, size)
	}
	for range 2 { // it may be read again
		sorted = nil
		for _, all := range s.All() {
			sorted = append(sorted, all...)
		}
	}
	return sorted, len(s.files)
}

func TestASorterSpills(t *testing.T) {
	var texts []string
	for range 1000 {
		texts = append(texts, fmt.Sprint(rand.IntN(500)))
	}
	want := slices.Sorted(slices.Values(texts))
	for _, size := range []int{1, maxMemory / 70, maxMemory / 7} {
		dir := t.TempDir()
		got, files := sortTexts(dir, texts, size)
		if !slices.Equal(got, want) || (files == 0) != (size == 1) {
			t.Errorf("size %d: %d files, %d texts", size, files, len(got))
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
