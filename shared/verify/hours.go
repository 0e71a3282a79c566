package verify

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

var hourBlobName = regexp.MustCompile(`^(\d{4})/(\d{2})/(\d{2})/(\d{2})-([0-9a-f]{16})\.ndjson\.gz$`)

// landed lists the hour blobs of the day that landed long enough ago to have a
// verdict, by RowKey of UsageHours.
func (l *look) landed() (keys []string) {
	container := "landing-" + l.cloudID
	if slices.Contains(l.containers, container) {
		must(l.Landing.ListPrefix(l.ctx, container, startOf(l.day).Format("2006/01/02/"), func(name string, storedAt time.Time) error {
			if m := hourBlobName.FindStringSubmatch(name); m != nil && storedAt.Add(l.o.SweepGrace).Before(l.o.Now) {
				keys = append(keys, m[4]+"_"+m[5])
			}
			return nil
		}))
	}
	return keys
}

func (l *look) readHours() {
	l.files, l.pointers = map[string]row{}, map[string]row{}
	for r := range l.list(table.UsageHours, l.partition(), "") {
		if len(r.Key) == 2 {
			l.pointers[r.Key] = r
		} else {
			l.files[r.Key] = r
		}
	}
}

func among(text string, list ...string) bool { return slices.Contains(list, text) }

// checkHours holds each file and each hour of the day against the blobs.
func (l *look) checkHours() {
	hours := map[string][]*file{}
	for _, key := range slices.Sorted(maps.Keys(l.files)) {
		l.try(func() { hours[key[:2]] = append(hours[key[:2]], l.checkFile(l.files[key])) })
		l.out.Files++
	}
	for hh, p := range l.pointers {
		names, verdicts, but := p.text("counts"), []string{"counted"}, []string{"counts", "challenger", "excluded", "excludedBy"}
		if names == "" { // the hour is excluded
			names, verdicts = p.text("excluded"), []string{"excluded", "unregistered"}
		}
		if p.text("challenger") == "-" { // it is about to be
			but = append(but, "decision", "decisionReason", "decidedBy", "decidedAt", "earlier")
		}
		f := l.files[hh+"_"+names]
		if l.check(among(f.text("verdict"), verdicts...), p.where, "it names %q, and the verdict of that blob is %q", names, f.text("verdict")) {
			l.same(p.where, p.Props, only(p.Props, f.Props, but...))
		}
	}
	for _, files := range hours {
		for _, f := range files {
			l.try(func() { l.checkVerdict(f, files) })
		}
	}
}

// checkFile reads the blob of a row, gathers what was used on the day, and
// compares the rejected rows of one that counts with Quarantine.
func (l *look) checkFile(r row) *file {
	f := newFile(r)
	need(f.path == r.text("blob"), f.where, "blob is %q, which is the name of another one", r.text("blob"))
	rejected, refusals := &sorter[pair]{dir: l.o.TempDir}, f.text("refusals")
	defer rejected.close()
	l.readUsage(f, func(n int64, code string) {
		line := fmt.Sprint(n)
		rejected.put(fmt.Sprintf("%s_%010d", r.Key, n), pair{Must: props{"line": line, "code": code, "blob": f.path, "bytes": refusals}}, 500)
	})
	if f.text("verdict") != "counted" {
		return f
	}
	if f.rejected > 0 {
		l.try(func() { l.readFile(refusals, "") })
	}
	// Rows of an earlier reading of the same blob name another file of their bytes.
	l.sameRows(table.Quarantine, r.Key, rejected, func(r row) bool { return r.text("bytes") == refusals },
		"status", "reason", "decidedBy", "decisionReason", "decidedAt")
	return f
}

// openHour opens an hour blob.
func (l *look) openHour(f *file) io.ReadCloser {
	if f.corrected {
		return l.open(l.App, f.path)
	}
	return l.open(l.Landing, f.path)
}

// readUsage gathers the usage of a file, and gives each row that is rejected to each.
func (l *look) readUsage(f *file, each func(n int64, code string)) {
	body := l.openHour(f)
	defer body.Close()
	in := l.inputs[f.hour.compact()+"_"+f.sha16]
	f.read(body, func(row textLine) {
		u, code := readRow(row.content, f.hour)
		if code == "" && f.Region == "" && u.Shown.normal()[location] == "" {
			// The registration of the day on which it was ingested may name the location. Quarantine tells.
			r := l.get(table.Quarantine, f.Partition, fmt.Sprintf("%s_%010d", f.Key, row.n))
			code = first(finding{r.text("code") == "LocationMissing" || l.book.on(u.Hour.day()).text("region") == "", "LocationMissing"})
		}
		if code = cmp.Or(code, first(finding{f.Corrects.leavesOut(row.n), "LeftOut"})); code != "" {
			f.rejected++
			each(row.n, code)
			return
		}
		f.accepted++
		f.days[u.Hour.day()]++
		if in != nil && u.Hour.day() == l.day {
			u.Rows, u.Input = 1, in.Key
			l.rows.put(keyOf(append(u.Shown.normal(), in.Key, u.Hour.compact())...), u, 0)
		}
	})
	if in != nil {
		in.read = true
		l.observe(in, f.header)
	}
	if f.hour.start().After(f.when("landedAt")) { // it ends more than an hour after it landed
		f.code = "HourNotOver"
	}
}

