package daily

import (
	"errors"
	"iter"
	"slices"

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
// of it, line by line, and states each difference.
func restate(rules Rules, from Sources) iter.Seq2[DayLine, error] {
	return func(yield func(DayLine, error) bool) {
		j, err := newJoin(from)
		defer j.stop()
		for err == nil && j.more() {
			var lines []DayLine
			if lines, err = j.group(rules); err != nil {
				break
			}
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(DayLine{}, err)
		}
	}
}

// pulled walks a sequence one ahead.
type pulled[T any] struct {
	next func() (T, error, bool)
	stop func()
	head T
	more bool
}

func (p *pulled[T]) begin(seq iter.Seq2[T, error]) error {
	if seq == nil {
		seq = func(func(T, error) bool) {}
	}
	p.next, p.stop = iter.Pull2(seq)
	return p.advance()
}

func (p *pulled[T]) advance() (err error) {
	p.head, err, p.more = p.next()
	p.more = p.more && err == nil
	return err
}

// join walks the sequences by key of usage, at which they meet. A key has a sum
// for each hour that carried usage; after changes of routing it has more than
// one standing, and one carried line for each day of usage.
type join struct {
	sums      pulled[Sum]
	carried   pulled[Carried]
	standings pulled[Standing]
}

func newJoin(from Sources) (*join, error) {
	var j join
	return &j, errors.Join(j.sums.begin(from.Sums), j.carried.begin(from.Carried), j.standings.begin(from.Standings))
}

func (j *join) stop() {
	j.sums.stop()
	j.carried.stop()
	j.standings.stop()
}

func (j *join) more() bool { return j.sums.more || j.carried.more || j.standings.more }

// least is the least key of usage that is ahead.
func (j *join) least() usage.Key {
	var keys []usage.Key
	if j.sums.more {
		keys = append(keys, j.sums.head.Key())
	}
	if j.carried.more {
		keys = append(keys, j.carried.head.Shown.Key())
	}
	if j.standings.more {
		keys = append(keys, j.standings.head.Shown.Key())
	}
	return slices.MinFunc(keys, usage.Key.Compare)
}

// stating is a line on its way to its record.
type stating struct {
	DayLine
	isNew  bool   // its rows were never closed before
	reason string // why it was carried into the day
}

// group takes everything of the least key of usage.
func (j *join) group(rules Rules) ([]DayLine, error) {
	var lines []stating
	key := j.least()
	for j.sums.more && j.sums.head.Key() == key {
		s := j.sums.head
		l := stating{DayLine: DayLine{Line: rules.line(s), Rows: s.Rows, Total: s.Quantity, Hours: s.Hours}, isNew: true}
		if i := slices.IndexFunc(lines, func(have stating) bool { return have.LineKey() == l.LineKey() }); i >= 0 {
			lines[i].add(l.DayLine)
		} else {
			lines = append(lines, l)
		}
		if err := j.sums.advance(); err != nil {
			return nil, err
		}
	}
	var carried []Carried
	for j.carried.more && j.carried.head.Shown.Key() == key {
		carried = append(carried, j.carried.head)
		if err := j.carried.advance(); err != nil {
			return nil, err
		}
	}
	for _, c := range CarriedLines(carried) {
		lines = append(lines, stating{DayLine: DayLine{Line: c.Line, Total: c.Quantity, Hours: c.Hours}, reason: c.Reason})
	}
	for j.standings.more && j.standings.head.Shown.Key() == key {
		s := j.standings.head
		i := slices.IndexFunc(lines, func(l stating) bool { return l.LineKey() == s.LineKey() })
		if i < 0 {
			i = len(lines)
			lines = append(lines, stating{DayLine: DayLine{Line: s.Line, Hours: s.Hours}})
		}
		lines[i].Before, lines[i].Corrects, lines[i].isNew = s.Accepted, s.RecordID, lines[i].isNew && s.Unreported
		lines[i].Waived = s.Waived
		if err := j.standings.advance(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(lines, func(a, b stating) int { return a.LineKey().Compare(b.LineKey()) })
	stated := make([]DayLine, len(lines))
	for i := range lines {
		if err := lines[i].state(rules); err != nil {
			return nil, err
		}
		stated[i] = lines[i].DayLine
	}
	return stated, nil
}

// add reads usage of the same line in other hours.
func (l *stating) add(m DayLine) {
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
func (l *stating) state(rules Rules) error {
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
	r := rules.record(l.Line, l.Hours, difference)
	if l.CarriedFrom != 0 {
		r.Kind, r.Reason = CarryForward, l.reason
	}
	if l.Corrects != "" {
		r.Kind, r.Corrects = Correction, l.Corrects
	}
	text, err := r.encode()
	l.Record = text
	return err
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
