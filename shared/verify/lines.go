package verify

import (
	"bytes"
	"encoding/json"
	"iter"
	"math/big"
	"slices"
	"strings"
)

// wantedLine is a line of a daily file as it must be.
type wantedLine struct {
	item            // what stands before the revision, and the line
	total           *big.Rat
	difference      *big.Rat
	rows            int64
	carried         string
	content, record []byte // record: nil where there is none
}

// wantedLines goes through the lines that a daily file must have.
func (w *walk) wantedLines(items *sorter[item]) iter.Seq[wantedLine] {
	return func(yield func(wantedLine) bool) {
		var e *wantedLine
		known, reason := false, ""
		for i := range items.all() {
			if e != nil && !slices.Equal(e.Key, i.Key) {
				if w.state(e, known, reason); !yield(*e) {
					return
				}
				e = nil
			}
			if e == nil {
				e, known, reason = &wantedLine{item: item{Key: i.Key, line: i.line, Quantity: new(big.Rat), Waived: new(big.Rat)}, total: new(big.Rat)}, false, ""
			}
			if i.Of == ofStanding {
				e.Quantity, e.Waived, e.RecordID, e.Stated = i.Quantity, i.Waived, i.RecordID, i.Stated
				if !known { // what the day says of the line now goes before what it said
					e.line, e.Hours = i.line, i.Hours
				}
				continue
			}
			known, reason = true, i.Reason
			e.total.Add(e.total, i.Quantity)
			e.rows, e.Hours, e.Shown = e.rows+i.Rows, e.Hours|i.Hours, least(e.Shown, i.Shown)
		}
		if e != nil {
			w.state(e, known, reason)
			yield(*e)
		}
	}
}

// state makes the record of a line, and its bytes. known: it has usage now.
func (w *walk) state(e *wantedLine, known bool, reason string) {
	e.difference = new(big.Rat).Sub(e.total, e.Quantity)
	off, waives := w.rules.off || e.Reporting == "off", w.waives
	if off {
		waives = ""
	}
	e.Waived = waived(waives, e.Waived, e.difference)
	e.difference.Sub(e.difference, e.Waived)
	nothing, decided := e.difference.Sign() == 0, ""
	if e.Waived.Sign() != 0 {
		decided = decimal(e.Waived)
	}
	switch {
	case off:
	case w.revision.carriedTo != "":
		if !nothing {
			e.carried = decimal(e.difference)
		}
	case w.waives == "all" || nothing && (!known || e.Stated):
	default:
		kind := "usage"
		if e.RecordID != "" {
			kind = "correction"
		} else if e.Carried != "" {
			kind = "carryForward"
		}
		e.record = w.rules.record(e.line, e.Hours, kind, e.RecordID, reason, decimal(e.difference))
	}
	s := e.Shown
	e.content = object("subscriptionId", s[subscriptionID], "resourceUri", s[resourceURI], "meterId", s[meterID], "location?", s[location], "tags?", s[tags], "additionalInfo?", s[additionalInfo],
		"billingModel", e.Model, "billingSubscriptionId", e.Billing, "commerceMeterId?", e.Meter, "meterClass", e.Class, "carriedFrom?", dashedDay(e.Carried), "reporting?", e.Reporting,
		"rows", e.rows, "total", decimal(e.total), "hours", hoursOf(e.Hours), "before", decimal(e.Quantity), "corrects?", e.RecordID, "waived?", decided, "carried?", e.carried, "record?", json.RawMessage(e.record))
}

// waived is what of a difference is not billed, by an operator's decision: all of it,
// none, or what was before, which is never more than the difference.
func waived(waives string, before, difference *big.Rat) *big.Rat {
	switch {
	case waives == "all":
		return new(big.Rat).Set(difference)
	case waives == "none" || before.Sign()*difference.Sign() <= 0:
		return new(big.Rat)
	case new(big.Rat).Abs(difference).Cmp(new(big.Rat).Abs(before)) < 0:
		return new(big.Rat).Set(difference)
	}
	return before
}

// least is, part by part, the spelling that comes first.
func least(a, b [keyParts]string) [keyParts]string {
	for i := range a {
		a[i] = min(a[i], b[i])
	}
	return a
}

// dayLine is what a line of a daily file is of.
type dayLine struct {
	n       int64
	content []byte

	SubscriptionID string          `json:"subscriptionId"`
	ResourceURI    string          `json:"resourceUri"`
	MeterID        string          `json:"meterId"`
	Location       string          `json:"location"`
	Tags           string          `json:"tags"`
	AdditionalInfo string          `json:"additionalInfo"`
	BillingModel   string          `json:"billingModel"`
	BillingID      string          `json:"billingSubscriptionId"`
	CommerceID     string          `json:"commerceMeterId"`
	MeterClass     string          `json:"meterClass"`
	CarriedFrom    string          `json:"carriedFrom"`
	Reporting      string          `json:"reporting"`
	Rows           int64           `json:"rows"`
	Total          string          `json:"total"`
	Hours          []int           `json:"hours"`
	Carried        string          `json:"carried"`
	Record         json.RawMessage `json:"record"`
}

func (d dayLine) line() line {
	return line{
		Shown: [keyParts]string{d.SubscriptionID, d.ResourceURI, d.MeterID, d.Location, d.Tags, d.AdditionalInfo},
		Model: d.BillingModel, Billing: d.BillingID, Meter: d.CommerceID, Class: d.MeterClass, Carried: strings.ReplaceAll(d.CarriedFrom, "-", ""), Reporting: d.Reporting,
	}
}

// dayLines goes through the lines of a daily file; header and trailer are given to
// ends.
func (l *look) dayLines(path, sum string, ends func(first bool, content []byte)) iter.Seq[dayLine] {
	return func(yield func(dayLine) bool) {
		var last []byte
		for n, content := range l.readLines(path, sum) {
			d := dayLine{n: n - 1, content: last}
			if n == 0 {
				ends(true, content)
			} else if n > 1 {
				if json.Unmarshal(last, &d) != nil {
					damaged(path, "line %d is not that of a daily file", n-1)
				}
				if !yield(d) {
					return
				}
			}
			last = bytes.Clone(content)
		}
		ends(false, last)
	}
}
