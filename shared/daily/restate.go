package daily

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// Sources are what a revision is made of, all in order of the key of usage. A
// nil one is empty.
type Sources struct {
	Sums      iter.Seq2[Sum, error]      // of the day's partials
	Carried   iter.Seq2[Carried, error]  // what other days carried into this one
	Standings iter.Seq2[Standing, error] // what stands of the revisions before
}

// restate joins the sums of a day and what was carried into it with what stands
// of it, line by line, and states each difference. A line is valid until the next one.
func restate(rules Rules, from Sources) iter.Seq2[*DayLine, error] {
	return func(yield func(*DayLine, error) bool) {
		j, err := newJoin(rules, from)
		defer j.stop()
		for err == nil && j.more() {
			var lines []stating
			if lines, err = j.group(); err != nil {
				break
			}
			for i := range lines {
				if err = j.state(&lines[i]); err != nil {
					break
				}
				if !yield(&lines[i].DayLine, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// ahead walks a sequence in order of the key of usage.
type ahead[T any] struct {
	from  *spill.Ahead[T]
	head  *T        // nil: it is over
	key   usage.Key // of head
	keyOf func(*T) usage.Key
}

func (a *ahead[T]) begin(seq iter.Seq2[T, error], keyOf func(*T) usage.Key) error {
	if seq == nil {
		return nil
	}
	a.from, a.keyOf = spill.ReadAhead(seq), keyOf
	return a.advance()
}

// keysAfter makes keys one after the other.
func keysAfter[T any](shownOf func(*T) *usage.Shown) func(*T) usage.Key {
	var last usage.Shown
	var key usage.Key
	return func(e *T) usage.Key {
		shown := shownOf(e)
		key = shown.KeyAfter(&last, key)
		last = *shown
		return key
	}
}

func (a *ahead[T]) advance() (err error) {
	if a.head, err = a.from.Next(); a.head != nil {
		a.key = a.keyOf(a.head)
	}
	return err
}

func (a *ahead[T]) is(key *usage.Key) bool { return a.head != nil && a.key == *key }

func (a *ahead[T]) stop() {
	if a.from != nil {
		a.from.Stop()
	}
}

// join walks the sequences by key of usage, at which they meet. A key has a sum
// for each hour that carried usage, where the rules tell hours apart; after changes of
// routing it has more than one standing, and one carried line for each day of usage.
type join struct {
	recorder  *recorder
	sums      ahead[Sum]
	carried   ahead[Carried]
	standings ahead[Standing]
	lines     []stating // of the group at hand
	text      []byte    // of a record
}

func newJoin(rules Rules, from Sources) (*join, error) {
	j := join{recorder: newRecorder(rules)}
	return &j, errors.Join(
		j.sums.begin(from.Sums, func(s *Sum) usage.Key { return *s.normal() }),
		j.carried.begin(from.Carried, keysAfter(func(c *Carried) *usage.Shown { return &c.Shown })),
		j.standings.begin(from.Standings, keysAfter(func(s *Standing) *usage.Shown { return &s.Shown })),
	)
}

func (j *join) stop() {
	j.sums.stop()
	j.carried.stop()
	j.standings.stop()
}

func (j *join) more() bool {
	return j.sums.head != nil || j.carried.head != nil || j.standings.head != nil
}

// least is the least key of usage that is ahead.
func (j *join) least() (least usage.Key) {
	var any bool
	for _, of := range [...]struct {
		more bool
		key  *usage.Key
	}{{j.sums.head != nil, &j.sums.key}, {j.carried.head != nil, &j.carried.key}, {j.standings.head != nil, &j.standings.key}} {
		if of.more && (!any || usage.CompareKeys(of.key, &least) < 0) {
			least, any = *of.key, true
		}
	}
	return least
}

// stating is a line on its way to its record.
type stating struct {
	DayLine
	key    LineKey
	isNew  bool   // its rows were never closed before
	reason string // why it was carried into the day
}

// lineOf is the line of the group at hand with a key; nil if it has none.
func (j *join) lineOf(key *LineKey) *stating {
	for i := range j.lines {
		if j.lines[i].key == *key {
			return &j.lines[i]
		}
	}
	return nil
}

// group takes everything of the least key of usage.
func (j *join) group() ([]stating, error) {
	clear(j.lines)
	j.lines = j.lines[:0]
	key := j.least()
	for j.sums.is(&key) {
		s := j.sums.head
		l := stating{DayLine: DayLine{Line: j.recorder.line(s, &key), Rows: s.Rows, Total: s.Quantity, Hours: s.Hours}, isNew: true}
		l.key = j.recorder.keyOf(&l.Line, key)
		if have := j.lineOf(&l.key); have != nil {
			have.add(&l.DayLine)
		} else {
			j.lines = append(j.lines, l)
		}
		if err := j.sums.advance(); err != nil {
			return nil, err
		}
	}
	var carried []Carried
	for j.carried.is(&key) {
		carried = append(carried, *j.carried.head)
		if err := j.carried.advance(); err != nil {
			return nil, err
		}
	}
	for _, c := range CarriedLines(carried) {
		l := stating{DayLine: DayLine{Line: c.Line, Total: c.Quantity, Hours: c.Hours}, reason: c.Reason}
		l.key = j.recorder.keyOf(&l.Line, key)
		j.lines = append(j.lines, l)
	}
	for j.standings.is(&key) {
		s := j.standings.head
		lineKey := j.recorder.keyOf(&s.Line, key)
		l := j.lineOf(&lineKey)
		if l == nil {
			j.lines = append(j.lines, stating{DayLine: DayLine{Line: s.Line, Hours: s.Hours}, key: lineKey})
			l = &j.lines[len(j.lines)-1]
		}
		l.Before, l.Corrects, l.isNew = s.Accepted, s.RecordID, l.isNew && s.Unreported
		l.Waived = s.Waived
		if err := j.standings.advance(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(j.lines, func(a, b stating) int { return a.key.Compare(b.key) })
	return j.lines, nil
}

// add reads usage of the same line in other hours.
func (l *stating) add(m *DayLine) {
	l.Shown = l.Shown.Least(m.Shown)
	l.Total = l.Total.Add(m.Total)
	l.Hours |= m.Hours
	l.Rows += m.Rows
}

// state makes the record of a line: usage where nothing stands, a correction
// where something does, nothing where total and standing agree. A new line is
// stated even at zero, so that every row is accounted for. A revision that
// carries makes no record: another day states the difference. Nor does one with
// reporting off, nor one that waives. What is waived is no difference.
func (j *join) state(l *stating) error {
	rules := &j.recorder.Rules
	difference := l.Total.Sub(l.Before)
	if rules.unreported || l.Reporting == ReportingOff {
		l.Waived = WaivedKept.of(l.Waived, difference)
		return nil
	}
	l.Waived = rules.waiving.of(l.Waived, difference)
	difference = difference.Sub(l.Waived)
	switch {
	case rules.carries:
		if difference.Sign() != 0 {
			l.Carried = difference
		}
		return nil
	case rules.waiving == WaivedAll || difference.Sign() == 0 && !l.isNew:
		return nil
	}
	r := j.recorder.record(&l.Line, &l.key, l.Hours, difference)
	if l.CarriedFrom != 0 {
		r.Kind, r.Reason = CarryForward, l.reason
	}
	if l.Corrects != "" {
		r.Kind, r.Corrects = Correction, l.Corrects
	}
	text, err := r.AppendJSON(j.text[:0])
	if err != nil {
		return fmt.Errorf("encode record %s: %w", r.RecordID, err)
	}
	j.text, l.Record = text, text
	return nil
}

// of is what is waived of a line with this difference, of which so much was waived
// before. It is never more than the difference: where less is left to bill, less
// was waived, or a later revision would take back what nobody was charged.
func (w Waiving) of(before, difference usage.Quantity) usage.Quantity {
	switch {
	case w == WaivedAll && difference.Sign() != 0:
		return difference
	case w == WaivedAll || w == WaivedNone || before.Sign()*difference.Sign() <= 0:
		return usage.Quantity{}
	case difference.Sub(before).Sign()*before.Sign() < 0:
		return difference
	}
	return before
}
