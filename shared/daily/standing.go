package daily

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/linefile"
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

	// Reporting is ReportingOff where reporting was off in the part of the day that
	// the usage falls in, and on in another: such a line never has a record.
	Reporting string `json:"reporting,omitempty"`

	// CarriedFrom is the day of the usage where another day states it; zero
	// where it is the day's own.
	CarriedFrom usage.Day `json:"carriedFrom,omitempty"`
}

// LineKey is a Line in normal form: what is billed as one, over all revisions. If
// routing, billing model, catalogue or class changes between revisions, the old line
// is reversed and a new one stated: what was charged is taken back as it was charged,
// and not as it would be now.
type LineKey struct {
	usage.Key
	billing, commerceMeter, class string
	carriedFrom                   usage.Day
	model                         registration.BillingModel
	reporting                     string
}

// LineKey is the normal form of l.
func (l Line) LineKey() LineKey { return l.lineKey(l.Shown.Key(), usage.NormalGUID) }

func (l *Line) lineKey(key usage.Key, normalGUID func(string) string) LineKey {
	return LineKey{key, normalGUID(l.BillingSubscriptionID), normalGUID(l.CommerceMeterID), string(l.MeterClass), l.CarriedFrom, l.BillingModel, l.Reporting}
}

// Compare orders lines as a daily file does: by the key of usage and then by how it is
// charged, all in normal form. 0 means that both are the same line.
func (l Line) Compare(m Line) int { return l.LineKey().Compare(m.LineKey()) }

// Compare orders keys as Line.Compare orders lines.
func (k LineKey) Compare(l LineKey) int {
	if order := usage.CompareKeys(&k.Key, &l.Key); order != 0 {
		return order
	}
	return cmp.Or(cmp.Compare(k.billing, l.billing), cmp.Compare(k.commerceMeter, l.commerceMeter),
		cmp.Compare(k.class, l.class), cmp.Compare(k.carriedFrom, l.carriedFrom), cmp.Compare(k.model, l.model), cmp.Compare(k.reporting, l.reporting))
}

// Standing is what commerce has accepted of one line, over all revisions so
// far. A record that was refused for good stands for zero, one in conflict for
// the quantity that commerce has stored. What was carried forward stands too:
// another day states it.
type Standing struct {
	Line
	Hours    usage.HourSet
	Accepted usage.Quantity
	Waived   usage.Quantity // what an operator decided not to bill
	RecordID string         // the last record that stands; empty if none does

	// Unreported: no record of the line was ever made, since reporting was off.
	Unreported bool
}

// Outcome is what stands of one record after commerce's final outcome.
type Outcome struct {
	RecordID string
	Stands   bool
	Quantity usage.Quantity // as commerce has it; zero if it does not stand
	Waived   usage.Quantity // what of the record an operator decided not to bill
}

// DayFile reads a daily file as a stream.
type DayFile struct {
	header DayHeader
	r      *linefile.Reader
}

// OpenDay reads the header of a daily file.
func OpenDay(r io.Reader) (*DayFile, error) {
	var d DayFile
	var err error
	if d.r, err = linefile.NewReader(r, &d.header); err != nil {
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
		var scan scanner
		for {
			line, err := d.r.Next(rows)
			if err == io.EOF { // bare: a wrapped one is a connection that broke
				return
			}
			var l DayLine
			if err == nil && !scan.line(string(line), &l) {
				l, err = decoded[DayLine](d.r, line)
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

// errOutcomes: the outcomes are not those to the records of the file.
var errOutcomes = errors.New("the outcomes do not fit the records")

// Standings goes through what stands after the revision, in order. The outcomes
// must be those to the file's records, in the order of the records.
func (d *DayFile) Standings(outcomes iter.Seq2[Outcome, error]) iter.Seq2[Standing, error] {
	return func(yield func(Standing, error) bool) {
		next, stop := iter.Pull2(outcomes)
		defer stop()
		for l, err := range d.Lines() {
			s := Standing{Line: l.Line, Hours: l.Hours, Accepted: l.Before, Waived: l.Waived, RecordID: l.Corrects}
			switch {
			case err != nil:
			case l.Record != nil:
				err = s.take(l, next)
			case l.Carried.Sign() != 0:
				s.carry(l, d.header)
			default:
				s.Unreported = d.header.Reporting == ReportingOff && l.Corrects == ""
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
			yield(Standing{}, fmt.Errorf("%w: record %q is not in the file: %w", errOutcomes, a.RecordID, err))
		}
	}
}

func (s *Standing) take(l DayLine, next func() (Outcome, error, bool)) error {
	id, err := RecordIDOf(l.Record)
	if err != nil {
		return err
	}
	a, err, more := next()
	switch {
	case err != nil:
		return err
	case !more || a.RecordID != id:
		return fmt.Errorf("%w: record %s, outcome to %q", errOutcomes, id, a.RecordID)
	case a.Stands:
		s.Accepted, s.RecordID = s.Accepted.Add(a.Quantity), id
	}
	s.Waived = s.Waived.Add(a.Waived)
	return nil
}

// carry reads what another day states of the line. Where commerce has no
// record of it to name, a later correction names the id that the carrying
// revision would have given one: it cannot be usage, for it changes something
// that was closed, and may be below zero.
func (s *Standing) carry(l DayLine, h DayHeader) {
	s.Accepted = s.Accepted.Add(l.Carried)
	if s.RecordID == "" {
		s.RecordID = Rules{CloudID: h.CloudID, Day: h.UsageDay, Revision: h.Revision, Terms: Terms{BillingModel: h.BillingModel}}.recordID(l.LineKey())
	}
}
