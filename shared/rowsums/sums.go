// Package rowsums adds up the rows of an hour blob, however many: by what was used, and
// by the hour it was used in.
//
//	row -> table, in memory -> sorted run, on temporary disk -> merge of all runs -> totals in order
//
// A row is found by the texts that say what was used, as the stack wrote them, so that a
// row of something known costs one look and no memory. Two spellings of one thing
// are two entries until a run is sorted, by the key that is alike for both. Memory is
// bounded, and so is temporary disk.
package rowsums

import (
	"fmt"
	"iter"
	"os"
	"runtime"

	"stackusage/shared/content"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// DefaultCount is how many totals are kept in memory before they become a run.
const DefaultCount = 110_000

// maxBytes bounds the texts in memory while they are sorted: few rows may have long ones.
const maxBytes = 72 << 20

// later is what part of both a table may have while another one is written: once there
// was a run, there will be more, and they are written while rows are read.
const later = 2

// maxRuns is how many runs one merge reads; more are first merged into one.
const maxRuns = 48

// Total is the exact total of the rows of one key in one hour.
type Total struct {
	usage.Shown // the least of all spellings, part by part
	Hour        usage.Hour
	Quantity    usage.Quantity
	Rows        int64
}

// Sums adds rows up. Not safe for concurrent use.
type Sums struct {
	dir   string
	count int
	disk  *content.Disk
	pool  pool
	table *table

	// A full table is written while rows are read. What follows is the writer's until
	// writing.Wait returns.
	writing spill.Behind
	full    *table
	sort    sorter
	codec   codec
	runs    []run
	files   int // runs written so far: names must not repeat
}

// New makes Sums that spill to a new folder below dir once they hold count totals;
// 0 is DefaultCount. Close removes the folder.
func New(dir string, count int, disk *content.Disk) (*Sums, error) {
	own, err := os.MkdirTemp(dir, "sums-")
	if err != nil {
		return nil, fmt.Errorf("make temporary folder: %w", err)
	}
	if count == 0 {
		count = DefaultCount
	}
	s := &Sums{dir: own, count: count, disk: disk}
	s.table, s.sort.keys.pool = newTable(&s.pool), &s.pool
	return s, nil
}

// Add takes in a record.
func (s *Sums) Add(r usage.Record) error {
	identity := appendShown(s.table.identity(ofRecord, r.Hour), r.Shown)
	if s.table.add(identity, r.Quantity) {
		return nil
	}
	return s.insert(identity, nil, r.Hour, r.Quantity)
}

// insert begins a total that is not in memory.
func (s *Sums) insert(identity, shown []byte, hour usage.Hour, q usage.Quantity) error {
	s.table.insert(identity, shown, hour, q)
	part := 1
	if s.full != nil {
		part = later
	}
	if s.table.n < max(1, s.count/part) && s.table.bytes() < maxBytes/part {
		return nil
	}
	if err := s.writing.Wait(); err != nil {
		return err
	}
	if s.full == nil {
		s.full = newTable(&s.pool)
	}
	s.table, s.full = s.full, s.table
	return s.writing.Do(s.spill)
}

// spill makes a run of the full table.
func (s *Sums) spill() error {
	err := s.writeRun(newMerge(s.sort.of(s.full)))
	s.full.reset()
	s.sort.keys.reset()
	if err != nil || len(s.runs) < maxRuns {
		return err
	}
	return s.mergeRuns()
}

// mergeRuns makes one run of all.
func (s *Sums) mergeRuns() error {
	merged := s.runs
	s.runs = nil
	cursors, stop, err := s.open(merged)
	defer stop()
	if err == nil {
		err = s.writeRun(newMerge(cursors...))
	}
	if err != nil {
		s.runs = append(s.runs, merged...)
		return err
	}
	for _, r := range merged {
		if err := os.Remove(r.path); err != nil {
			return fmt.Errorf("remove run: %w", err)
		}
		s.disk.Free(r.size)
	}
	return nil
}

// All goes through the totals by day, by key and by hour. It may be called again.
func (s *Sums) All() iter.Seq2[Total, error] {
	return func(yield func(Total, error) bool) {
		if err := s.writing.Wait(); err != nil {
			yield(Total{}, err)
			return
		}
		if len(s.runs) > 0 { // the collector would let as much come again as was in use
			s.full, s.pool.free = nil, nil
			runtime.GC()
		}
		cursors, stop, err := s.open(s.runs)
		defer stop()
		if err != nil {
			yield(Total{}, err)
			return
		}
		m := newMerge(append(cursors, s.sort.of(s.table))...)
		for {
			more, err := m.next()
			if err != nil {
				yield(Total{}, err)
				return
			}
			if !more || !yield(m.total.total(), nil) {
				return
			}
		}
	}
}

// Close removes the temporary files.
func (s *Sums) Close() error {
	_ = s.writing.Wait() // nobody wants what it wrote
	for _, r := range s.runs {
		s.disk.Free(r.size)
	}
	s.runs = nil
	return os.RemoveAll(s.dir)
}
