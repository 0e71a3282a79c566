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
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/extsort"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
	"stackusage/shared/verify/hourblob"
)

var hourBlobName = regexp.MustCompile(`^(\d{4})/(\d{2})/(\d{2})/(\d{2})-([0-9a-f]{16})\.ndjson\.gz$`)

// landed lists the hour blobs of the day that landed long enough ago to have a
// verdict, by RowKey of UsageHours.
func (l *look) landed() (keys []string) {
	container := "landing-" + l.cloudID
	if slices.Contains(l.containers, container) {
		evidence.Must(l.Landing.ListPrefix(l.Ctx, container, form.StartOf(l.day).Format("2006/01/02/"), func(name string, storedAt time.Time) error {
			if m := hourBlobName.FindStringSubmatch(name); m != nil && storedAt.Add(l.o.SweepGrace).Before(l.o.Now) {
				keys = append(keys, m[4]+"_"+m[5])
			}
			return nil
		}))
	}
	return keys
}

// decided are the columns of a decision about a file.
var decided = []string{"decision", "decisionReason", "decidedBy", "decidedAt", "earlier"}

// checkHours holds each file and each hour of the day against the blobs.
func (l *look) checkHours() {
	hours := map[string][]*hourblob.File{}
	for _, key := range slices.Sorted(maps.Keys(l.hours)) {
		if hh := fmt.Sprintf("%.2s", key); key != hh {
			l.Try(func() { hours[hh] = append(hours[hh], l.checkFile(l.hours[key])) })
			l.out.Files++
		}
	}
	for hh, p := range l.hours {
		if len(hh) > 2 {
			continue
		}
		names, verdicts, but := p.Text("acceptedFile"), []string{"accepted"}, []string{"acceptedFile", "challenger", "excluded", "excludedBy"}
		if names == "" { // the hour is excluded
			names, verdicts = p.Text("excluded"), []string{"excluded", "unregistered"}
			but = append(but, decided...) // its file may be decided about again, which does not change what counts
		}
		if p.Text("challenger") == "-" { // it is about to be
			but = append(but, decided...)
		}
		f := l.hours[hh+"_"+names]
		if l.Check(form.Among(f.Text("verdict"), verdicts...), p.Where, "it names %q, and the verdict of that blob is %q", names, f.Text("verdict")) {
			l.Same(p.Where, p.Props, evidence.Only(p.Props, f.Props, but...))
		}
	}
	for _, files := range hours {
		for _, f := range files {
			l.Try(func() { l.checkVerdict(f, files) })
		}
	}
}

// checkFile reads the blob of a row, gathers what was used on the day, and
// compares the rejected rows of one that counts with Quarantine.
func (l *look) checkFile(r evidence.Row) *hourblob.File {
	f := hourblob.NewFile(r)
	evidence.Need(f.Path == r.Text("blob"), f.Where, "blob is %q, which is the name of another one", r.Text("blob"))
	rejected, refusals := &extsort.Sorter[pair]{Dir: l.o.TempDir}, f.Text("rejectedFile")
	defer rejected.Close()
	l.readUsage(f, func(n int64, code string) {
		line := fmt.Sprint(n)
		rejected.Put(fmt.Sprintf("%s_%010d", r.Key, n), pair{Must: &evidence.Props{"line": line, "code": code, "blob": f.Path, "bytes": refusals}}, 500)
	})
	if f.Text("verdict") != "accepted" {
		return f
	}
	if f.Rejected > 0 {
		l.Try(func() { l.ReadFile(refusals, "", nil) })
	}
	// Rows of an earlier reading of the same blob name another file of their bytes.
	codes := map[string]int{}
	l.sameRows(table.Quarantine, r.Key, rejected, func(r evidence.Row) bool {
		ours := r.Text("bytes") == refusals
		if ours && r.Text("status") == "rejected" {
			codes[r.Text("code")]++
		}
		return ours
	}, "status", "reason", "decidedBy", "decisionReason", "decidedAt")
	l.undecided("Quarantine "+l.partition()+"/"+r.Key, codes)
	return f
}

// undecided notes the rejected rows of an accepted file that nobody has decided about.
func (l *look) undecided(where string, codes map[string]int) {
	total, parts := 0, []string{}
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		total += codes[code]
		parts = append(parts, fmt.Sprintf("%s %d", code, codes[code]))
	}
	if total > 0 {
		l.out.Unfinished = append(l.out.Unfinished, Finding{Where: where, What: fmt.Sprintf("rejected rows wait for a decision: %d (%s)", total, strings.Join(parts, ", "))})
	}
}

