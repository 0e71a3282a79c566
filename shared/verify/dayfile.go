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
	"stackusage/shared/verify/billing"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/extsort"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/hourblob"
)

func put(to *extsort.Sorter[billing.Item], i billing.Item) { to.Put(extsort.KeyOf(i.Parts()...), i, 0) }

// readDay goes through a daily file. header and trailer are given to ends, its lines
// to each.
func (l *look) readDay(path, sum string, ends func(first bool, content []byte), each func(n int64, d billing.DayLine, content []byte)) {
	body := l.Blob(path)
	defer body.Close()
	src, last := hourblob.NewSource(body), ""
	code := src.Lines(func(t hourblob.TextLine) string {
		if t.N == 0 || t.Last {
			ends(t.N == 0, t.Content)
			return ""
		}
		var d billing.DayLine
		err := json.Unmarshal(t.Content, &d)
		key := extsort.KeyOf(d.Parts()...)
		evidence.Need(err == nil && key > last, path, "line %d is not that of a daily file, or not in order", t.N)
		each(t.N, d, bytes.Clone(t.Content))
		last = key
		return ""
	})
	evidence.Need(code == "", path, "it is not a daily file: %s", code)
	_, _ = io.Copy(io.Discard, src.Rest)
	evidence.Must(src.Err)
	evidence.CheckSum(path, src.Hex(), sum)
}

// compare holds the daily file against the lines that it must have and its records
// against the batches, and says what stands then.
func (r *revision) compare() {
	items := r.standing
	defer items.Close()
	r.standing = &extsort.Sorter[billing.Item]{Dir: r.o.TempDir}
	if r.Text("settlement") == "" { // usage reporting is off, and nobody was ever charged
		r.checkUsage()
		return
	}
	r.readDay(r.File, r.SHA256, r.ends, func(n int64, d billing.DayLine, content []byte) {
		r.lines, r.rows = r.lines+1, r.rows+d.Rows
		put(items, billing.Item{DayLine: billing.DayLine{Line: d.Line}, Have: content, N: n})
	})
	for u := range r.usage() {
		put(items, billing.Item{DayLine: billing.DayLine{Line: r.Bill(u), Total: u.Quantity, Rows: u.Rows, Hours: []int{int(u.Hour % 24)}}})
	}
	r.readCarries(items)
	next, stop := iter.Pull2(r.sent())
	defer stop()
	for _, i := range items.All() {
		where := fmt.Sprintf("%s line %d", r.File, i.N)
		var have struct{ Record json.RawMessage }
		_ = json.Unmarshal(i.Have, &have) // it was read before, if it is there
		var o outcome
		if have.Record != nil {
			var record []byte
			r.records++
			record, o, _ = next()
			evidence.Need(bytes.Equal(record, have.Record), where, "the batches do not have its record in this place")
		}
		named := fmt.Sprintf("meter %s of %s, charged to %s as %s", i.MeterID, i.ResourceURI, i.Billing, i.Class)
		if !r.Check(i.Total != "" || i.Stood, where, "there must be no line of %s", named) {
			continue
		}
		r.state(&i)
		if r.Check(i.Have != nil, r.File, "it has no line of %s: total %s of %s", named, i.Total, form.Count(i.Rows, "row", "rows")) {
			r.SameJSON(where, i.Have, form.Encode(i.DayLine))
			if have.Record != nil && i.Record != nil {
				r.SameJSON(where+" record", have.Record, i.Record)
			}
		}
		r.stands(i, o)
	}
	_, _, more := next()
	evidence.Need(!more, r.File, "the batches have more records than the daily file")
}

// state makes of what there is of a line the line that the file must have.
func (r *revision) state(i *billing.Item) {
	off, waives := r.off || i.Reporting == "off", r.waives
	if off {
		waives = ""
	}
	i.Total, i.Before, i.Hours = form.Plus(i.Total, ""), form.Plus(i.Before, ""), form.ListOf(i.Hours)
	difference := form.Minus(i.Total, i.Before)
	i.Waived = billing.Waived(waives, i.Waived, difference)
	difference = form.Minus(difference, i.Waived)
	switch {
	case off:
	case r.carriedTo != "":
		i.Carried = cmp.Or(form.When(form.Sign(difference) != 0, difference))
	case waives != "all" && (form.Sign(difference) != 0 || i.Rows > 0 && !i.Reported):
		kind := cmp.Or(form.When(i.Corrects != "", "correction"), form.When(i.From != "", "carryForward"), form.When(true, "usage"))
		i.Record = r.Record(i.Line, i.Hours, kind, i.Corrects, i.Reason, difference)
	}
}

