package verify

import (
	"cmp"
	"encoding/json"
	"math/big"
)

// wanted is a line of a daily file as it must be.
type wanted struct {
	waived, carried *big.Rat // nil: nothing
	content, record []byte   // record: nil where there is none
}

// state makes the record of a line, and its bytes.
func (f *dayFile) state(i item) (w wanted) {
	var before stood
	if i.Stood != nil {
		before = *i.Stood
	}
	off, waives := f.rules.off || i.Reporting == "off", f.waives
	if off {
		waives = ""
	}
	difference := minus(i.Total, before.Quantity)
	w.waived = waived(waives, before.Waived, difference)
	difference = minus(difference, w.waived)
	isNew := i.Rows > 0 && !before.Reported
	switch {
	case off:
	case f.revision.carriedTo != "":
		w.carried = unlessZero(difference)
	case waives != "all" && (difference.Sign() != 0 || isNew):
		kind := "usage"
		if before.RecordID != "" {
			kind = "correction"
		} else if i.Carried != "" {
			kind = "carryForward"
		}
		w.record = f.rules.record(i.line, i.Hours, kind, before.RecordID, i.Reason, decimal(difference))
	}
	w.content = i.Shown.object("billingModel", i.Model, "billingSubscriptionId", i.Billing, "commerceMeterId?", i.Meter, "meterClass", i.Class,
		"carriedFrom?", dashedDay(i.Carried), "reporting?", i.Reporting, "rows", i.Rows, "total", decimal(i.Total), "hours", hoursOf(i.Hours),
		"before", decimal(before.Quantity), "corrects?", before.RecordID, "waived?", optional(w.waived), "carried?", optional(w.carried), "record?", json.RawMessage(w.record))
	return w
}

// stands says what stands of a line for the next revision.
func (f *dayFile) stands(i item, w wanted, recorded bool, o outcome) {
	now := stood{Waived: w.waived, Total: i.Total}
	if i.Stood != nil {
		now.Quantity, now.RecordID = i.Stood.Quantity, i.Stood.RecordID
	}
	if w.waived != nil {
		f.waived++
	}
	now.Waived = plus(now.Waived, rational(o.Waived))
	if o.Stands {
		now.Quantity, now.RecordID = plus(now.Quantity, rational(o.Quantity)), o.RecordID
	} else if w.carried != nil && !recorded {
		f.carried++
		now.Quantity, now.RecordID = plus(now.Quantity, w.carried), cmp.Or(now.RecordID, f.rules.recordID(i.line)) // the id that the record would have had
	}
	now.Reported = !f.rules.off || now.RecordID != ""
	put(f.standing, item{line: i.line, Hours: i.Hours, Stood: &now})
}

// waived is what of a difference is not billed, by an operator's decision: all of it,
// none, or what was before, which is never more than the difference. nil is nothing.
func waived(waives string, before, difference *big.Rat) *big.Rat {
	switch {
	case difference.Sign() == 0 || waives == "none":
		return nil
	case waives == "all":
		return difference
	case before == nil || before.Sign() != difference.Sign():
		return nil
	case new(big.Rat).Abs(difference).Cmp(new(big.Rat).Abs(before)) < 0:
		return difference
	}
	return before
}
