package spill

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
)

// DefaultCount is how many values Sums keeps in memory before it writes a sorted run:
// at about 500 bytes each, some 50 MiB with their map.
const DefaultCount = 50_000

// maxBytes bounds what the values in memory hold, by Rules.Size: few may be large.
const maxBytes = 32 << 20

// maxRuns is how many runs one merge opens; more are first merged into one.
const maxRuns = 64

// Rules say how values of type T with a key of type K are ordered and added up.
type Rules[K comparable, T any] struct {
	Key     func(T) K
	Compare func(a, b T) int // 0 if and only if the keys are the same
	Add     func(total *T, next T)
	Size    func(T) int // bytes in memory, about

	// Write is what a run has of a value, to be encoded as JSON, and Read decodes it. Nil: T itself.
	Write func(T) any
	Read  func(decode func(any) error) (T, error)
}

// Sums adds up values by key, or sorts them if no two have the same. It keeps a bounded
// number in memory and spills the rest to sorted runs in a folder of temporary files. Not
// safe for concurrent use.
type Sums[K comparable, T any] struct {
	rules Rules[K, T]
	dir   string
	count int
	sums  map[K]*T
	bytes int
	runs  []string
	files int // runs written so far: names must not repeat
}

// New makes Sums that spill to a new folder below dir once they hold count values; 0 is
// DefaultCount. Close removes the folder.
func New[K comparable, T any](dir string, count int, rules Rules[K, T]) (*Sums[K, T], error) {
	own, err := os.MkdirTemp(dir, "sums-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	if count == 0 {
		count = DefaultCount
	}
	if rules.Write == nil {
		rules.Write = func(v T) any { return v }
		rules.Read = func(decode func(any) error) (v T, err error) { return v, decode(&v) }
	}
	return &Sums[K, T]{rules: rules, dir: own, count: count, sums: make(map[K]*T)}, nil
}

// Add takes in one value.
func (s *Sums[K, T]) Add(v T) error {
	k := s.rules.Key(v)
	if have, ok := s.sums[k]; ok {
		s.rules.Add(have, v)
		return nil
	}
	s.sums[k] = &v
	s.bytes += s.rules.Size(v)
	if len(s.sums) < s.count && s.bytes < maxBytes {
		return nil
	}
	s.bytes = 0
	if err := s.writeRun(s.inMemory()); err != nil {
		return err
	}
	clear(s.sums)
	if len(s.runs) < maxRuns {
		return nil
	}
	runs := s.runs
	s.runs = nil
	if err := s.writeRun(s.merge(s.sequences(runs))); err != nil {
		return err
	}
	for _, path := range runs {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove run: %w", err)
		}
	}
	return nil
}

// All goes through the totals in order. It may be called again.
func (s *Sums[K, T]) All() iter.Seq2[T, error] {
	return s.merge(append(s.sequences(s.runs), s.inMemory()))
}

func (s *Sums[K, T]) merge(sequences []iter.Seq2[T, error]) iter.Seq2[T, error] {
	return Merge(sequences, func(a, b *T) int { return s.rules.Compare(*a, *b) }, s.rules.Add)
}

// Close removes the temporary files.
func (s *Sums[K, T]) Close() error { return os.RemoveAll(s.dir) }

func (s *Sums[K, T]) inMemory() iter.Seq2[T, error] {
	sorted := make([]*T, 0, len(s.sums))
	for _, sum := range s.sums {
		sorted = append(sorted, sum)
	}
	slices.SortFunc(sorted, func(a, b *T) int { return s.rules.Compare(*a, *b) })
	return func(yield func(T, error) bool) {
		for _, sum := range sorted {
			if !yield(*sum, nil) {
				return
			}
		}
	}
}

func (s *Sums[K, T]) writeRun(sums iter.Seq2[T, error]) (err error) {
	s.files++
	path := fmt.Sprintf("%s/run-%06d", s.dir, s.files)
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 256<<10)
	enc := json.NewEncoder(w)
	for sum, err := range sums {
		if err == nil {
			err = enc.Encode(s.rules.Write(sum))
		}
		if err != nil {
			return fmt.Errorf("write run: %w", err)
		}
	}
	s.runs = append(s.runs, path)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	return nil
}

func (s *Sums[K, T]) sequences(runs []string) []iter.Seq2[T, error] {
	var seqs []iter.Seq2[T, error]
	for _, path := range runs {
		seqs = append(seqs, s.readRun(path))
	}
	return seqs
}

func (s *Sums[K, T]) readRun(path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		f, err := os.Open(path)
		if err != nil {
			yield(none, fmt.Errorf("read run: %w", err))
			return
		}
		defer f.Close()
		dec := json.NewDecoder(bufio.NewReaderSize(f, 64<<10))
		for {
			v, err := s.rules.Read(dec.Decode)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(none, fmt.Errorf("read run: %w", err))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
