package daily

import (
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/rowsums"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// Aggregator adds up records by usage day and key. It keeps a bounded number of
// sums in memory and spills the rest to sorted runs in a folder of temporary
// files. Not safe for concurrent use.
type Aggregator struct{ rows *rowsums.Sums }

// NewAggregator makes an Aggregator that spills to a new folder below dir once it holds
// count sums; 0 is rowsums.DefaultCount. Close removes the folder. The runs take from disk.
func NewAggregator(dir string, count int, disk *content.Disk) (*Aggregator, error) {
	sums, err := rowsums.New(dir, count, disk)
	if err != nil {
		return nil, err
	}
	return &Aggregator{sums}, nil
}

// Add takes in one record.
func (s *Aggregator) Add(r usage.Record) error { return s.rows.Add(r) }

// AddScanned takes in a scanned row, unless it is for usage.ParseRecord to judge.
func (s *Aggregator) AddScanned(r usage.Scanned, accept rowsums.Accept) (added bool, err error) {
	return s.rows.AddScanned(r, accept)
}

// Sums goes through the totals once, by day and then by key.
func (s *Aggregator) Sums() iter.Seq2[Sum, error] {
	return func(yield func(Sum, error) bool) {
		for t, err := range s.rows.All() {
			sum := Sum{Shown: t.Shown, Quantity: t.Quantity, Rows: t.Rows, Hours: usage.HourSet(0).With(t.Hour.OfDay()), Day: t.Hour.Day()}
			if !yield(sum, err) {
				return
			}
		}
	}
}

// Days goes through the totals day by day. The inner sequence must be used up
// before the next day is asked for.
func (s *Aggregator) Days() iter.Seq2[usage.Day, iter.Seq2[Sum, error]] {
	return func(yield func(usage.Day, iter.Seq2[Sum, error]) bool) {
		sums := spill.ReadAhead(s.Sums())
		defer sums.Stop()
		sum, err := sums.Next()
		for sum != nil || err != nil {
			var day usage.Day // an error has none
			if sum != nil {
				day = sum.Day
			}
			inner := func(yield func(Sum, error) bool) {
				for sum != nil && sum.Day == day {
					if !yield(*sum, nil) {
						return
					}
					sum, err = sums.Next()
				}
				if err != nil {
					yield(Sum{}, err)
				}
			}
			if !yield(day, inner) || err != nil {
				return
			}
		}
	}
}

// Close removes the temporary files.
func (s *Aggregator) Close() error { return s.rows.Close() }
