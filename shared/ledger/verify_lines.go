package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// restatement walks a daily file with everything it follows from, all of them
// in order of key.
type restatement struct {
	v       *verifier
	st      *statement
	path    string
	number  int64 // of the line
	last    lineKey
	sums    *puller[daily.Sum]
	before  *puller[daily.Standing]
	records *puller[json.RawMessage]
	rows    int64
	count   int64 // of records
	totals  usage.Quantity

	carries  bool           // differences go to another day
	silent   bool           // reporting is off: differences are kept
	waives   bool           // differences are waived
	kept     usage.Quantity // what is
	waived   usage.Quantity // by operators
	payer    func(stackSubscription string) string
	split    bool           // the day has parts that are charged differently
	model    string         // billing model of the lines that have rows
	away     usage.Quantity // what is carried
	lines    int64          // that carry something
	carried  *puller[daily.Carried]
	group    []daily.Carried // carried of one key of usage, as far as the file has not shown it
	groupKey usage.Key
}

// lineKey orders the lines of a daily file.
type lineKey struct {
	usage.Key
	billing, commerceMeter, class string
	carriedFrom                   usage.Day
	model                         string // billing model
}

func lineKeyOf(l daily.Line) lineKey {
	return lineKey{l.Shown.Key(), usage.NormalGUID(l.BillingSubscriptionID), usage.NormalGUID(l.CommerceMeterID), string(l.MeterClass), l.CarriedFrom, string(l.BillingModel)}
}

func (k lineKey) compare(l lineKey) int {
	return cmp.Or(k.Key.Compare(l.Key), cmp.Compare(k.billing, l.billing), cmp.Compare(k.commerceMeter, l.commerceMeter),
		cmp.Compare(k.class, l.class), cmp.Compare(k.carriedFrom, l.carriedFrom), cmp.Compare(k.model, l.model))
}

func (r *restatement) where() string { return fmt.Sprintf("%s line %d", r.path, r.number) }

// line checks one line: its sum, what stood before, and its record.
func (r *restatement) line(l daily.DayLine) error {
	r.number++
	key := lineKeyOf(l.Line)
	if r.number > 1 && r.last.compare(key) >= 0 {
		return damaged(r.where(), "it is out of order")
	}
	r.last = key
	r.rows += l.Rows
	r.totals = r.totals.Add(l.Total)
	r.waived = r.waived.Add(l.Waived)
	if err := r.sum(l, key); err != nil {
		return err
	}
	reason, err := r.carriedLine(l, key)
	if err != nil {
		return err
	}
	known, err := r.standing(l, key)
	if err != nil {
		return err
	}
	if l.Rows > 0 {
		if r.payer == nil {
			// nothing is settled, or not by a rule that is checked here
		} else if payer := r.payer(key.SubscriptionID); l.BillingSubscriptionID != payer {
			return damaged(r.where(), "billingSubscriptionId is %s; by the settlement it must be %s", l.BillingSubscriptionID, payer)
		}
		if r.payer != nil && string(l.BillingModel) != r.model {
			return damaged(r.where(), "billingModel is %s; by the header it must be %s", l.BillingModel, r.model)
		}
	}
	switch {
	case r.carries:
		return r.carry(l)
	case r.silent:
		r.kept = r.kept.Add(l.Total.Sub(l.Before).Sub(l.Waived))
		if l.Record != nil || l.Carried.Sign() != 0 {
			return damaged(r.where(), "carried is %s, and there is a record: %t, while reporting was off", l.Carried, l.Record != nil)
		}
		return nil
	}
	return r.record(l, l.Rows > 0 && !known, reason)
}

// sum: a line with rows is exactly what the partials give for its key; one
// without is a line that was billed once and has nothing now.
func (r *restatement) sum(l daily.DayLine, key lineKey) error {
	if r.sums.more && r.sums.head.Key().Compare(key.Key) < 0 {
		return damaged(r.where(), "before it must come a line of %s", textOf(r.sums.head, true))
	}
	if l.Rows == 0 {
		if l.Total.Sign() != 0 && l.CarriedFrom == 0 {
			return damaged(r.where(), "total is %s without rows", l.Total)
		}
		return nil
	}
	s := r.sums.head
	if r.split && r.sums.more && s.Key() == key.Key { // a line has the rows of some of the key's hours
		r.sums.head.Rows, r.sums.head.Quantity = s.Rows-l.Rows, s.Quantity.Sub(l.Total)
		if r.sums.head.Rows > 0 {
			return nil
		}
		if r.sums.head.Rows < 0 || r.sums.head.Quantity.Sign() != 0 {
			return damaged(r.where(), "the lines of the key have %d rows and a total of %s more than the partials", -r.sums.head.Rows, r.sums.head.Quantity)
		}
		return r.sums.advance()
	}
	if !r.sums.more || s.Key() != key.Key || s.Shown != l.Shown || s.Rows != l.Rows || s.Hours != l.Hours || !s.Quantity.Equal(l.Total) {
		return damaged(r.where(), "total is %s of %d rows; the partials give %s", l.Total, l.Rows, textOf(s, r.sums.more && s.Key() == key.Key))
	}
	return r.sums.advance()
}

