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
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"stackusage/shared/content"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// DefaultCount is how many totals are kept in memory before they become a run.
const DefaultCount = 120_000

// maxBytes bounds the texts in memory while they are sorted: few rows may have long ones.
const maxBytes = 64 << 20

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

// Sums adds rows up. After an error it is of no use. Not safe for concurrent use.
type Sums struct {
	dir   string
	count int
	disk  *content.Disk
	pool  pool
	table *table
	texts texts // of the row at hand
	read  bool  // All was called

	// A full table is written while rows are read. What follows is the writer's until
	// writing.Wait returns.
	writing spill.Behind
	full    *table
	sort    sorter
	zstd    *zstd.Encoder
	runs    []run
	files   int   // written so far: names must not repeat
	taken   int64 // from disk
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
	s.table, s.sort = newTable(&s.pool), newSorter(&s.pool)
	return s, nil
}

// Add takes in a record.
func (s *Sums) Add(r usage.Record) error {
	n := headLength(r.ResourceURI)
	t := &s.texts
	t.head = append(appendPlain(append(t.head[:0], asText), r.SubscriptionID), end)
	t.head = appendPlain(t.head, r.ResourceURI[:n])
	t.rest = appendPlain(t.rest[:0], r.ResourceURI[n:])
	t.tail = append(t.tail[:0], asText)
	for _, text := range [...]string{r.MeterID, r.Location, r.Tags, r.AdditionalInfo} {
		t.tail = append(appendPlain(t.tail, text), end)
	}
	if s.table.add(t.head, t.rest, t.tail, r.Hour, r.Quantity) {
		return nil
	}
	return s.insert(r.Quantity)
}

// insert begins a total that is not in memory.
func (s *Sums) insert(q usage.Quantity) error {
	s.table.insert(q)
	part := 1
	if s.full != nil {
		part = later
	}
	if s.table.rows.len() < max(1, s.count/part) && s.table.bytes() < maxBytes/part {
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

// spill makes a run of the full table, and one of all runs if there are many.
func (s *Sums) spill() error {
	err := s.writeRun(newMerge(s.sort.of(s.full)))
	s.full.reset()
	s.sort.reset()
	if err != nil || len(s.runs) < maxRuns {
		return err
	}
	cursors, stop := s.open()
	defer stop()
	return s.writeRun(newMerge(cursors...))
}

// errRead: a run is gone when it was read.
var errRead = errors.New("the totals were read before")

// All goes through the totals once, by day, by key and by hour.
func (s *Sums) All() iter.Seq2[Total, error] {
	return func(yield func(Total, error) bool) {
		err := s.writing.Wait()
		if err == nil && s.read {
			err = errRead
		}
		if s.read = true; err != nil {
			yield(Total{}, err)
			return
		}
		if len(s.runs) > 0 { // the collector would let as much come again as was in use
			s.full, s.pool.free = nil, nil
			runtime.GC()
		}
		cursors, stop := s.open()
		defer stop()
		m := newMerge(append(cursors, s.sort.of(s.table))...)
		for {
			more, err := m.next()
			if err != nil {
				yield(Total{}, err)
				return
			}
			if !more || !yield(m.item.result(), nil) {
				return
			}
		}
	}
}

// Close removes the temporary files.
func (s *Sums) Close() (err error) {
	defer func() { // also if the writer panicked
		s.disk.Free(s.taken)
		s.taken = 0
		err = os.RemoveAll(s.dir)
	}()
	_ = s.writing.Wait() // nobody wants what it wrote
	return nil
}
