package verify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// dayLine is a line of a daily file, docs/formats/daily-files.md.
type dayLine struct {
	line
	Rows     int64           `json:"rows"`
	Total    string          `json:"total"`
	Hours    []int           `json:"hours"`
	Before   string          `json:"before"`
	Corrects string          `json:"corrects,omitempty"`
	Waived   string          `json:"waived,omitempty"`
	Carried  string          `json:"carried,omitempty"`
	Record   json.RawMessage `json:"record,omitempty"`
}

// item is what there is of a line: usage or what another day carried, which has a total;
// what stands of the revision before; and what the file has.
type item struct {
	dayLine
	Reason   string // why it was carried
	Stood    bool
	Stated   string // the total of the revision before
	Reported bool   // with reporting on, so that even a quantity of zero was stated
	Have     []byte
	N        int64 // of the line in the file
}

// Add reads more of the line. What the day says of it now goes before what it said.
func (i item) Add(j item) item {
	if i.Total == "" && j.Total != "" {
		i.line, i.Hours = j.line, nil
	}
	if j.Total != "" {
		i.shown, i.Total, i.Rows, i.Hours, i.Reason = i.least(j.shown), plus(i.Total, j.Total), i.Rows+j.Rows, listOf(i.Hours, j.Hours), j.Reason
	}
	if j.Have != nil {
		i.Have, i.N = j.Have, j.N
	}
	return i
}

func put(to *sorter[item], i item) { to.put(keyOf(i.parts()...), i, 0) }

// readDay goes through a daily file. header and trailer are given to ends, its lines
// to each.
func (l *look) readDay(path, sum string, ends func(first bool, content []byte), each func(n int64, d dayLine, content []byte)) {
	body := l.open(path)
	defer body.Close()
	src, last := newSource(body), ""
	code := src.lines(func(t textLine) string {
		if t.n == 0 || t.last {
			ends(t.n == 0, t.content)
			return ""
		}
		var d dayLine
		err := json.Unmarshal(t.content, &d)
		key := keyOf(d.parts()...)
		need(err == nil && key > last, path, "line %d is not that of a daily file, or not in order", t.n)
		each(t.n, d, bytes.Clone(t.content))
		last = key
		return ""
	})
	need(code == "", path, "it is not a daily file: %s", code)
	_, _ = io.Copy(io.Discard, src.rest)
	must(src.err)
	checkSum(path, src.hex(), sum)
}

// compare holds the daily file against the lines that it must have and its records
// against the batches, and says what stands then.
func (r *revision) compare() {
	items := r.standing
	defer items.close()
	r.standing = &sorter[item]{dir: r.o.TempDir}
	if r.text("settlement") == "" { // usage reporting is off, and nobody was ever charged
		r.checkUsage()
		return
	}
	r.readDay(r.File, r.SHA256, r.ends, func(n int64, d dayLine, content []byte) {
		r.lines, r.rows = r.lines+1, r.rows+d.Rows
		put(items, item{dayLine: dayLine{line: d.line}, Have: content, N: n})
	})
	for u := range r.usage() {
		put(items, item{dayLine: dayLine{line: r.bill(u), Total: u.Quantity, Rows: u.Rows, Hours: []int{int(u.Hour % 24)}}})
	}
	r.readCarries(items)
	next, stop := iter.Pull2(r.sent())
	defer stop()
	for _, i := range items.all() {
		where := fmt.Sprintf("%s line %d", r.File, i.N)
		var have struct{ Record json.RawMessage }
		_ = json.Unmarshal(i.Have, &have) // it was read before, if it is there
		var o outcome
		if have.Record != nil {
			var record []byte
			r.records++
			record, o, _ = next()
			need(bytes.Equal(record, have.Record), where, "the batches do not have its record in this place")
		}
		named := fmt.Sprintf("meter %s of %s, charged to %s as %s", i.MeterID, i.ResourceURI, i.Billing, i.Class)
		if !r.check(i.Total != "" || i.Stood, where, "there must be no line of %s", named) {
			continue
		}
		r.state(&i)
		if r.check(i.Have != nil, r.File, "it has no line of %s: total %s of %d rows", named, i.Total, i.Rows) {
			r.sameJSON(where, i.Have, encode(i.dayLine))
			if have.Record != nil && i.Record != nil {
				r.sameJSON(where+" record", have.Record, i.Record)
			}
		}
		r.stands(i, o)
	}
	_, _, more := next()
	need(!more, r.File, "the batches have more records than the daily file")
}