// standing: before and corrects are what commerce accepted of this very line. It
// is not known if no record of it was ever made.
func (r *restatement) standing(l daily.DayLine, key lineKey) (known bool, err error) {
	var want daily.Standing
	if r.before.more {
		order := lineKeyOf(r.before.head.Line).compare(key)
		if order < 0 {
			return false, damaged(r.where(), "before it must come the line of record %s, of which %s stands", r.before.head.RecordID, r.before.head.Accepted)
		}
		if known = order == 0; known {
			want = r.before.head
			known = !want.Unreported
			err = r.before.advance()
		}
	}
	if err == nil && (!l.Before.Equal(want.Accepted) || l.Corrects != want.RecordID) {
		err = damaged(r.where(), "before is %s and corrects %q; commerce accepted %s, last with %q", l.Before, l.Corrects, want.Accepted, want.RecordID)
	}
	return known, err
}

// carry: the difference is carried, and there is no record.
func (r *restatement) carry(l daily.DayLine) error {
	if l.Record != nil || !l.Carried.Equal(l.Total.Sub(l.Before).Sub(l.Waived)) {
		return damaged(r.where(), "total is %s, before is %s, carried is %s, and there is a record: %t", l.Total, l.Before, l.Carried, l.Record != nil)
	}
	if l.Carried.Sign() != 0 {
		r.lines++
		r.away = r.away.Add(l.Carried)
	}
	return nil
}

// record: it states the difference, and stands in the batches byte for byte.
func (r *restatement) record(l daily.DayLine, isNew bool, reason string) error {
	difference := l.Total.Sub(l.Before).Sub(l.Waived)
	isNew = isNew && !r.waives
	if l.Carried.Sign() != 0 {
		return damaged(r.where(), "carried is %s, and the revision carries nothing", l.Carried)
	}
	if (l.Record != nil) != (difference.Sign() != 0 || isNew) {
		return damaged(r.where(), "total is %s, before is %s, and there is a record: %t", l.Total, l.Before, l.Record != nil)
	}
	if l.Record == nil {
		return nil
	}
	r.count++
	var rec daily.Record
	if err := json.Unmarshal(l.Record, &rec); err != nil {
		return damaged(r.where(), "record: %v", err)
	}
	kind := daily.Usage
	if l.CarriedFrom != 0 {
		kind = daily.CarryForward
	}
	if l.Corrects != "" {
		kind = daily.Correction
	}
	m := r.st.manifest
	if !rec.Quantity.Equal(difference) || rec.Kind != kind || rec.Corrects != l.Corrects || rec.CarriedFrom != l.CarriedFrom || rec.Reason != reason || rec.Revision != m.Revision ||
		rec.CloudID != m.CloudID || rec.UsageDate != m.UsageDay || rec.Hours != l.Hours || rec.ResourceURI != l.ResourceURI ||
		rec.BillingSubscriptionID != l.BillingSubscriptionID || rec.BillingModel != l.BillingModel || rec.CommerceMeterID != l.CommerceMeterID || rec.MeterClass != l.MeterClass ||
		usage.NormalGUID(rec.SubscriptionID) != usage.NormalGUID(l.SubscriptionID) || usage.NormalGUID(rec.MeterID) != usage.NormalGUID(l.MeterID) {
		return damaged(r.where(), "record %s does not state the line: quantity %s, must be %s", rec.RecordID, rec.Quantity, difference)
	}
	if !r.records.more || !bytes.Equal(r.records.head, l.Record) {
		return damaged(r.where(), "record %s is not the next one in the batches", rec.RecordID)
	}
	return r.records.advance()
}

// end: nothing is left over, and the row counts what was met.
func (r *restatement) end() error {
	if err := r.carriedLeft(); err != nil {
		return err
	}
	switch {
	case r.carried.more:
		return damaged(r.path, "it has no line of %s, carried from %s", r.carried.head.Quantity, r.carried.head.CarriedFrom)
	case r.sums.more:
		return damaged(r.path, "it has no line of %s", textOf(r.sums.head, true))
	case r.before.more:
		return damaged(r.path, "it has no line of record %s, of which %s stands", r.before.head.RecordID, r.before.head.Accepted)
	case r.records.more:
		return damaged(r.path, "the batches have more than its %d records", r.count)
	}
	return cmp.Or(same(r.v, r.st.where, "rows", r.st.Rows, r.rows), same(r.v, r.st.where, "records", r.st.Records, r.count),
		same(r.v, r.st.where, "carried", r.st.Carried, r.lines))
}
