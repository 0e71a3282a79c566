package daily

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"stackusage/shared/usage"
)

// DefaultSpill is how many sums a Aggregator keeps in memory before it writes a
// sorted run: with keys of about 500 bytes, some 50 MiB.
const DefaultSpill = 50_000

// spillBytes bounds what the sums in memory hold of text: a row may carry
// nearly 256 KiB of tags.
const spillBytes = 32 << 20

// maxRuns is how many runs one merge opens; more are first merged into one.
const maxRuns = 64

// Aggregator adds up records by usage day and key. It keeps a bounded number of
// sums in memory and spills the rest to sorted runs in a folder of temporary
// files. Not safe for concurrent use.
type Aggregator struct {
	dir   string
	spill int
	sums  map[sumKey]*Sum
	bytes int // of text in sums, about
	runs  []string
	files int // runs written so far: names must not repeat
}

type sumKey struct {
	day   usage.Day
	key   usage.Key
	hours usage.HourSet
}

// NewAggregator makes a Aggregator that spills to a new folder below dir once it holds
// spill sums. Close removes the folder.
func NewAggregator(dir string, spill int) (*Aggregator, error) {
	own, err := os.MkdirTemp(dir, "sums-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	return &Aggregator{dir: own, spill: spill, sums: make(map[sumKey]*Sum)}, nil
}

// Add takes in one record.
func (s *Aggregator) Add(r usage.Record) error {
	one := newSum(r)
	k := sumKey{one.Day, one.key, one.Hours}
	if have, ok := s.sums[k]; ok {
		have.add(one)
		return nil
	}
	s.sums[k] = &one
	s.bytes += one.size()
	if len(s.sums) < s.spill && s.bytes < spillBytes {
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
	if err := s.writeRun(Merge(sequencesOf(runs)...)); err != nil {
		return err
	}
	for _, path := range runs {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove run: %w", err)
		}
	}
	return nil
}

// size is about what a sum takes in memory. The key shares the texts of Shown
// but for what it writes in lower case.
func (s *Sum) size() int {
	return 400 + 2*len(s.ResourceURI) + len(s.Location) + len(s.Tags) + len(s.AdditionalInfo)
}

// Sums goes through the totals once, by day and then by key.
func (s *Aggregator) Sums() iter.Seq2[Sum, error] {
	return Merge(append(sequencesOf(s.runs), s.inMemory())...)
}

// Days goes through the totals day by day. The inner sequence must be used up
// before the next day is asked for.
func (s *Aggregator) Days() iter.Seq2[usage.Day, iter.Seq2[Sum, error]] {
	return func(yield func(usage.Day, iter.Seq2[Sum, error]) bool) {
		next, stop := iter.Pull2(s.Sums())
		defer stop()
		sum, err, more := next()
		for more {
			day := sum.Day
			inner := func(yield func(Sum, error) bool) {
				for more && (err != nil || sum.Day == day) { // an error has no day
					if !yield(sum, err) || err != nil {
						more = more && err == nil
						return
					}
					sum, err, more = next()
				}
			}
			if !yield(day, inner) {
				return
			}
		}
	}
}

// Close removes the temporary files.
func (s *Aggregator) Close() error { return os.RemoveAll(s.dir) }

func (s *Aggregator) inMemory() iter.Seq2[Sum, error] {
	sorted := make([]*Sum, 0, len(s.sums))
	for _, sum := range s.sums {
		sorted = append(sorted, sum)
	}
	slices.SortFunc(sorted, func(a, b *Sum) int { return compare(*a, *b) })
	return func(yield func(Sum, error) bool) {
		for _, sum := range sorted {
			if !yield(*sum, nil) {
				return
			}
		}
	}
}

// runLine is a line of a run: unlike a partial, a run holds several days.
type runLine struct {
	Sum
	Day usage.Day `json:"day"`
}

func (s *Aggregator) writeRun(sums iter.Seq2[Sum, error]) (err error) {
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
			err = enc.Encode(runLine{sum, sum.Day})
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

func sequencesOf(runs []string) []iter.Seq2[Sum, error] {
	var seqs []iter.Seq2[Sum, error]
	for _, path := range runs {
		seqs = append(seqs, readRun(path))
	}
	return seqs
}

func readRun(path string) iter.Seq2[Sum, error] {
	return func(yield func(Sum, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Sum{}, fmt.Errorf("read run: %w", err))
			return
		}
		defer f.Close()
		dec := json.NewDecoder(bufio.NewReaderSize(f, 64<<10))
		for {
			var line runLine
			if err := dec.Decode(&line); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				yield(Sum{}, fmt.Errorf("read run: %w", err))
				return
			}
			line.Sum.Day = line.Day
			line.Sum.key = line.Shown.Key()
			if !yield(line.Sum, nil) {
				return
			}
		}
	}
}