// state makes of what there is of a line the line that the file must have.
func (r *revision) state(i *item) {
	off, waives := r.off || i.Reporting == "off", r.waives
	if off {
		waives = ""
	}
	i.Total, i.Before, i.Hours = plus(i.Total, ""), plus(i.Before, ""), listOf(i.Hours)
	difference := minus(i.Total, i.Before)
	i.Waived = waived(waives, i.Waived, difference)
	difference = minus(difference, i.Waived)
	switch {
	case off:
	case r.carriedTo != "":
		i.Carried = first(finding{sign(difference) != 0, difference})
	case waives != "all" && (sign(difference) != 0 || i.Rows > 0 && !i.Reported):
		kind := first(finding{i.Corrects != "", "correction"}, finding{i.From != "", "carryForward"}, finding{true, "usage"})
		i.Record = r.record(i.line, i.Hours, kind, i.Corrects, i.Reason, difference)
	}
}

// waived is what of a difference is not billed, by an operator's decision: all of it,
// none, or what was before, which is never more than the difference.
func waived(waives, before, difference string) string {
	switch {
	case sign(difference) == 0 || waives == "none" || waives == "" && sign(before) != sign(difference):
		return ""
	case waives == "all" || sign(minus(difference, before)) == -sign(difference):
		return difference
	}
	return before
}

// stands keeps what stands of a line for the next revision: with what commerce said of
// its record, or what was carried.
func (r *revision) stands(i item, o outcome) {
	now := item{dayLine: dayLine{line: i.line, Hours: i.Hours, Before: i.Before, Corrects: i.Corrects, Waived: plus(i.Waived, o.Waived)}, Stood: true, Stated: i.Total}
	if o.Stands {
		now.Before, now.Corrects = plus(now.Before, o.Quantity), o.RecordID
	}
	if i.Carried != "" {
		r.carried++
		now.Before, now.Corrects = plus(now.Before, i.Carried), cmp.Or(now.Corrects, r.recordID(i.line)) // the id that the record would have had
	}
	if i.Waived != "" {
		r.waived++
	}
	now.Reported = !r.off || now.Corrects != ""
	put(r.standing, now)
}

// ends checks header and trailer of the file. That a revision waives its differences is
// said in the header alone: an operator asked for it.
func (r *revision) ends(first bool, content []byte) {
	if !first {
		r.sameJSON(r.File+" trailer", content, object("trailer", map[string]int64{"lines": r.lines, "rows": r.rows}))
		return
	}
	reason := ""
	var have struct{ Waived string }
	_ = json.Unmarshal(content, &have)
	if r.waives = have.Waived; r.text("settle") == "all" {
		r.waives = "none"
	} else if r.waives != "all" || r.text("restate") == "" {
		r.waives = ""
	}
	if r.carriedTo != "" {
		reason = r.text("reason")
	}
	r.sameJSON(r.File+" header", content, object("format", "stackusage-day/1", "cloudId", r.cloudID, "usageDay", dashedDay(r.day), "revision", r.number,
		"billingModel", r.text("billingModel"), "billingSubscriptionId", r.text("billingSubscriptionId"), "reporting?", r.text("reporting"), "missingHours?", r.missing(),
		"inputs", r.raw["inputs"], "carries?", r.raw["carries"], "carriedTo?", dashedDay(r.carriedTo), "reason?", reason, "waived?", r.waives))
}

