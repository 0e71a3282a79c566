package verify

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// walk holds a daily file against the lines that it must have and its records
// against the batches, and says what stands then.
type walk struct {
	*look
	revision *revision
	rules    rules
	sent     *sent

	waives string // what it makes of quantities that operators decided not to bill: all of the difference, none, or empty: what was

	lines, rows, records, carried, waived int64
}

func (w *walk) walk(items *sorter[item]) {
	r := w.revision
	have := w.dayLines(r.File, r.SHA256, func(first bool, content []byte) {
		if first {
			w.sameJSON(r.File+" header", content, w.header(content))
		} else {
			w.sameJSON(r.File+" trailer", content, object("trailer", map[string]int64{"lines": w.lines, "rows": w.rows}))
		}
	})
	if w.rules.unsettled {
		w.unsettled(have)
		return
	}
	lockstep(have, w.wantedLines(items), func(d dayLine, e wantedLine) int { return slices.Compare(d.line().key(), e.Key) }, func(d *dayLine, e *wantedLine) {
		if d != nil {
			w.lines++
			w.rows += d.Rows
		}
		switch {
		case d == nil:
			w.differs(r.File, "it has no line of meter %s of %s, charged to %s as %s: total %s of %d rows", e.Shown[meterID], e.Shown[resourceURI], e.Billing, e.Class, decimal(e.total), e.rows)
			w.stands(*e, nil)
		case e == nil:
			w.differs(fmt.Sprintf("%s line %d", r.File, d.n), "there must be no line of meter %s of %s, charged to %s as %s: total %s of %d rows", d.MeterID, d.ResourceURI, d.BillingID, d.MeterClass, d.Total, d.Rows)
			if d.Record != nil {
				w.records++
				w.sent.record(d.Record)
			}
		default:
			w.sameLine(fmt.Sprintf("%s line %d", r.File, d.n), d, e)
			w.stands(*e, d.Record)
		}
	})
}

// sum is usage of one key.
type sum struct {
	key   []string
	total *big.Rat
	rows  int64
}

// added adds up what follows one another with the same key.
func added(sums iter.Seq[sum]) iter.Seq[sum] {
	return func(yield func(sum) bool) {
		var last *sum
		for s := range sums {
			if last != nil && slices.Equal(last.key, s.key) {
				last.total, last.rows = new(big.Rat).Add(last.total, s.total), last.rows+s.rows
				continue
			}
			if last != nil && !yield(*last) {
				return
			}
			last = &s
		}
		if last != nil {
			yield(*last)
		}
	}
}

// unsettled holds a daily file against the usage alone: usage reporting is off, and
// nobody has been charged yet.
func (w *walk) unsettled(have iter.Seq[dayLine]) {
	file := w.revision.File
	usage := func(yield func(sum) bool) {
		for u := range w.usageIn(w.revision) {
			if !yield(sum{u.key(), u.Quantity, 1}) {
				return
			}
		}
	}
	lockstep(added(usage), added(func(yield func(sum) bool) {
		for d := range have {
			total, ok := new(big.Rat).SetString(d.Total)
			if w.lines, w.rows = w.lines+1, w.rows+d.Rows; !ok || d.Record != nil || d.Carried != "" {
				damaged(file, "line %d charges somebody, or has no total", d.n)
			}
			put(w.standing, item{Of: ofStanding, line: d.line(), Hours: setOf(d.Hours), Quantity: new(big.Rat), Waived: new(big.Rat), Total: total})
			if d.Rows > 0 && !yield(sum{keyOf(d.line().Shown), total, d.Rows}) {
				return
			}
		}
	}), func(a, b sum) int { return slices.Compare(a.key, b.key) }, func(a, b *sum) {
		if a == nil || b == nil {
			w.differs(file, "the lines are of other keys than the usage: %v, %v", a, b)
		} else if a.rows != b.rows || a.total.Cmp(b.total) != 0 {
			w.differs(file, "the lines of meter %s of %s say %s of %d rows, must say %s of %d", a.key[meterID], a.key[resourceURI], decimal(b.total), b.rows, decimal(a.total), a.rows)
		}
	})
}

