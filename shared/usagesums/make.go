package usagesums

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/spill"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// lineKey is what the lines of an entry of a resource have in common.
type lineKey struct {
	Key      string `json:"k"`
	Spelling string `json:"r"`
	Tags     string `json:"g"`
	Owner    int    `json:"o"`
	Term     int    `json:"m"`
}

func (k lineKey) compare(l lineKey) int {
	return cmp.Or(k.compareRecord(l), cmp.Compare(k.Term, l.Term))
}

func (k lineKey) compareRecord(l lineKey) int {
	return cmp.Or(cmp.Compare(k.Key, l.Key), cmp.Compare(k.Spelling, l.Spelling), cmp.Compare(k.Owner, l.Owner), cmp.Compare(k.Tags, l.Tags))
}

// line is the sums of lines with the same key.
type line struct {
	lineKey
	entry
}

// maker makes the file of a day.
type maker struct {
	owners table[Owner]
	terms  table[Term]
	lines  int64
	coarse map[[2]int]*entry // by owner and term
	fine   *spill.Sums[lineKey, line]
}

// table numbers values in the order in which they come.
type table[T comparable] struct {
	of  map[T]int
	all []T
}

func (t *table[T]) number(v T) int {
	n, is := t.of[v]
	if !is {
		if t.of == nil {
			t.of = map[T]int{}
		}
		n = len(t.all)
		t.of[v], t.all = n, append(t.all, v)
	}
	return n
}

// write reads the lines of a day, and writes the file of its sums. Lines that do not fit
// in memory are sorted in temporary files.
func write(ctx context.Context, out io.Writer, day *usagelines.Day, how Making) (err error) {
	m := &maker{coarse: map[[2]int]*entry{}}
	if m.fine, err = spill.New(how.TempDir, how.Spill, spill.Rules[lineKey, line]{
		Key: func(l line) lineKey { return l.lineKey }, Compare: func(a, b line) int { return a.compare(b.lineKey) },
		Add: func(total *line, next line) { total.add(next.entry) }, Size: func(l line) int { return 400 + 2*len(l.Key) + len(l.Tags) },
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.fine.Close()) }()
	for l, err := range day.Lines(ctx) {
		if err == nil {
			err = m.line(l)
		}
		if err != nil {
			return err
		}
		how.Line()
	}
	from := day.From()
	basis, _, err := day.Basis(ctx, from)
	if err != nil {
		return err
	}
	w, err := newWriter(out)
	if err != nil {
		return err
	}
	if err := m.records(w); err != nil {
		return err
	}
	h := head{basis: basis, cloudID: day.CloudID, day: day.Day, settled: day.Settlement != nil, lines: m.lines, from: from, owners: m.owners.all, terms: m.terms.all}
	for _, key := range slices.SortedFunc(maps.Keys(m.coarse), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }) {
		h.coarse = append(h.coarse, coarse{key[0], *m.coarse[key]})
	}
	return w.end(h)
}

// line adds a line.
func (m *maker) line(l *usagelines.Line) error {
	of := l.Meter()
	owner := m.owners.number(Owner{usage.DashedGUID(l.SubscriptionID), dashed(l.Tenant)})
	term := m.terms.number(Term{MeterID: usage.NormalGUID(l.MeterID), CommerceMeterID: usage.NormalGUID(l.CommerceMeterID), Class: l.MeterClass, Model: l.BillingModel,
		CarriedFrom: l.CarriedFrom, Unit: of.Unit, Name: of.Name})
	e := entry{Term: term, Lines: 1, Of: [Parts]usage.Quantity{Billed: l.Billed, CarriedAway: l.CarriedAway, Pending: l.Pending,
		Declined: l.Declined, Waived: l.Waived, Unreported: l.Unreported}}
	if l.CarriedFrom != 0 {
		e.Of[AwayLessTotal] = l.CarriedAway.Sub(l.Total)
	}
	for i, q := range e.Of {
		if q.Sign() != 0 {
			e.Counts[i] = 1
		}
	}
	m.lines++
	if have := m.coarse[[2]int{owner, term}]; have != nil {
		have.add(e)
	} else {
		first := e
		m.coarse[[2]int{owner, term}] = &first
	}
	key := lineKey{Key: strings.ToLower(l.ResourceURI), Spelling: l.ResourceURI, Tags: l.Tags, Owner: owner, Term: term}
	switch {
	case len(l.Tags) > MaxTags:
		key.Tags = LongTags
	case l.Tags == "null":
		key.Tags = ""
	}
	return m.fine.Add(line{key, e})
}

func dashed(id string) string {
	if id == "" {
		return ""
	}
	return usage.DashedGUID(id)
}

// records writes the sums of resources.
func (m *maker) records(w *writer) error {
	var now lineKey
	var r record
	flush := func() error {
		if len(r.entries) == 0 {
			return nil
		}
		err := w.record(r)
		r.entries = r.entries[:0]
		return err
	}
	for l, err := range m.fine.All() {
		if err != nil {
			return err
		}
		if len(r.entries) > 0 && l.compareRecord(now) != 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		if len(r.entries) == 0 {
			now = l.lineKey
			r.key, r.spelling, r.tags, r.owner = l.Key, l.Spelling, l.Tags, l.Owner
		}
		r.entries = append(r.entries, l.entry)
	}
	return flush()
}