// once reports whether the file counts, or counted once: one that an end took out is
// unregistered.
func (f *file) once() bool {
	return among(f.text("verdict"), "counted", "voided", "excluded") || f.text("decision") == "exclude"
}

// checkVerdict derives what became of a file. others are the files of its hour.
func (l *look) checkVerdict(f *file, others []*file) {
	verdict, pointer := f.text("verdict"), l.pointers[f.Key[:2]]
	swept := l.o.Now.After(later(l.book.changed, f.when("landedAt")).Add(l.o.SweepGrace + time.Hour)) // since it could be registered
	accepts := l.book.accepts(f.hour, l.o.SettlingHours)
	twin, rival := false, pointer.text("counts") == "" && pointer.text("excluded") != "" // with the same rows; with others
	for _, o := range others {
		twin = twin || o != f && o.once() && o.rowSet == f.rowSet
		rival = rival || o != f && o.once() && o.rowSet != f.rowSet
	}
	decided := f.text("decision") != "" && f.text("decisionReason") != "" && f.text("decidedBy") != "" && !f.when("decidedAt").IsZero()
	code, limit := f.text("code"), f.count("limit") // which may be another now
	overLimit := code == "TooLarge" && f.unpacked > limit || code == "TooManyRows" && f.records > limit
	read := !among(verdict, "unregistered", "rejected")
	wrong := first(
		finding{verdict == "unregistered" && accepts && swept, "the registration accepts the hour"},
		finding{verdict == "rejected" && (f.code != code || code == "") && !overLimit, fmt.Sprintf("its code is %q, must be %q", code, f.code)},
		finding{read && f.code != "", f.path + " must be rejected: " + f.code},
		finding{verdict == "counted" && !accepts && swept, "the registration does not accept the hour"},
		finding{verdict == "duplicate" && !twin, "no file of the hour that counts or counted has the same rows"},
		finding{read && f.corrected && (verdict == "duplicate" || !decided && f.text("earlier") == ""), "a corrected blob counts by a decision, or not at all"},
		finding{among(verdict, "conflict", "kept-out") && !rival && !f.corrected, "no file of the hour that counts or counted has other rows"},
		finding{among(verdict, "kept-out", "excluded", "voided") && !decided || verdict == "voided" && f.text("supersededBy") == "", "no operator decided it"},
		finding{read && !among(verdict, "counted", "duplicate", "conflict", "kept-out", "voided", "excluded"), "there is no such verdict"})
	l.check(wrong == "", f.where, "verdict is %q; %s", verdict, wrong)
	if !read || f.code != "" {
		return
	}
	must := props{"sha256": f.sha256, "rowSetHash": f.rowSet, "bytes": f.bytes, "records": f.records, "pages": f.pages}
	if verdict == "counted" {
		must["accepted"], must["quarantined"] = f.accepted, f.rejected
		l.checkCounted(f, pointer)
	}
	l.same(f.where, f.Props, must)
	if f.corrected {
		l.checkCorrected(f, others)
	}
}

// usageDays lists the days that the file is an input of as the column does.
func (f *file) usageDays() string {
	days := slices.Sorted(maps.Keys(f.days))
	if len(days) > 100 {
		return strings.Join(days[:100], ",") + fmt.Sprintf(",... (%d days)", len(days))
	}
	return strings.Join(days, ",")
}

// checkCounted: a file that counts is the one that its hour names, and an input of
// its own day, of each usage day of its rows, and, in the settling hours, of the day
// before.
func (l *look) checkCounted(f *file, pointer row) {
	l.out.Hours++
	l.out.Rows += f.records
	l.check(pointer.text("counts") == f.sha16, f.where, "verdict is counted, but the row of the hour names another file")
	f.days[l.day] += 0
	if f.text("usageDays") != f.usageDays() { // SETTLING_HOURS may have been another
		f.days[startOf(l.day).AddDate(0, 0, -1).Format("20060102")] += 0
		l.same(f.where, f.Props, props{"usageDays": f.usageDays()})
	}
	for day, rows := range f.days {
		r := l.get(table.DayInputs, l.cloudID+"_"+day, l.day+f.Key)
		l.check(r.found() && r.count("rows") == rows, r.where, "the hour counts and has %d rows of the day; it says %d, or is not there", rows, r.count("rows"))
	}
}
