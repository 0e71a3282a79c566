package verify

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// walk holds a daily file against the lines that it must have and its records
// against the batches, and says what stands then.
type walk struct {
	*look
	revision *revision
	rules    rules
	sent     *sent

	lines, rows, records, carried int64
}

func (w *walk) walk(items *sorter[item]) {
	r := w.revision
	have := w.dayLines(r.File, r.SHA256, func(first bool, content []byte) {
		if first {
			w.sameJSON(r.File+" header", content, w.header())
		} else {
			w.sameJSON(r.File+" trailer", content, object("trailer", map[string]int64{"lines": w.lines, "rows": w.rows}))
		}
	})
	lockstep(w.wantedLines(items), have, func(e wantedLine, d dayLine) int { return slices.Compare(e.Key, d.line().key()) }, func(e *wantedLine, d *dayLine) {
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

// header is the first line of the file.
func (w *walk) header() []byte {
	r, p, reason := w.revision, w.revision.Props, ""
	if r.carriedTo != "" {
		reason = text(p, "reason")
	}
	return object("format", "stackusage-day/1", "cloudId", w.cloudID, "usageDay", dashedDay(w.day), "revision", r.number, "billingModel", text(p, "billingModel"),
		"billingSubscriptionId", text(p, "billingSubscriptionId"), "reporting?", text(p, "reporting"), "missingHours?", w.missingHours(),
		"inputs", append([]listed{}, r.Inputs...), "carries?", r.Carries, "carriedTo?", dashedDay(r.carriedTo), "reason?", reason)
}

// checkStanding: commerce has accepted what the last revision states, but for what
// was carried and waived; or the day is open.
func (l *look) checkStanding() {
	if n := len(l.revisions); n == 0 || l.mark != nil || len(l.waiting) > 0 || text(l.revisions[n-1].Props, "reporting") == "off" {
		return
	}
	short := 0
	for i := range l.standing.all() {
		if i.Reporting == "" && new(big.Rat).Add(i.Quantity, i.Waived).Cmp(i.Total) != 0 {
			short++
		}
	}
	if last := l.revisions[len(l.revisions)-1]; short > 0 {
		l.differs(last.where, "%d lines state something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays", short)
	}
}
