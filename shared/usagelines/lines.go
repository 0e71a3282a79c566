package usagelines

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/spill"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// dayFile is a daily file that is read, and hashed on the way.
type dayFile struct {
	*daily.DayFile
	body *content.Body
}

func (d *Day) open(ctx context.Context, r daybook.Revision) (*dayFile, error) {
	body, err := content.At(r.File).With(r.SHA256, table.UsageDays).Open(ctx, d.reader.Blobs)
	if err != nil {
		return nil, err
	}
	file, err := daily.OpenDay(body)
	if err == nil {
		if h := file.Header(); h.CloudID != d.CloudID || h.UsageDay != d.Day || int64(h.Revision) != r.Number {
			err = fmt.Errorf("%w: it is revision %d of day %s of %s", linefile.ErrDamaged, h.Revision, h.UsageDay, h.CloudID)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open daily file %s: %w", r.File, err), body.Close())
	}
	return &dayFile{file, body}, nil
}

// lines calls each for the lines until it says no, and checks what it has read.
func (d *Day) lines(ctx context.Context, each func(*Line) bool) (err error) {
	if err := d.settle(ctx, map[string]*meter.Catalogue{}); err != nil {
		return err
	}
	file, err := d.open(ctx, d.Revision)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.body.Close()) }()
	away, err := d.openCarried(ctx)
	defer func() { err = errors.Join(err, away.close()) }()
	if err != nil {
		return err
	}
	outcomes, err := d.outcomes(ctx)
	if err != nil {
		return err
	}
	var number int64
	for l, err := range file.Lines() {
		if err != nil {
			return err
		}
		number++
		line := Line{DayLine: l, Day: d, Number: number, Waived: l.Waived}
		if line.Tenant, err = d.tenant(ctx, l.Line); err != nil {
			return err
		}
		if err = line.account(ctx, file.Header(), away, outcomes); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if !each(&line) {
			return nil
		}
	}
	return errors.Join(file.body.Check(), away.end(), outcomes.end())
}

// tenant is that of a line's stack subscription: as it was settled with the day of the
// usage, for the day that it was carried to may have no other usage of the subscription.
func (d *Day) tenant(ctx context.Context, l daily.Line) (string, error) {
	settled := d.Settlement
	if l.CarriedFrom != 0 {
		from, known := d.from[l.CarriedFrom]
		if !known {
			last, err := daybook.LastRevision(ctx, d.reader.Tables, d.CloudID, l.CarriedFrom)
			if err == nil && last != nil {
				from.sha256 = last.SettlementSHA256
				from.settlement, err = daybook.ReadSettlement(ctx, d.reader.Blobs, *last)
			}
			if err != nil {
				return "", err
			}
			d.from[l.CarriedFrom] = from
		}
		settled = from.settlement
	}
	if settled == nil {
		return "", nil
	}
	return settled.Subscriptions[usage.DashedGUID(l.SubscriptionID)].Tenant, nil
}

// account says what became of the line's total.
func (l *Line) account(ctx context.Context, h daily.DayHeader, away *carried, outcomes *outcomes) error {
	earlier, err := away.before(l.DayLine)
	if err != nil {
		return err
	}
	l.Billed, l.CarriedAway = l.Before.Sub(earlier), earlier.Add(l.Carried)
	left := l.Total.Sub(l.Before).Sub(l.Waived).Sub(l.Carried)
	switch {
	case l.Record != nil:
		return l.sent(ctx, left, outcomes)
	case left.Sign() == 0:
		return nil
	case h.Reporting != daily.ReportingOff && l.Reporting != daily.ReportingOff:
		return fmt.Errorf("%w: a line of which %s is left to bill has no record", linefile.ErrDamaged, left)
	}
	l.Unreported = left
	return nil
}

// sent reads what commerce made of the line's record.
func (l *Line) sent(ctx context.Context, left usage.Quantity, outcomes *outcomes) error {
	id, err := daily.RecordIDOf(l.Record)
	if err != nil {
		return err
	}
	l.Outcome = &Outcome{RecordID: id}
	answer, err := outcomes.of(ctx, id)
	if err != nil {
		return err
	}
	if answer == nil {
		l.Pending = left
		return nil
	}
	l.Outcome.Status, l.Outcome.Code, l.Outcome.Message = answer.Status, answer.Code, answer.Message
	l.Billed = l.Billed.Add(answer.Quantity)
	l.Waived = l.Waived.Add(answer.Waived)
	l.Declined = left.Sub(answer.Quantity).Sub(answer.Waived)
	return nil
}

// carried is what the revisions of a day before the last one carried to other days,
// read beside the last one's lines: their column before has it together with what
// commerce accepted.
type carried struct {
	files []*dayFile
	next  func() (carriedLine, error, bool)
	stop  func()
	head  carriedLine
	more  bool
}

// carriedLine is a line of the day's own file: unlike daily.Carried it names no day of
// the usage where that is the day itself.
type carriedLine struct {
	daily.Line
	quantity usage.Quantity
}

// openCarried opens what was carried. The caller closes it, also after an error.
func (d *Day) openCarried(ctx context.Context) (*carried, error) {
	c := &carried{}
	var sequences []iter.Seq2[carriedLine, error]
	for _, r := range d.carried {
		if r.Number == d.Revision.Number {
			continue
		}
		file, err := d.open(ctx, r)
		if err != nil {
			return c, err
		}
		c.files = append(c.files, file)
		sequences = append(sequences, carriedBy(file.DayFile))
	}
	compare := func(a, b *carriedLine) int { return a.Compare(b.Line) }
	add := func(total *carriedLine, next carriedLine) { total.quantity = total.quantity.Add(next.quantity) }
	c.next, c.stop = iter.Pull2(spill.Merge(sequences, compare, add))
	return c, c.advance()
}

func carriedBy(file *daily.DayFile) iter.Seq2[carriedLine, error] {
	return func(yield func(carriedLine, error) bool) {
		for l, err := range file.Lines() {
			if err == nil && l.Carried.Sign() == 0 {
				continue
			}
			if !yield(carriedLine{l.Line, l.Carried}, err) || err != nil {
				return
			}
		}
	}
}

func (c *carried) advance() (err error) {
	c.head, err, c.more = c.next()
	return err
}

// before is what earlier revisions carried of a line. Lines are asked for in order.
func (c *carried) before(l daily.DayLine) (usage.Quantity, error) {
	if !c.more {
		return usage.Quantity{}, nil
	}
	switch order := c.head.Compare(l.Line); {
	case order > 0:
		return usage.Quantity{}, nil
	case order < 0:
		return usage.Quantity{}, fmt.Errorf("%w: an earlier revision carried usage of a line that is not in the last one", linefile.ErrDamaged)
	}
	quantity := c.head.quantity
	return quantity, c.advance()
}

// end checks what was read.
func (c *carried) end() error {
	if c.more {
		return fmt.Errorf("%w: an earlier revision carried usage of a line that is not in the last one", linefile.ErrDamaged)
	}
	var all error
	for _, f := range c.files {
		all = errors.Join(all, f.body.Check())
	}
	return all
}

func (c *carried) close() (err error) {
	if c.stop != nil {
		c.stop()
	}
	for _, f := range c.files {
		err = errors.Join(err, f.body.Close())
	}
	return err
}
