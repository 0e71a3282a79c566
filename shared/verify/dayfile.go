package verify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/big"
	"strings"
	"time"

	"stackusage/shared/table"
)

// item is what there is of a line of a daily file.
type item struct {
	line
	Total  *big.Rat // of usage, or of what another day carried; nil: there is neither
	Rows   int64
	Hours  uint32
	Reason string  // why it was carried
	Stood  *stood  // after the revision before
	Have   *stored // in the file
}

// stood is what stands of a line after a revision.
type stood struct {
	Quantity, Waived, Total *big.Rat // Waived: that an operator decided not to bill
	RecordID                string   // the last record that stands
	Reported                bool     // with reporting on, so that even a quantity of zero was stated
}

type stored struct {
	N       int64
	Content []byte
}

// add takes in more of the line. What the day says of it now goes before what it said.
func (i item) add(j item) item {
	if i.Total == nil && j.Total != nil {
		i.line, i.Hours, i.Reason = j.line, 0, j.Reason
	}
	if j.Total != nil {
		i.Shown, i.Total, i.Rows, i.Hours = i.Shown.least(j.Shown), plus(i.Total, j.Total), i.Rows+j.Rows, i.Hours|j.Hours
	}
	i.Stood, i.Have = cmp.Or(i.Stood, j.Stood), cmp.Or(i.Have, j.Have)
	return i
}

func put(to *sorter[item], i item) { to.put(keyOf(i.parts()...), i, 0) }

// dayLine is a line of a daily file.
type dayLine struct {
	SubscriptionID, ResourceURI, MeterID, Location, Tags, AdditionalInfo          string
	BillingModel, BillingSubscriptionID, CommerceMeterID, MeterClass, CarriedFrom string
	Reporting, Total, Carried                                                     string
	Rows                                                                          int64
	Hours                                                                         []int
	Record                                                                        json.RawMessage
}

func (d dayLine) line() line {
	return line{
		Shown: shown{d.SubscriptionID, d.ResourceURI, d.MeterID, d.Location, d.Tags, d.AdditionalInfo}, Model: d.BillingModel, Billing: d.BillingSubscriptionID,
		Meter: d.CommerceMeterID, Class: d.MeterClass, Carried: strings.ReplaceAll(d.CarriedFrom, "-", ""), Reporting: d.Reporting,
	}
}