// sameLine compares a line, and its record for itself.
func (w *walk) sameLine(where string, d *dayLine, e *wantedLine) {
	if string(d.content) == string(e.content) {
		return
	}
	w.sameJSON(where, d.content, e.content)
	if d.Record != nil && e.record != nil {
		w.sameJSON(where+" record", d.Record, e.record)
	}
}

// stands says what stands of a line for the next revision.
func (w *walk) stands(e wantedLine, record []byte) {
	if e.Waived.Sign() != 0 {
		w.waived++
	}
	i := item{Of: ofStanding, line: e.line, Hours: e.Hours, Quantity: e.Quantity, Waived: e.Waived, Total: e.total, RecordID: e.RecordID, Stated: e.Stated}
	if record != nil {
		w.records++
		i.Stated = true
		w.sent.record(record).add(&i)
	} else if e.carried != "" {
		w.carried++
		i.Quantity, i.Stated = new(big.Rat).Add(e.Quantity, e.difference), true
		if i.RecordID == "" { // the id that the record would have had
			i.RecordID = w.rules.recordID(e.line)
		}
	}
	put(w.standing, i)
}

func (w *walk) missingHours() (hours []time.Time) {
	for _, at := range strings.Split(text(w.revision.Props, "missingHours"), ",") {
		if t, err := time.Parse("2006010215", at); err == nil {
			hours = append(hours, t)
		}
	}
	return hours
}

// header is the first line of the file. That a revision waives its differences is
// said there alone: an operator asked for it.
func (w *walk) header(content []byte) []byte {
	r, p, reason := w.revision, w.revision.Props, ""
	var have struct{ Waived string }
	_ = json.Unmarshal(content, &have)
	if w.waives = have.Waived; text(p, "settle") == "all" {
		w.waives = "none"
	} else if w.waives != "all" || text(p, "restate") == "" {
		w.waives = ""
	}
	if r.carriedTo != "" {
		reason = text(p, "reason")
	}
	return object("format", "stackusage-day/1", "cloudId", w.cloudID, "usageDay", dashedDay(w.day), "revision", r.number, "billingModel", text(p, "billingModel"),
		"billingSubscriptionId", text(p, "billingSubscriptionId"), "reporting?", text(p, "reporting"), "missingHours?", w.missingHours(),
		"inputs", append([]listed{}, r.Inputs...), "carries?", r.Carries, "carriedTo?", dashedDay(r.carriedTo), "reason?", reason, "waived?", w.waives)
}

// checkStanding: commerce has accepted what the last revision states, but for what
// was carried and waived; or the day is open, and says that it is declined.
func (l *look) checkStanding() {
	n := len(l.revisions)
	if n == 0 || len(l.waiting) > 0 || text(l.revisions[n-1].Props, "reporting") == "off" || l.isOpen() {
		return
	}
	short := 0
	for i := range l.standing.all() {
		if i.Reporting == "" && new(big.Rat).Add(i.Quantity, i.Waived).Cmp(i.Total) != 0 {
			short++
		}
	}
	last := l.revisions[n-1]
	if where := last.where; short > 0 && l.mark == nil {
		// The mark of the revision goes after the day's says declined.
		if _, finishing := l.get(table.OpenDays, l.cloudID, last.Key); finishing {
			l.waits(where, "%d lines state something else than commerce accepted, and its row of OpenDays is still there", short)
			return
		}
		l.differs(where, "%d lines state something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays", short)
	} else if short == 0 && l.mark != nil {
		l.differs(place(table.OpenDays, *l.mark), "declined is %d; commerce accepted all of the last revision", count(l.mark.Props, "declined"))
	}
}

// isOpen reports whether the day is to be closed, again: not only declined.
func (l *look) isOpen() bool {
	if l.mark == nil {
		return false
	}
	p := l.mark.Props
	return count(p, "declined") == 0 || count(p, "declinedRevision") != int64(len(l.revisions)) || text(p, "lastInput")+text(p, "restate") != ""
}