func (r *revision) missing() (hours []time.Time) {
	for _, at := range strings.Split(r.text("missingHours"), ",") {
		if t, err := time.Parse("2006010215", at); err == nil {
			hours = append(hours, t)
		}
	}
	return hours
}

// usage goes through the usage of the inputs, in order of key.
func (r *revision) usage() iter.Seq[usage] {
	return func(yield func(usage) bool) {
		for _, u := range r.look.rows.all() {
			if slices.Contains(r.keys, u.Input) && !yield(u) {
				return
			}
		}
	}
}

// readCarries reads what other days carried into this one.
func (r *revision) readCarries(items *sorter[item]) {
	for _, c := range r.Carries {
		var head struct{ CloudID, UsageDay, CarriedTo, Reason string }
		r.readDay(c.File, c.SHA256, func(first bool, content []byte) {
			_ = json.Unmarshal(content, &head) // a trailer says nothing of these
			need(head.CloudID+head.UsageDay+head.CarriedTo == r.cloudID+c.UsageDay+dashedDay(r.day), c.File, "it is not the daily file of %s that is carried to the day", c.UsageDay)
		}, func(_ int64, d dayLine, _ []byte) {
			if d.From = cmp.Or(d.From, c.UsageDay); d.Carried != "" {
				put(items, item{dayLine: dayLine{line: d.line, Total: d.Carried, Hours: d.Hours}, Reason: head.Reason})
			}
		})
	}
}

// checkUsage holds a daily file against the usage alone: usage reporting is off, and
// nobody has been charged yet. What is used is more than nothing, what is in the file
// less.
func (r *revision) checkUsage() {
	file, balance := r.File, &sorter[item]{dir: r.o.TempDir}
	defer balance.close()
	r.readDay(file, r.SHA256, r.ends, func(n int64, d dayLine, _ []byte) {
		r.lines, r.rows = r.lines+1, r.rows+d.Rows
		need(d.Total != "" && d.Record == nil && d.Carried == "", file, "line %d charges somebody, or has no total", n)
		put(r.standing, item{dayLine: dayLine{line: d.line, Hours: d.Hours}, Stood: true, Stated: d.Total})
		if d.Rows > 0 {
			balance.put(keyOf(d.key()...), item{dayLine: dayLine{Total: minus("", d.Total), Rows: -d.Rows}}, 0)
		}
	})
	for u := range r.usage() {
		balance.put(keyOf(u.key()...), item{dayLine: dayLine{Total: u.Quantity, Rows: u.Rows}}, 0)
	}
	for key, i := range balance.all() {
		r.check(i.Rows == 0 && sign(i.Total) == 0, file, "its lines of %q have %s less than the usage, of %d rows", key, i.Total, i.Rows)
	}
}

// checkStanding: commerce has accepted what the last revision states, but for what
// was carried and waived; or the day is open, and says that it is declined.
func (l *look) checkStanding(last *revision) {
	if len(l.waiting) > 0 || last.text("reporting") == "off" || l.isOpen() {
		return
	}
	short := 0
	for _, i := range l.standing.all() {
		if i.Reporting == "" && plus(i.Before, i.Waived) != plus(i.Stated, "") {
			short++
		}
	}
	// Who records that a day is declined writes its row, then deletes that of the
	// revision: read in this order, one of the two is there.
	recorded := func() bool {
		return l.get(table.OpenDays, l.cloudID, last.Key).found() || l.get(table.OpenDays, l.cloudID, l.day).found()
	}
	switch m := l.mark; {
	case short == 0:
		l.check(!m.found(), m.where, "declined is %d; commerce accepted all of the last revision", m.count("declined"))
	case m.found(): // checkOpen has named it
	case recorded():
		l.waits(false, last.where, "%d lines state something else than what commerce accepted; the app was recording that when they were looked at", short)
	default:
		l.check(false, last.where, "%d lines state something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays", short)
	}
}
