package verify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
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

func among(text string, list ...string) bool { return slices.Contains(list, text) }

// decided are the columns of a decision about a file.
var decided = []string{"decision", "decisionReason", "decidedBy", "decidedAt", "earlier"}

// checkHours holds each file and each hour of the day against the blobs.
func (l *look) checkHours() {
	hours := map[string][]*file{}
	for _, key := range slices.Sorted(maps.Keys(l.hours)) {
		if hh := fmt.Sprintf("%.2s", key); key != hh {
			l.try(func() { hours[hh] = append(hours[hh], l.checkFile(l.hours[key])) })
			l.out.Files++
		}
	}
	for hh, p := range l.hours {
		if len(hh) > 2 {
			continue
		}
		names, verdicts, but := p.text("counts"), []string{"counted"}, []string{"counts", "challenger", "excluded", "excludedBy"}
		if names == "" { // the hour is excluded
			names, verdicts = p.text("excluded"), []string{"excluded", "unregistered"}
			but = append(but, decided...) // its file may be decided about again, which does not change what counts
		}
		if p.text("challenger") == "-" { // it is about to be
			but = append(but, decided...)
		}
		f := l.hours[hh+"_"+names]
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
	rejected, refusals := &sorter[pair]{dir: l.o.TempDir}, f.text("rejectedFile")
	defer rejected.close()
	l.readUsage(f, func(n int64, code string) {
		line := fmt.Sprint(n)
		rejected.put(fmt.Sprintf("%s_%010d", r.Key, n), pair{Must: &props{"line": line, "code": code, "blob": f.path, "bytes": refusals}}, 500)
	})
	if f.text("verdict") != "counted" {
		return f
	}
	if f.rejected > 0 {
		l.try(func() { l.readFile(refusals, "", nil) })
	}
	// Rows of an earlier reading of the same blob name another file of their bytes.
	l.sameRows(table.Quarantine, r.Key, rejected, func(r row) bool { return r.text("bytes") == refusals },
		"status", "reason", "decidedBy", "decisionReason", "decidedAt")
	return f
}

// readUsage gathers the usage of a file, and gives each row that is rejected to each.
func (l *look) readUsage(f *file, each func(n int64, code string)) {
	body := l.open(f.path)
	defer body.Close()
	in := l.inputs[f.hour.compact()+"_"+f.sha16]
	f.read(body, func(row textLine) {
		u, code := readRow(row.content, f.hour)
		if code == "" && f.Region == "" && u.normal().Location == "" {
			// The registration of the day on which it was ingested may name the location. Quarantine tells.
			r := l.get(table.Quarantine, f.Partition, fmt.Sprintf("%s_%010d", f.Key, row.n))
			code = first(finding{r.text("code") == "LocationMissing" || on(l.book["registration"], u.Hour.day()).text("region") == "", "LocationMissing"})
		}
		if code = cmp.Or(code, first(finding{f.Corrects.leavesOut(row.n), "LeftOut"})); code != "" {
			f.rejected++
			each(row.n, code)
			return
		}
		f.accepted++
		f.days[u.Hour.day()]++
		if in != nil && u.Hour.day() == l.day {
			u.Input = in.Key
			l.rows.put(keyOf(append(u.key(), in.Key, u.Hour.compact())...), u, 0)
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
	verdict, pointer := f.text("verdict"), l.hours[f.Key[:2]]
	swept := l.o.Now.After(later(l.book.changed(), f.when("landedAt")).Add(l.o.SweepGrace + time.Hour)) // since it could be registered
	accepts := l.book.covers(f.hour, l.o.SettlingHours).found()
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
	l.out.Rows, l.out.Rejected = l.out.Rows+f.records, l.out.Rejected+f.rejected
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

// checkCorrected holds a corrected blob against the landed one that it names, and
// against the file whose place it was made to take. others are the files of its hour.
func (l *look) checkCorrected(f *file, others []*file) {
	root, wrong, landed := f.text("original"), "no other file is of the blob that it corrects", false
	for _, o := range others {
		if !o.corrected && o.sha16 == root {
			landed = true
			l.same(f.where, props{"corrects.original": f.Corrects.Original, "corrects.blob": f.Corrects.Blob, "records": f.records, "originalRowSetHash": f.text("originalRowSetHash")},
				props{"corrects.original": o.sha256, "corrects.blob": o.path, "records": o.records, "originalRowSetHash": o.rowSet})
		}
		if o != f && (o.sha16 == root || o.text("original") == root) && wrong != "" {
			wrong = l.correction(o, f)
		}
	}
	l.check(landed, f.where, "it corrects %q, and no such file landed", root)
	l.check(wrong == "", f.where, "%s", wrong)
}

// rowSums are the hashes of a row in two files, and whether the first one rejected it.
type rowSums struct {
	Was, Is  []byte
	Rejected bool
}

// Add puts together what is said of one row.
func (s rowSums) Add(t rowSums) rowSums {
	return rowSums{append(s.Was, t.Was...), append(s.Is, t.Is...), s.Rejected || t.Rejected}
}

// correction says why a blob does not correct a file; empty: it does. Each row is that
// of the file, unless it was rejected there and counts now; and the decision is the
// hash of the file, of the rows that an operator gave, and of the lines that do not
// count. He gave all that count now, or none: then they count as they came.
func (l *look) correction(from, to *file) (wrong string) {
	rows := &sorter[rowSums]{dir: l.o.TempDir}
	defer rows.close()
	for _, f := range []*file{from, to} {
		body := l.open(f.path)
		newSource(body).lines(func(t textLine) string {
			if sum := bytes.Clone(t.sum[:]); t.n > 0 && !t.last && f == from {
				rows.put(fmt.Sprintf("%010d", t.n), rowSums{Was: sum}, 0)
			} else if t.n > 0 && !t.last {
				rows.put(fmt.Sprintf("%010d", t.n), rowSums{Is: sum}, 0)
			}
			return ""
		})
		_ = body.Close()
	}
	for r := range l.list(table.Quarantine, l.partition(), from.Key) {
		if !to.Corrects.leavesOut(r.count("line")) {
			rows.put(r.Key[strings.LastIndex(r.Key, "_")+1:], rowSums{Rejected: true}, 0)
		}
	}
	given, asTheyCame, same := sha256.New(), sha256.New(), true
	both := io.MultiWriter(given, asTheyCame)
	fmt.Fprintf(both, "%s\n", from.sha256)
	for line, row := range rows.all() {
		if row.Rejected {
			fmt.Fprintf(given, "%s %x\n", strings.TrimLeft(line, "0"), row.Is)
			same = same && bytes.Equal(row.Was, row.Is)
		} else if wrong == "" && !bytes.Equal(row.Was, row.Is) {
			wrong = fmt.Sprintf("line %s is not that of %s, where it was not rejected", line, from.path)
		}
	}
	for _, lines := range to.Corrects.Rejected {
		fmt.Fprintf(both, "%d-%d\n", lines[0], lines[1])
	}
	decision := to.Corrects.Decision
	right := decision == fmt.Sprintf("%x", given.Sum(nil)[:8]) || same && decision == fmt.Sprintf("%x", asTheyCame.Sum(nil)[:8])
	return cmp.Or(wrong, first(finding{!right, fmt.Sprintf("corrects.decision is %q, which is not that of its rows in the place of those of %s", decision, from.path)}))
}