// readUsage gathers the usage of a file, and gives each row that is rejected to each.
func (l *look) readUsage(f *hourblob.File, each func(n int64, code string)) {
	body := l.Blob(f.Path)
	defer body.Close()
	in := l.inputs[f.Hour.Compact()+"_"+f.SHA16]
	f.Read(body, func(row hourblob.TextLine) {
		u, code := hourblob.ReadRow(row.Content, f.Hour)
		if code == "" && f.Region == "" && u.Normal().Location == "" {
			// The registration of the day on which it was ingested may name the location. Quarantine tells.
			r := l.Get(table.Quarantine, f.Partition, fmt.Sprintf("%s_%010d", f.Key, row.N))
			code = cmp.Or(form.When(r.Text("code") == "LocationMissing" || history.On(l.book["registration"], u.Hour.Day()).Text("region") == "", "LocationMissing"))
		}
		if code = cmp.Or(code, cmp.Or(form.When(f.Corrects.LeavesOut(row.N), "LeftOut"))); code != "" {
			f.Rejected++
			each(row.N, code)
			return
		}
		f.Accepted++
		f.Days[u.Hour.Day()]++
		if in != nil && u.Hour.Day() == l.day {
			u.Input = in.Key
			l.rows.Put(extsort.KeyOf(append(u.Key(), in.Key, u.Hour.Compact())...), u, 0)
		}
	})
	if in != nil {
		in.read = true
		l.observe(in, f.Header)
	}
	if f.Hour.Start().After(f.When("landedAt")) { // it ends more than an hour after it landed
		f.Code = "HourNotOver"
	}
}

// checkVerdict derives what became of a file. others are the files of its hour.
func (l *look) checkVerdict(f *hourblob.File, others []*hourblob.File) {
	verdict, pointer := f.Text("verdict"), l.hours[f.Key[:2]]
	swept := l.o.Now.After(form.Later(l.book.Changed(), f.When("landedAt")).Add(l.o.SweepGrace + time.Hour)) // since it could be registered
	accepts := l.book.Covers(f.Hour, l.o.SettlingHours).Found()
	twin, rival := false, pointer.Text("acceptedFile") == "" && pointer.Text("excluded") != "" // with the same rows; with others
	for _, o := range others {
		twin = twin || o != f && o.Once() && o.RowSet == f.RowSet
		rival = rival || o != f && o.Once() && o.RowSet != f.RowSet
	}
	decided := f.Text("decision") != "" && f.Text("decisionReason") != "" && f.Text("decidedBy") != "" && !f.When("decidedAt").IsZero()
	code, limit := f.Text("code"), f.Count("limit") // which may be another now
	// How much temporary disk an hour took is known to none but who ingested it.
	overLimit := code == "TooLarge" && (f.Unpacked > limit || f.Text("limitOf") == "disk" && limit > 0) || code == "TooManyRows" && f.Records > limit
	read := !form.Among(verdict, "unregistered", "rejected")
	wrong := cmp.Or(
		form.When(verdict == "unregistered" && accepts && swept, "the registration accepts the hour"),
		form.When(verdict == "rejected" && (f.Code != code || code == "") && !overLimit, fmt.Sprintf("its code is %q, must be %q", code, f.Code)),
		form.When(read && f.Code != "", f.Path+" must be rejected: "+f.Code),
		form.When(verdict == "accepted" && !accepts && swept, "the registration does not accept the hour"),
		form.When(verdict == "duplicate" && !twin, "no file of the hour that counts or counted has the same rows"),
		form.When(read && f.Corrected && (verdict == "duplicate" || !decided && f.Text("earlier") == ""), "a corrected blob counts by a decision, or not at all"),
		form.When(form.Among(verdict, "conflict", "kept-out") && !rival && !f.Corrected, "no file of the hour that counts or counted has other rows"),
		form.When(form.Among(verdict, "kept-out", "excluded", "voided") && !decided || verdict == "voided" && f.Text("supersededBy") == "", "no operator decided it"),
		form.When(read && !form.Among(verdict, "accepted", "duplicate", "conflict", "kept-out", "voided", "excluded"), "there is no such verdict"))
	l.Check(wrong == "", f.Where, "verdict is %q; %s", verdict, wrong)
	if !read || f.Code != "" {
		return
	}
	must := evidence.Props{"sha256": f.SHA256, "rowSetHash": f.RowSet, "bytes": f.Bytes, "records": f.Records, "pages": f.Pages}
	if verdict == "accepted" {
		must["accepted"], must["quarantined"] = f.Accepted, f.Rejected
		l.checkCounted(f, pointer)
	}
	l.Same(f.Where, f.Props, must)
	if f.Corrected {
		l.checkCorrected(f, others)
	}
}