// readDay goes through a daily file. header and trailer are given to ends, its lines
// to each.
func (l *look) readDay(path, sum string, ends func(first bool, content []byte), each func(n int64, d dayLine, content []byte)) {
	body := l.open(l.App, path)
	defer body.Close()
	src, last := newSource(body), ""
	code := src.lines(func(t textLine) string {
		if t.n == 0 || t.last {
			ends(t.n == 0, t.content)
			return ""
		}
		var d dayLine
		err := json.Unmarshal(t.content, &d)
		key := keyOf(d.line().parts()...)
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

// dayFile holds a daily file against the lines that it must have and its records
// against the batches, and says what stands then.
type dayFile struct {
	*look
	revision *revision
	rules    rules
	waives   string // what it makes of quantities that operators decided not to bill: all of the difference, none, or empty: what was
	receipts []blobHash

	lines, rows, records, carried, waived int64
}

func (f *dayFile) compare() {
	r, items := f.revision, f.standing
	defer items.close()
	f.standing = &sorter[item]{dir: f.o.TempDir}
	if f.rules.unsettled {
		f.checkUsage()
		return
	}
	f.readDay(r.File, r.SHA256, f.ends, func(n int64, d dayLine, content []byte) {
		f.lines, f.rows = f.lines+1, f.rows+d.Rows
		put(items, item{line: d.line(), Have: &stored{n, content}})
	})
	for u := range f.usageIn(r) {
		put(items, item{line: f.rules.bill(u), Total: u.Quantity, Rows: u.Rows, Hours: 1 << (u.Hour % 24)})
	}
	f.readCarries(func(i item) { put(items, i) })
	next, stop := iter.Pull2(f.sent())
	defer stop()
	for _, i := range items.all() {
		where := r.File
		var have struct{ Record json.RawMessage }
		if i.Have != nil {
			where = fmt.Sprintf("%s line %d", r.File, i.Have.N)
			_ = json.Unmarshal(i.Have.Content, &have) // it was read before
		}
		var o outcome
		if have.Record != nil {
			var record []byte
			f.records++
			record, o, _ = next()
			need(bytes.Equal(record, have.Record), where, "the batches do not have its record in this place")
		}
		named := fmt.Sprintf("meter %s of %s, charged to %s as %s", i.Shown[meterID], i.Shown[resourceURI], i.Billing, i.Class)
		if i.Total == nil && i.Stood == nil {
			f.check(false, where, "there must be no line of %s", named)
			continue
		}
		want := f.state(i)
		if f.check(i.Have != nil, where, "it has no line of %s: total %s of %d rows", named, decimal(i.Total), i.Rows) {
			f.sameJSON(where, i.Have.Content, want.content)
			if have.Record != nil && want.record != nil {
				f.sameJSON(where+" record", have.Record, want.record)
			}
		}
		f.stands(i, want, have.Record != nil, o)
	}
	_, _, more := next()
	need(!more, r.File, "the batches have more records than the daily file")
}

// ends checks header and trailer of the file. That a revision waives its differences is
// said in the header alone: an operator asked for it.
func (f *dayFile) ends(first bool, content []byte) {
	if !first {
		f.sameJSON(f.revision.File+" trailer", content, object("trailer", map[string]int64{"lines": f.lines, "rows": f.rows}))
		return
	}
	r, reason := f.revision, ""
	var have struct{ Waived string }
	_ = json.Unmarshal(content, &have)
	if f.waives = have.Waived; r.text("settle") == "all" {
		f.waives = "none"
	} else if f.waives != "all" || r.text("restate") == "" {
		f.waives = ""
	}
	if r.carriedTo != "" {
		reason = r.text("reason")
	}
	f.sameJSON(r.File+" header", content, object("format", "stackusage-day/1", "cloudId", f.cloudID, "usageDay", dashedDay(f.day), "revision", f.rules.number,
		"billingModel", r.text("billingModel"), "billingSubscriptionId", r.text("billingSubscriptionId"), "reporting?", r.text("reporting"), "missingHours?", f.missing(),
		"inputs", append([]listed{}, r.Inputs...), "carries?", r.Carries, "carriedTo?", dashedDay(r.carriedTo), "reason?", reason, "waived?", f.waives))
}

func (f *dayFile) missing() (hours []time.Time) {
	for _, at := range strings.Split(f.revision.text("missingHours"), ",") {
		if t, err := time.Parse("2006010215", at); err == nil {
			hours = append(hours, t)
		}
	}
	return hours
}

// usageIn goes through the usage of a revision's inputs, in order of key.
func (l *look) usageIn(r *revision) iter.Seq[usage] {
	in := map[string]bool{}
	for _, i := range r.Inputs {
		in[i.key()] = true
	}
	return func(yield func(usage) bool) {
		for _, u := range l.rows.all() {
			if in[u.Input] && !yield(u) {
				return
			}
		}
	}
}

// readCarries goes through what other days carried into this one.
func (f *dayFile) readCarries(each func(item)) {
	for _, c := range f.revision.Carries {
		var head struct{ CloudID, UsageDay, CarriedTo, Reason string }
		f.readDay(c.File, c.SHA256, func(first bool, content []byte) {
			_ = json.Unmarshal(content, &head) // a trailer says nothing of these
			need(head.CloudID+head.UsageDay+head.CarriedTo == f.cloudID+c.UsageDay+dashedDay(f.day), c.File, "it is not the daily file of %s that is carried to the day", c.UsageDay)
		}, func(_ int64, d dayLine, _ []byte) {
			if d.Carried != "" {
				i := item{line: d.line(), Total: rational(d.Carried), Hours: setOf(d.Hours), Reason: head.Reason}
				i.Carried = cmp.Or(i.Carried, strings.ReplaceAll(c.UsageDay, "-", ""))
				each(i)
			}
		})
	}
}

// checkUsage holds a daily file against the usage alone: usage reporting is off, and
// nobody has been charged yet. What is used is more than nothing, what is in the file
// less.
func (f *dayFile) checkUsage() {
	file, balance := f.revision.File, &sorter[item]{dir: f.o.TempDir}
	defer balance.close()
	f.readDay(file, f.revision.SHA256, f.ends, func(n int64, d dayLine, _ []byte) {
		f.lines, f.rows = f.lines+1, f.rows+d.Rows
		total := rational(d.Total)
		need(total != nil && d.Record == nil && d.Carried == "", file, "line %d charges somebody, or has no total", n)
		put(f.standing, item{line: d.line(), Hours: setOf(d.Hours), Stood: &stood{Total: total}})
		if d.Rows > 0 {
			balance.put(keyOf(d.line().Shown.normal()...), item{Total: minus(nil, total), Rows: -d.Rows}, 0)
		}
	})
	for u := range f.usageIn(f.revision) {
		balance.put(keyOf(u.Shown.normal()...), item{line: line{Shown: u.Shown}, Total: u.Quantity, Rows: u.Rows}, 0)
	}
	for key, i := range balance.all() {
		f.check(i.Rows == 0 && i.Total.Sign() == 0, file, "its lines of %q have %s less than the usage, of %d rows", key, decimal(i.Total), i.Rows)
	}
}

// checkStanding: commerce has accepted what the last revision states, but for what
// was carried and waived; or the day is open, and says that it is declined.
func (l *look) checkStanding() {
	last := l.revisions[len(l.revisions)-1]
	if len(l.waiting) > 0 || last.text("reporting") == "off" || l.isOpen() {
		return
	}
	short := 0
	for _, i := range l.standing.all() {
		if s := i.Stood; i.Reporting == "" && decimal(plus(s.Quantity, s.Waived)) != decimal(s.Total) {
			short++
		}
	}
	if short == 0 {
		l.check(!l.mark.found(), l.mark.where, "declined is %d; commerce accepted all of the last revision", l.mark.count("declined"))
		return
	}
	going := l.get(table.OpenDays, l.cloudID, last.Key).found() // the mark of the revision goes after the day's says declined
	l.check(l.mark.found() || going, last.where, "%d lines state something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays", short)
	l.waits(l.mark.found() || !going, last.where, "%d lines state something else than commerce accepted, and its row of OpenDays is still there", short)
}
