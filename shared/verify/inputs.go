package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// input is a row of DayInputs: a file with rows of the day.
type input struct {
	table.Row
	where       string
	name        blobName
	read        bool
	rows, lines int64 // of the day
	region      string
	own         []string // the stack's own subscriptions, by its header
	counts      bool     // its hour does
	pending     bool     // that may be about to change
}

func (l *look) readInputs() {
	l.inputs, l.carries = map[string]*input{}, map[string]table.Row{}
	for row := range l.list(table.DayInputs, l.partition(), "") {
		if strings.HasPrefix(row.Key, "carry_") {
			l.carries[row.Key] = row
			continue
		}
		at, sha16, _ := strings.Cut(row.Key, "_")
		t, err := time.Parse("2006010215", at)
		in := &input{Row: row, where: place(table.DayInputs, row), name: blobName{cloudID: l.cloudID, hour: hourOf(t), sha16: sha16}}
		if err != nil || len(sha16) != 16 {
			l.differs(in.where, "its key is not <reported hour>_<hash of the hour blob>")
			continue
		}
		l.inputs[row.Key] = in
	}
}

// hourOf reads what became of an input's hour: its file and its pointer.
func (l *look) hourOf(in *input) (row, pointer table.Row) {
	partition, key := l.cloudID+"_"+in.name.hour.day(), in.name.key()
	if partition == l.partition() {
		return l.files[key], l.pointers[key[:2]]
	}
	row, _ = l.get(table.UsageHours, partition, key)
	pointer, _ = l.get(table.UsageHours, partition, key[:2])
	return row, pointer
}

// gathered is a row of usage of the day, and the input that has it.
type gathered struct {
	usage
	Input string
}

func compareRows(a, b gathered) int {
	return cmp.Or(slices.Compare(keyOf(a.Shown), keyOf(b.Shown)), cmp.Compare(a.Input, b.Input), cmp.Compare(a.Hour, b.Hour))
}

func (l *look) gather(key string, u usage) {
	if in := l.inputs[key]; in != nil && u.Hour.day() == l.day {
		in.rows++
		l.rows.put(gathered{u, key}, 300+len(strings.Join(u.Shown[:], "")))
	}
}

// checkInputs gathers the usage of inputs that were reported on later days, says
// which inputs count, and compares what DayInputs says of each with its rows.
func (l *look) checkInputs() {
	for _, key := range slices.Sorted(maps.Keys(l.inputs)) {
		in := l.inputs[key]
		row, pointer := l.hourOf(in)
		verdict, challenger := text(row.Props, "verdict"), text(pointer.Props, "challenger")
		in.counts = verdict == "counted" && text(pointer.Props, "counts") == in.name.sha16
		in.pending = challenger != "" && (in.counts || challenger == in.name.sha16) || verdict == "" ||
			verdict == "unregistered" && pointer.Key == "" // beside another it counts only by a decision
		if !in.read {
			l.try(func() {
				l.readUsage(&file{name: in.name, Props: row.Props}, func(_ int64, u usage, code string) {
					if code == "" {
						l.gather(key, u)
					}
				})
			})
		}
	}
	var last *gathered
	for g := range l.rows.all() {
		if last == nil || compareRows(*last, g) != 0 {
			l.inputs[g.Input].lines++
		}
		last = &g
	}
	for _, in := range l.inputs {
		if !in.pending {
			l.columns(in.where, in.Props, table.Props{"rows": in.rows, "lines": in.lines})
		}
	}
}

// checkOpen: what counts is in the last revision, or the day is open; and it is
// open no longer than it may be.
func (l *look) checkOpen() {
	if l.mark != nil && count(l.mark.Props, "declined") > 0 {
		p := l.mark.Props
		l.waits(place(table.OpenDays, *l.mark), "commerce declined %d records of revision %d, since %s", count(p, "declined"), count(p, "declinedRevision"), show(when(p, "declinedSince")))
	}
	if l.isOpen() {
		l.checkDeadline()
		return
	}
	in := map[string]bool{}
	if n := len(l.revisions); n > 0 {
		last := l.revisions[n-1]
		for _, i := range last.Inputs {
			in[i.key()] = true
			if have := l.inputs[i.key()]; have != nil && !have.counts {
				l.differs(last.where, "input %s does not count, and the day is not in OpenDays", i.key())
			}
		}
		for _, c := range last.Carries {
			in[c.key()] = true
		}
		l.checkMissing()
	}
	if len(l.revisions) == 0 && !l.expected() { // nothing was used, and nothing had to be reported
		return
	}
	for key, have := range l.inputs {
		if have.pending {
			l.differs(have.where, "its hour is not decided, and the day is not in OpenDays")
		} else if have.counts && !in[key] {
			l.differs(have.where, "its hour counts, but is in no revision, and the day is not in OpenDays")
		}
	}
	for key, row := range l.carries {
		revision, ok := l.revisionOf(key)
		ours := !ok || text(revision.Props, "sha256") == text(row.Props, "sha256") // else another closer's file became the revision
		if ours && !in[key] {
			l.differs(place(table.DayInputs, row), "it is in no revision of the day, and the day is not in OpenDays")
		}
	}
}

// expected reports whether the day has usage, or an hour of it is to be reported.
func (l *look) expected() bool {
	for h := hourOf(startOf(l.day)); h < hourOf(endOf(l.day)); h++ {
		if l.book.expects(h) {
			return true
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(l.inputs)), func(in *input) bool { return in.counts && in.rows > 0 })
}

// checkMissing: each hour of the day that had to be reported is an input of its last
// revision, or is called missing, or was excluded.
func (l *look) checkMissing() {
	last := l.revisions[len(l.revisions)-1]
	if !when(last.Props, "statedAt").After(l.book.changed) {
		return // it was another calendar
	}
	known := text(last.Props, "missingHours")
	for _, i := range last.Inputs {
		known += "," + hourOf(i.ReportedHour).compact()
	}
	for h := hourOf(startOf(l.day)); h < hourOf(endOf(l.day)); h++ {
		pointer := l.pointers[h.compact()[8:]].Props
		if l.book.expects(h) && !strings.Contains(known, h.compact()) && !(pointer != nil && text(pointer, "counts") == "") {
			l.differs(last.where, "the reported hour %s is neither among its inputs nor missing", h.compact())
		}
	}
}

// checkDeadline: a day closes CLOSE_DELAY after the latest of its end, the moment
// the registration was made or changed, and its first landing; one that was opened
// again, as long after that. Two hours later the app itself calls it overdue.
func (l *look) checkDeadline() {
	where, p := place(table.OpenDays, *l.mark), l.mark.Props
	since := when(p, "since")
	if n := len(l.revisions); n > 0 {
		since = later(later(later(since, when(p, "lastLanding")), when(p, "restateAt")), when(l.revisions[n-1].Props, "statedAt"))
	}
	deadline := later(later(endOf(l.day), l.book.changed), since).Add(l.o.CloseDelay + 2*time.Hour)
	if len(l.book.entries) > 0 && l.o.Now.After(deadline) {
		l.differs(where, "the day is still open; it had to close by %s", show(deadline))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
