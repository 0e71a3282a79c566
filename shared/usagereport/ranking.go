package usagereport

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"

	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// item is a row on its way to its place.
type item struct {
	N   int64  `json:"n"`
	Key sumKey `json:"k"` // what its sums have in common
	Row Row    `json:"r"`
}

func (i *item) size() int { return 1000 + 2*len(i.Key.Group) + len(i.Row.Resource) }

// ranking puts rows in order: what is in the bill first, then the rest by state; of these
// the biggest amount or change first, and rows without an amount by meter. Days are in
// order. Of a few rows it keeps the biggest of each section in memory, and the sum of the
// others; else it sorts all of them on disk.
type ranking struct {
	o      Options
	n      int64
	all    *spill.Sums[int64, item] // nil: sections
	best   [][]*item                // by section; the last one in order is first
	others []Row                    // by section
}

// maxBest bounds the rows of a section that are kept in memory.
const maxBest = 2000

func newRanking(o Options) (*ranking, error) {
	r := &ranking{o: o}
	if o.Top > 0 && o.Top <= maxBest {
		r.best, r.others = make([][]*item, len(states)), make([]Row, len(states))
		return r, nil
	}
	var err error
	r.all, err = spill.New(o.TempDir, o.Spill, spill.Rules[int64, item]{
		Key: func(i item) int64 { return i.N }, Add: func(*item, item) {}, Size: func(i item) int { return i.size() },
		Compare: func(a, b item) int { return r.compare(&a, &b) },
	})
	return r, err
}

func (r *ranking) compare(a, b *item) int {
	order := cmp.Or(cmp.Compare(a.Row.State.section(), b.Row.State.section()), first(a.Row.Amount != nil, b.Row.Amount != nil))
	if order == 0 && len(r.o.By) > 0 && r.o.By[0] == Day {
		order = a.Key.compare(b.Key)
	}
	if order == 0 && a.Row.Amount == nil {
		order = cmp.Or(cmp.Compare(a.Row.Meter, b.Row.Meter), cmp.Compare(a.Row.MeterID, b.Row.MeterID), cmp.Compare(a.Row.Unit, b.Row.Unit))
	}
	if order == 0 {
		order = b.Row.weight(r.o).Sub(a.Row.weight(r.o)).Sign()
	}
	if order == 0 {
		order = cmp.Or(cmp.Compare(a.Row.Meter, b.Row.Meter), a.Key.compare(b.Key))
	}
	return order
}

// add adds a row.
func (r *ranking) add(i item) error {
	r.n++
	i.N = r.n
	if r.all != nil {
		return r.all.Add(i)
	}
	section := i.Row.State.section()
	best := bestRows{r, section}
	if len(r.best[section]) < r.o.Top {
		heap.Push(best, &i)
		return nil
	}
	last := &r.best[section][0]
	if r.compare(&i, *last) > 0 {
		r.others[section].take(i.Row)
		return nil
	}
	r.others[section].take((*last).Row)
	*last = &i
	heap.Fix(best, 0)
	return nil
}

// bestRows are the biggest rows of a section, as a heap.
type bestRows struct {
	*ranking
	section int
}

func (b bestRows) Len() int { return len(b.best[b.section]) }

func (b bestRows) Less(i, j int) bool {
	return b.compare(b.best[b.section][i], b.best[b.section][j]) > 0
}

func (b bestRows) Swap(i, j int) {
	of := b.best[b.section]
	of[i], of[j] = of[j], of[i]
}

func (b bestRows) Push(x any) { b.best[b.section] = append(b.best[b.section], x.(*item)) }
func (b bestRows) Pop() any   { panic("usagereport: no row is taken off") }

// shown goes through the rows in order. Of each section it yields, behind the first top
// rows, one that stands for the others, without a number.
func (r *ranking) shown() iter.Seq2[item, error] {
	if r.all != nil {
		return r.sorted
	}
	return func(yield func(item, error) bool) {
		for section, of := range r.best {
			of = slices.SortedFunc(slices.Values(of), r.compare)
			for _, i := range of {
				if !yield(*i, nil) {
					return
				}
			}
			if r.others[section].Others > 0 && !yield(item{Row: r.others[section]}, nil) {
				return
			}
		}
	}
}

func (r *ranking) sorted(yield func(item, error) bool) {
	var others Row
	var n, section int
	flush := func() bool {
		row := others
		others = Row{}
		return row.Others == 0 || yield(item{Row: row}, nil)
	}
	for i, err := range r.all.All() {
		if err != nil {
			yield(item{}, err)
			return
		}
		if now := i.Row.State.section(); now != section {
			if !flush() {
				return
			}
			section, n = now, 0
		}
		if n++; r.o.Top > 0 && n > r.o.Top {
			others.take(i.Row)
		} else if !yield(i, nil) {
			return
		}
	}
	flush()
}

func (r *ranking) close() error {
	if r.all == nil {
		return nil
	}
	return r.all.Close()
}

// first puts what is true before what is not.
func first(a, b bool) int {
	number := map[bool]int{false: 1}
	return cmp.Compare(number[a], number[b])
}

// weight is what makes a row big: its change, or else its amount or its quantity.
func (r Row) weight(o Options) usage.Quantity {
	for i, q := range [...]*usage.Quantity{r.Change, r.Amount, r.Quantity} {
		if q != nil && (i > 0 || !o.ByAmount) {
			return q.Abs()
		}
	}
	return usage.Quantity{}
}

// take adds a row to the others. Their quantities are of several meters.
func (o *Row) take(r Row) {
	if o.State = r.State; r.State.InBill() {
		o.State = Billed // and carried in
	}
	o.Others++
	o.Lines, o.Unpriced = o.Lines+r.Lines, o.Unpriced+r.Unpriced
	o.Amount, o.AmountBefore = plus(o.Amount, r.Amount), plus(o.AmountBefore, r.AmountBefore)
	if o.AmountBefore != nil {
		change := o.Amount.Sub(*o.AmountBefore)
		o.Change, o.Percent = &change, Percent(change, *o.AmountBefore)
	}
}

// plus adds what is known.
func plus(a, b *usage.Quantity) *usage.Quantity {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	sum := a.Add(*b)
	return &sum
}