// stands keeps what stands of a line for the next revision: with what commerce said of
// its record, or what was carried.
func (r *revision) stands(i billing.Item, o outcome) {
	now := billing.Item{DayLine: billing.DayLine{Line: i.Line, Hours: i.Hours, Before: i.Before, Corrects: i.Corrects, Waived: form.Plus(i.Waived, o.Waived)}, Stood: true, Stated: i.Total}
	if o.Stands {
		now.Before, now.Corrects = form.Plus(now.Before, o.Quantity), o.RecordID
	}
	if i.Carried != "" {
		r.carried++
		now.Before, now.Corrects = form.Plus(now.Before, i.Carried), cmp.Or(now.Corrects, r.RecordID(i.Line)) // the id that the record would have had
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
		r.SameJSON(r.File+" trailer", content, form.Object("trailer", map[string]int64{"lines": r.lines, "rows": r.rows}))
		return
	}
	reason := ""
	var have struct{ Waived string }
	_ = json.Unmarshal(content, &have)
	if r.waives = have.Waived; r.Text("settle") == "all" {
		r.waives = "none"
	} else if r.waives != "all" || r.Text("restate") == "" {
		r.waives = ""
	}
	if r.carriedTo != "" {
		reason = r.Text("reason")
	}
	r.SameJSON(r.File+" header", content, form.Object("format", "stackusage-day/1", "cloudId", r.CloudID, "usageDay", form.DashedDay(r.Day), "revision", r.Number,
		"billingModel", r.Text("billingModel"), "billingSubscriptionId", r.Text("billingSubscriptionId"), "reporting?", r.Text("reporting"), "missingHours?", r.missing(),
		"inputs", r.raw["inputs"], "carries?", r.raw["carries"], "carriedTo?", form.DashedDay(r.carriedTo), "reason?", reason, "waived?", r.waives))
}

func (r *revision) missing() (hours []time.Time) {
	for _, at := range strings.Split(r.Text("missingHours"), ",") {
		if t, err := time.Parse("2006010215", at); err == nil {
			hours = append(hours, t)
		}
	}
	return hours
}

// usage goes through the usage of the inputs, in order of key.
func (r *revision) usage() iter.Seq[hourblob.Usage] {
	return func(yield func(hourblob.Usage) bool) {
		for _, u := range r.look.rows.All() {
			if slices.Contains(r.keys, u.Input) && !yield(u) {
				return
			}
		}
	}
}

// readCarries reads what other days carried into this one.
func (r *revision) readCarries(items *extsort.Sorter[billing.Item]) {
	for _, c := range r.Carries {
		var head struct{ CloudID, UsageDay, CarriedTo, Reason string }
		r.readDay(c.File, c.SHA256, func(first bool, content []byte) {
			_ = json.Unmarshal(content, &head) // a trailer says nothing of these
			evidence.Need(head.CloudID+head.UsageDay+head.CarriedTo == r.CloudID+c.UsageDay+form.DashedDay(r.Day), c.File, "it is not the daily file of %s that is carried to the day", c.UsageDay)
		}, func(_ int64, d billing.DayLine, _ []byte) {
			if d.From = cmp.Or(d.From, c.UsageDay); d.Carried != "" {
				put(items, billing.Item{DayLine: billing.DayLine{Line: d.Line, Total: d.Carried, Hours: d.Hours}, Reason: head.Reason})
			}
		})
	}
}

// checkUsage holds a daily file against the usage alone: usage reporting is off, and
// nobody has been charged yet. What is used is more than nothing, what is in the file
// less.
func (r *revision) checkUsage() {
	file, balance := r.File, &extsort.Sorter[billing.Item]{Dir: r.o.TempDir}
	defer balance.Close()
	r.readDay(file, r.SHA256, r.ends, func(n int64, d billing.DayLine, _ []byte) {
		r.lines, r.rows = r.lines+1, r.rows+d.Rows
		evidence.Need(d.Total != "" && d.Record == nil && d.Carried == "", file, "line %d charges somebody, or has no total", n)
		put(r.standing, billing.Item{DayLine: billing.DayLine{Line: d.Line, Hours: d.Hours}, Stood: true, Stated: d.Total})
		if d.Rows > 0 {
			balance.Put(extsort.KeyOf(d.Key()...), billing.Item{DayLine: billing.DayLine{Total: form.Minus("", d.Total), Rows: -d.Rows}}, 0)
		}
	})
	for u := range r.usage() {
		balance.Put(extsort.KeyOf(u.Key()...), billing.Item{DayLine: billing.DayLine{Total: u.Quantity, Rows: u.Rows}}, 0)
	}
	for key, i := range balance.All() {
		r.Check(i.Rows == 0 && form.Sign(i.Total) == 0, file, "its lines of %q have %s less than the usage, of %s", key, i.Total, form.Count(i.Rows, "row", "rows"))
	}
}

// checkStanding: commerce has accepted what the last revision states, but for what
// was carried and waived; or the day is open, and says that it is declined.
func (l *look) checkStanding(last *revision) {
	if len(l.waiting) > 0 || last.Text("reporting") == "off" || l.isOpen() {
		return
	}
	short := 0
	for _, i := range l.standing.All() {
		if i.Reporting == "" && form.Plus(i.Before, i.Waived) != form.Plus(i.Stated, "") {
			short++
		}
	}
	// Who records that a day is declined writes its row, then deletes that of the
	// revision: read in this order, one of the two is there.
	recorded := func() bool {
		return l.Get(table.OpenDays, l.cloudID, last.Key).Found() || l.Get(table.OpenDays, l.cloudID, l.day).Found()
	}
	switch m := l.mark; {
	case short == 0:
		l.Check(!m.Found(), m.Where, "declined is %d; commerce accepted all of the last revision", m.Count("declined"))
	case m.Found(): // checkOpen has named it
	case recorded():
		l.Waits(false, last.Where, "%s something else than what commerce accepted; the app was recording that when they were looked at", form.Count(short, "line states", "lines state"))
	default:
		l.Check(false, last.Where, "%s something else than what commerce accepted, was carried and was waived, and the day is not in OpenDays", form.Count(short, "line states", "lines state"))
	}
}
