package verify

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
	"stackusage/shared/verify/hourblob"
)

// input is a row of DayInputs: a file with rows of the day.
type input struct {
	evidence.Row
	read        bool
	rows, lines int64     // of the day
	content     hash.Hash // of the lines of its partial
	region      string
	own         []string // the stack's own subscriptions, by its header
	distance    string   // of the header from the end of the day: the least decides
	counts      bool     // its hour does
	pending     bool     // that may be about to change
}

func (l *look) readInputs() {
	l.inputs = map[string]*input{}
	for _, r := range l.dayInputs {
		at, sha16, _ := strings.Cut(r.Key, "_")
		_, err := time.Parse("2006010215", at)
		if at != "carry" && l.Check(err == nil && len(sha16) == 16, r.Where, "its key is not <reported hour>_<hash of the hour blob>") {
			l.inputs[r.Key] = &input{Row: r, content: sha256.New()}
		}
	}
}

// checkInputs gathers the usage of inputs that were reported on later days, says
// which inputs count, and compares what DayInputs says of each with its rows: it has
// a line for each key and hour.
func (l *look) checkInputs() {
	for _, name := range slices.Sorted(maps.Keys(l.inputs)) {
		in, partition, key := l.inputs[name], l.cloudID+"_"+name[:8], name[8:]
		r, pointer := l.hours[key], l.hours[key[:2]]
		if partition != l.partition() || !r.Found() {
			r, pointer = l.Get(table.UsageHours, partition, key), l.Get(table.UsageHours, partition, key[:2])
		}
		verdict, challenger, sha16 := r.Text("verdict"), pointer.Text("challenger"), key[3:]
		in.counts = verdict == "accepted" && pointer.Text("acceptedFile") == sha16
		in.pending = challenger != "" && (in.counts || challenger == sha16) || verdict == "" ||
			verdict == "unregistered" && !pointer.Found() // beside another it counts only by a decision
		if !in.read {
			l.Try(func() { l.readUsage(hourblob.NewFile(r), func(int64, string) {}) })
		}
	}
	for _, u := range l.rows.All() {
		in := l.inputs[u.Input]
		in.rows, in.lines = in.rows+u.Rows, in.lines+1
		fmt.Fprintf(in.content, "%s\n", form.Encode(struct {
			hourblob.Shown
			Quantity string `json:"quantity"`
			Hours    []int  `json:"hours"`
			Rows     int64  `json:"rows"`
		}{u.Shown, u.Quantity, []int{int(u.Hour % 24)}, u.Rows}))
	}
	for _, in := range l.inputs {
		must := evidence.Props{"rows": in.rows, "lines": in.lines, "content": fmt.Sprintf("%x", in.content.Sum(nil))}
		if in.Text("content") == "" { // of an earlier version
			delete(must, "content")
		}
		if !in.pending {
			l.Same(in.Where, in.Props, must)
		}
	}
}

// checkOpen: what counts is in the last revision, or the day is open; and it is
// open no longer than it may be.
func (l *look) checkOpen() {
	m := l.mark
	l.Waits(m.Count("declined") == 0, m.Where, "commerce declined %s of revision %d, since %s", form.Count(m.Count("declined"), "record", "records"), m.Count("declinedRevision"), form.Show(m.When("declinedSince")))
	in := map[string]bool{}
	switch n := len(l.revisions); {
	case l.isOpen():
		l.checkDeadline()
		return
	case n > 0:
		last := l.revisions[n-1]
		for _, key := range last.keys {
			in[key] = true
			have := l.inputs[key]
			l.Check(have == nil || have.counts, last.Where, "input %s does not count, and the day is not in OpenDays", key)
		}
		l.checkMissing(last)
	case !slices.ContainsFunc(l.hoursOfDay(), l.book.Expects) && !slices.ContainsFunc(slices.Collect(maps.Values(l.inputs)), func(in *input) bool { return in.counts && in.rows > 0 }):
		return // nothing was used, and nothing had to be reported
	}
	for key, have := range l.inputs {
		l.Check(!have.pending, have.Where, "its hour is not decided, and the day is not in OpenDays")
		l.Check(have.pending || !have.counts || in[key], have.Where, "its hour counts, but is in no revision, and the day is not in OpenDays")
	}
	for key, r := range l.dayInputs {
		if l.inputs[key] == nil && !in[key] {
			from := l.carrying(key)
			others := from.Found() && from.Text("sha256") != r.Text("sha256") // another closer's file became the revision
			l.Check(others, r.Where, "it is in no revision of the day, and the day is not in OpenDays")
		}
	}
}

// isOpen reports whether the day is to be closed, again: not only declined.
func (l *look) isOpen() bool {
	m := l.mark
	return m.Found() && (m.Count("declined") == 0 || m.Count("declinedRevision") != int64(len(l.revisions)) || m.Text("lastInput")+m.Text("restate") != "")
}

func (l *look) hoursOfDay() (hours []form.Hour) {
	for h := form.HourOf(form.StartOf(l.day)); h < form.HourOf(form.EndOf(l.day)); h++ {
		hours = append(hours, h)
	}
	return hours
}

// checkMissing: each hour of the day that had to be reported is an input of its last
// revision, or is called missing, or was excluded; unless it was another calendar.
func (l *look) checkMissing(last *revision) {
	known := last.Text("missingHours") + "," + strings.Join(last.keys, ",")
	for _, h := range l.hoursOfDay() {
		pointer := l.hours[h.Compact()[8:]]
		excluded := pointer.Found() && pointer.Text("acceptedFile") == ""
		l.Check(!l.book.Expects(h) || excluded || strings.Contains(known, h.Compact()) || !last.When("closedAt").After(l.book.Changed()),
			last.Where, "the reported hour %s is neither among its inputs nor missing", h.Compact())
	}
}

// checkDeadline: a day closes CLOSE_DELAY after the latest of its end, the moment
// the registration was made or changed, and its first landing; one that was opened
// again, as long after that. Two hours later the app itself calls it overdue.
func (l *look) checkDeadline() {
	m := l.mark
	since := m.When("since")
	if history.On(l.book["registration"], l.day).Count("deliveredEveryDays") > 0 {
		since = form.Later(since, m.When("lastLanding")) // the hours of a delivery land one by one
	}
	if n := len(l.revisions); n > 0 {
		since = form.Later(since, m.When("lastLanding"), m.When("restateAt"), l.revisions[n-1].When("closedAt"))
	}
	deadline := form.Later(since, form.EndOf(l.day), l.book.Changed()).Add(l.o.CloseDelay + 2*time.Hour)
	l.Check(len(l.book["registration"]) == 0 || !l.o.Now.After(deadline), m.Where, "the day is still open; it had to close by %s", form.Show(deadline))
}