// checkCounted: a file that counts is the one that its hour names, and an input of
// its own day, of each usage day of its rows, and, in the settling hours, of the day
// before.
func (l *look) checkCounted(f *hourblob.File, pointer evidence.Row) {
	l.out.Hours++
	l.out.Rows, l.out.Rejected = l.out.Rows+f.Records, l.out.Rejected+f.Rejected
	l.Check(pointer.Text("acceptedFile") == f.SHA16, f.Where, "verdict is accepted, but the row of the hour names another file")
	f.Days[l.day] += 0
	if f.Text("usageDays") != f.UsageDays() { // SETTLING_HOURS may have been another
		f.Days[form.StartOf(l.day).AddDate(0, 0, -1).Format("20060102")] += 0
		l.Same(f.Where, f.Props, evidence.Props{"usageDays": f.UsageDays()})
	}
	for day, rows := range f.Days {
		r := l.Get(table.DayInputs, l.cloudID+"_"+day, l.day+f.Key)
		l.Check(r.Found() && r.Count("rows") == rows, r.Where, "the hour counts and has %d rows of the day; it says %d, or is not there", rows, r.Count("rows"))
	}
}

// checkCorrected holds a corrected blob against the landed one that it names, and
// against the file whose place it was made to take. others are the files of its hour.
func (l *look) checkCorrected(f *hourblob.File, others []*hourblob.File) {
	root, wrong, landed := f.Text("original"), "no other file is of the blob that it corrects", false
	for _, o := range others {
		if !o.Corrected && o.SHA16 == root {
			landed = true
			l.Same(f.Where, evidence.Props{"corrects.original": f.Corrects.Original, "corrects.blob": f.Corrects.Blob, "records": f.Records, "originalRowSetHash": f.Text("originalRowSetHash")},
				evidence.Props{"corrects.original": o.SHA256, "corrects.blob": o.Path, "records": o.Records, "originalRowSetHash": o.RowSet})
		}
		if o != f && (o.SHA16 == root || o.Text("original") == root) && wrong != "" {
			wrong = l.correction(o, f)
		}
	}
	l.Check(landed, f.Where, "it corrects %q, and no such file landed", root)
	l.Check(wrong == "", f.Where, "%s", wrong)
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
func (l *look) correction(from, to *hourblob.File) (wrong string) {
	rows := &extsort.Sorter[rowSums]{Dir: l.o.TempDir}
	defer rows.Close()
	for _, f := range []*hourblob.File{from, to} {
		body := l.Blob(f.Path)
		hourblob.NewSource(body).Lines(func(t hourblob.TextLine) string {
			if sum := bytes.Clone(t.Sum[:]); t.N > 0 && !t.Last && f == from {
				rows.Put(fmt.Sprintf("%010d", t.N), rowSums{Was: sum}, 0)
			} else if t.N > 0 && !t.Last {
				rows.Put(fmt.Sprintf("%010d", t.N), rowSums{Is: sum}, 0)
			}
			return ""
		})
		_ = body.Close()
	}
	for r := range l.List(table.Quarantine, l.partition(), from.Key) {
		if !to.Corrects.LeavesOut(r.Count("line")) {
			rows.Put(r.Key[strings.LastIndex(r.Key, "_")+1:], rowSums{Rejected: true}, 0)
		}
	}
	given, asTheyCame, same := sha256.New(), sha256.New(), true
	both := io.MultiWriter(given, asTheyCame)
	fmt.Fprintf(both, "%s\n", from.SHA256)
	for line, row := range rows.All() {
		if row.Rejected {
			fmt.Fprintf(given, "%s %x\n", strings.TrimLeft(line, "0"), row.Is)
			same = same && bytes.Equal(row.Was, row.Is)
		} else if wrong == "" && !bytes.Equal(row.Was, row.Is) {
			wrong = fmt.Sprintf("line %s is not that of %s, where it was not rejected", line, from.Path)
		}
	}
	for _, lines := range to.Corrects.Rejected {
		fmt.Fprintf(both, "%d-%d\n", lines[0], lines[1])
	}
	decision := to.Corrects.Decision
	right := decision == fmt.Sprintf("%x", given.Sum(nil)[:8]) || same && decision == fmt.Sprintf("%x", asTheyCame.Sum(nil)[:8])
	return cmp.Or(wrong, cmp.Or(form.When(!right, fmt.Sprintf("corrects.decision is %q, which is not that of its rows in the place of those of %s", decision, from.Path))))
}
