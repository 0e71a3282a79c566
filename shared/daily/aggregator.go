package daily

import (
	"iter"

	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// Aggregator adds up records by usage day and key. It keeps a bounded number of
// sums in memory and spills the rest to sorted runs in a folder of temporary
// files. Not safe for concurrent use.
type Aggregator struct{ sums *spill.Sums[sumKey, Sum] }

type sumKey struct {
	day   usage.Day
	key   usage.Key
	hours usage.HourSet
}

// runLine is a line of a run: unlike a partial, a run holds several days.
type runLine struct {
	Sum
	Day usage.Day `json:"day"`
}

var byKey = spill.Rules[sumKey, Sum]{
	Key: func(s Sum) sumKey { return sumKey{s.Day, s.key, s.Hours} }, Compare: compare, Add: (*Sum).add, Size: Sum.size,
	Write: func(s Sum) any { return runLine{s, s.Day} },
	Read: func(decode func(any) error) (Sum, error) {
		var line runLine
		err := decode(&line)
		line.Sum.Day, line.key = line.Day, line.Shown.Key()
		return line.Sum, err
	},
}

// NewAggregator makes an Aggregator that spills to a new folder below dir once it holds
// count sums; 0 is spill.DefaultCount. Close removes the folder.
func NewAggregator(dir string, count int) (*Aggregator, error) {
	sums, err := spill.New(dir, count, byKey)
	if err != nil {
		return nil, err
	}
	return &Aggregator{sums}, nil
}

// Add takes in one record.
func (s *Aggregator) Add(r usage.Record) error { return s.sums.Add(newSum(r)) }

// size is about what a sum takes in memory. The key shares the texts of Shown
// but for what it writes in lower case.
func (s Sum) size() int {
	return 400 + 2*len(s.ResourceURI) + len(s.Location) + len(s.Tags) + len(s.AdditionalInfo)
}

// Sums goes through the totals once, by day and then by key.
func (s *Aggregator) Sums() iter.Seq2[Sum, error] { return s.sums.All() }

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
func (s *Aggregator) Close() error { return s.sums.Close() }
