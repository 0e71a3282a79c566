package daily

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Line is what is billed as one: a key of usage, and how it is charged.
type Line struct {
	usage.Shown
	BillingModel          registration.BillingModel `json:"billingModel"`
	BillingSubscriptionID string                    `json:"billingSubscriptionId"`
	CommerceMeterID       string                    `json:"commerceMeterId,omitempty"`
	MeterClass            meter.Class               `json:"meterClass"`
}

// lineKey is a Line in normal form. If routing, catalogue or class changes
// between revisions, the old line is reversed and a new one stated.
type lineKey struct {
	usage.Key
	billing, commerceMeter, class string
}

func (l Line) key() lineKey {
	return lineKey{l.Shown.Key(), usage.NormalGUID(l.BillingSubscriptionID), usage.NormalGUID(l.CommerceMeterID), string(l.MeterClass)}
}

func (k lineKey) compare(l lineKey) int {
	return cmp.Or(k.Key.Compare(l.Key), cmp.Compare(k.billing, l.billing), cmp.Compare(k.commerceMeter, l.commerceMeter), cmp.Compare(k.class, l.class))
}

// Standing is what commerce has accepted of one line, over all revisions so
// far. A record that was refused for good stands for zero, one in conflict for
// the quantity that commerce has stored.
type Standing struct {
	Line
	Hours    usage.HourSet
	Accepted usage.Quantity
	RecordID string // the last record that stands; empty if none does
}

// Answer is what stands of one record after commerce's final answer.
type Answer struct {
	RecordID string
	Stands   bool
	Quantity usage.Quantity // as commerce has it; zero if it does not stand
}

// DayFile reads a daily file as a stream.
type DayFile struct {
	header DayHeader
	r      *lineReader
}

// OpenDay reads the header of a daily file.
func OpenDay(r io.Reader) (*DayFile, error) {
	var d DayFile
	var err error
	if d.r, err = newLineReader(r, &d.header); err != nil {
		return nil, fmt.Errorf("read daily file: %w", err)
	}
	if d.header.Format != DayFormat {
		return nil, fmt.Errorf("read daily file: format %.40q; only %q is read", d.header.Format, DayFormat)
	}
	return &d, nil
}

// Header is the first line.
func (d *DayFile) Header() DayHeader { return d.header }

// Lines goes through the lines once, in order.
func (d *DayFile) Lines() iter.Seq2[DayLine, error] {
	return func(yield func(DayLine, error) bool) {
		var rows int64
		for {
			var l DayLine
			err := d.r.next(&l, rows)
			if err == io.EOF { // bare: a wrapped one is a connection that broke
				return
			}
			if err != nil {
				yield(DayLine{}, fmt.Errorf("read daily file of %s, revision %d: %w", d.header.UsageDay, d.header.Revision, err))
				return
			}
			rows += l.Rows
			if !yield(l, nil) {
				return
			}
		}
	}
}

// errAnswers: the answers are not those to the records of the file.
var errAnswers = errors.New("the answers do not fit the records")

// Standings goes through what stands after the revision, in order. The answers
// must be those to the file's records, in the order of the records.
func (d *DayFile) Standings(answers iter.Seq2[Answer, error]) iter.Seq2[Standing, error] {
	return func(yield func(Standing, error) bool) {
		next, stop := iter.Pull2(answers)
		defer stop()
		for l, err := range d.Lines() {
			s := Standing{Line: l.Line, Hours: l.Hours, Accepted: l.Before, RecordID: l.Corrects}
			if err == nil && l.Record != nil {
				err = s.take(l, next)
			}
			if err != nil {
				yield(Standing{}, err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
		if a, err, more := next(); more {
			yield(Standing{}, fmt.Errorf("%w: record %q is not in the file: %w", errAnswers, a.RecordID, err))
		}
	}
}

func (s *Standing) take(l DayLine, next func() (Answer, error, bool)) error {
	id, err := recordIDOf(l.Record)
	if err != nil {
		return err
	}
	a, err, more := next()
	switch {
	case err != nil:
		return err
	case !more || a.RecordID != id:
		return fmt.Errorf("%w: record %s, answer to %q", errAnswers, id, a.RecordID)
	case a.Stands:
		s.Accepted, s.RecordID = s.Accepted.Add(a.Quantity), id
	}
	return nil
}

// restate joins the sums of a day with what stands of it, line by line, and
// states each difference.
func restate(rules Rules, sums iter.Seq2[Sum, error], standings iter.Seq2[Standing, error]) iter.Seq2[DayLine, error] {
	return func(yield func(DayLine, error) bool) {
		j, err := newJoin(sums, standings)
		defer j.stop()
		for err == nil && (j.moreSums || j.moreStandings) {
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

// join walks both sequences by key of usage, at which they meet. A key has at
// most one sum and, after changes of routing, more than one standing.
type join struct {
	nextSum       func() (Sum, error, bool)
	nextStanding  func() (Standing, error, bool)
	stop          func()
	sum           Sum
	standing      Standing
	moreSums      bool
	moreStandings bool
}

func newJoin(sums iter.Seq2[Sum, error], standings iter.Seq2[Standing, error]) (*join, error) {
	var j join
	var stopSums, stopStandings func()
	j.nextSum, stopSums = iter.Pull2(sums)
	j.nextStanding, stopStandings = iter.Pull2(standings)
	j.stop = func() { stopSums(); stopStandings() }
	return &j, cmp.Or(j.advanceSum(), j.advanceStanding())
}

func (j *join) advanceSum() (err error) {
	j.sum, err, j.moreSums = j.nextSum()
	return err
}

func (j *join) advanceStanding() (err error) {
	j.standing, err, j.moreStandings = j.nextStanding()
	return err
}

// group takes everything of the least key of usage.
func (j *join) group(rules Rules) ([]DayLine, error) {
	var lines []DayLine
	key := j.sum.Key()
	if !j.moreSums || j.moreStandings && j.standing.Shown.Key().Compare(key) < 0 {
		key = j.standing.Shown.Key()
	}
	if j.moreSums && j.sum.Key() == key {
		l := DayLine{Line: rules.line(j.sum), Rows: j.sum.Rows, Total: j.sum.Quantity, Hours: j.sum.Hours}
		lines = append(lines, l)
		if err := j.advanceSum(); err != nil {
			return nil, err
		}
	}
	stated := len(lines) > 0
	known := false
	for j.moreStandings && j.standing.Shown.Key() == key {
		s := j.standing
		if stated && lines[0].Line.key() == s.Line.key() {
			lines[0].Before, lines[0].Corrects, known = s.Accepted, s.RecordID, true
		} else {
			lines = append(lines, DayLine{Line: s.Line, Hours: s.Hours, Before: s.Accepted, Corrects: s.RecordID})
		}
		if err := j.advanceStanding(); err != nil {
			return nil, err
		}
	}
	for i := range lines {
		isNew := i == 0 && stated && !known
		if err := lines[i].state(rules, isNew); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(lines, func(a, b DayLine) int { return a.Line.key().compare(b.Line.key()) })
	return lines, nil
}

// state makes the record of a line: usage where nothing stands, a correction
// where something does, nothing where total and standing agree. A new line is
// stated even at zero, so that every row is accounted for.
func (l *DayLine) state(rules Rules, isNew bool) error {
	difference := l.Total.Sub(l.Before)
	if difference.Sign() == 0 && !isNew {
		return nil
	}
	r := rules.record(l.Line, l.Hours, difference)
	if l.Corrects != "" {
		r.Kind, r.Corrects = Correction, l.Corrects
	}
	text, err := r.encode()
	l.Record = text
	return err
}
