package verify

import (
	"cmp"
	"fmt"
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
	l.files, l.pointers = map[string]table.Row{}, map[string]table.Row{}
	for row := range l.list(table.UsageHours, l.partition(), "") {
		if len(row.Key) == 2 {
			l.pointers[row.Key] = row
		} else {
			l.files[row.Key] = row
		}
	}
}

// file is a row of UsageHours with what there is to say of its blob.
type file struct {
	where string
	name  blobName
	table.Props
	hourBlob
	accepted, rejected int64
	days               map[string]int64 // rows by usage day
}

func (f *file) verdict() string { return text(f.Props, "verdict") }

// once reports whether the file counts, or counted once: one that an end took out is
// unregistered.
func (f *file) once() bool {
	return slices.Contains([]string{"counted", "voided", "excluded"}, f.verdict()) || text(f.Props, "decision") == "exclude"
}

// checkHours holds each file and each hour of the day against the blobs.
func (l *look) checkHours() {
	hours := map[string][]*file{}
	for _, key := range slices.Sorted(maps.Keys(l.files)) {
		l.try(func() { hours[key[:2]] = append(hours[key[:2]], l.checkFile(key, l.files[key])) })
		l.out.Files++
	}
	for hh, pointer := range l.pointers {
		p, where, verdicts := pointer.Props, place(table.UsageHours, pointer), []string{"counted"}
		names := text(p, "counts")
		if names == "" { // the hour is excluded
			names, verdicts = text(p, "excluded"), []string{"excluded", "unregistered"}
		}
		but := []string{"counts", "challenger", "excluded", "excludedBy"}
		if text(p, "challenger") == "-" { // it is about to be
			but = append(but, "decision", "decisionReason", "decidedBy", "decidedAt", "earlier")
		}
		if row := l.files[hh+"_"+names]; slices.Contains(verdicts, text(row.Props, "verdict")) {
			l.sameProps(where, p, row.Props, but...)
		} else {
			l.differs(where, "it names %q, and the verdict of that blob is %q", names, text(row.Props, "verdict"))
		}
	}
	for _, files := range hours {
		for _, f := range files {
			l.checkVerdict(f, files)
		}
	}
}

// checkFile reads the blob of a row, gathers what was used on the day, and
// compares the rejected rows of one that counts with Quarantine.
func (l *look) checkFile(key string, row table.Row) *file {
	hh, sha16, _ := strings.Cut(key, "_")
	at, err := time.Parse("2006010215", l.day+hh)
	f := &file{where: place(table.UsageHours, row), name: blobName{l.cloudID, hourOf(at), sha16, text(row.Props, "original") != ""}, Props: row.Props, days: map[string]int64{}}
	if err != nil || f.name.path() != text(row.Props, "blob") {
		damaged(f.where, "blob is %q, which is the name of another one", text(row.Props, "blob"))
	}
	if in := l.inputs[f.name.input()]; in != nil {
		in.read = true
	}
	rejected := l.newWanted()
	defer rejected.close()
	refusals := text(f.Props, "refusals")
	l.readUsage(f, func(n int64, u usage, code string) {
		if code == "" {
			f.accepted++
			f.days[u.Hour.day()]++
			l.gather(f.name.input(), u)
			return
		}
		f.rejected++
		rejected.put(wantedRow{fmt.Sprintf("%s_%010d", key, n), map[string]string{"line": fmt.Sprint(n), "code": code, "blob": f.name.path(), "bytes": refusals}}, 500)
	})
	if f.verdict() != "counted" {
		return f
	}
	if f.rejected > 0 {
		l.try(func() { l.readFile(refusals, "") })
	}
	// Rows of an earlier judgement of the same blob name another file of their bytes.
	l.compareRows(table.Quarantine, key, rejected, func(row table.Row) bool { return text(row.Props, "bytes") == refusals },
		"status", "reason", "decidedBy", "decisionReason", "decidedAt")
	return f
}

// readUsage gives each row of a file to each: usage, or the code by which it is
// rejected.
func (l *look) readUsage(f *file, each func(n int64, u usage, code string)) {
	f.name.corrected = text(f.Props, "original") != ""
	store := Blobs(l.Landing)
	if f.name.corrected {
		store = l.App
	}
	body := l.open(store, f.name.path())
	defer body.Close()
	err := readHour(body, f.name, &f.hourBlob, func(n int64, row []byte, out bool) {
		u, code := readRow(row, f.name.hour)
		if code == "" && u.key()[location] == "" && f.Region == "" {
			code = l.unnamed(f, n, u)
		}
		if code == "" && out {
			code = "LeftOut"
		}
		each(n, u, code)
	})
	must(err)
	l.observe(f.name.input(), f.header)
	if f.name.hour.start().After(when(f.Props, "landedAt")) { // it ends more than an hour after it landed
		f.code = "HourNotOver"
	}
}

// unnamed is the code of a row for which neither it nor the header names a location:
// the registration of the day on which it was ingested may have. Quarantine says so.
func (l *look) unnamed(f *file, n int64, u usage) string {
	row, is := l.get(table.Quarantine, l.cloudID+"_"+f.name.hour.day(), fmt.Sprintf("%s_%010d", f.name.key(), n))
	if is && text(row.Props, "code") == "LocationMissing" || text(l.book.on(u.Hour.day()).Props, "region") == "" {
		return "LocationMissing"
	}
	return ""
}

// checkVerdict derives what became of a file. others are the files of its hour.
func (l *look) checkVerdict(f *file, others []*file) {
	verdict, p := f.verdict(), f.Props
	swept := l.o.Now.After(later(l.book.changed, when(p, "landedAt")).Add(l.o.SweepGrace + time.Hour)) // since it could be registered
	accepts := l.book.accepts(f.name.hour, l.o.SettlingHours)
	twin, rival := false, false // files that count or counted, with the same rows and with others
	for _, o := range others {
		twin = twin || o != f && o.once() && o.rowSet == f.rowSet
		rival = rival || o != f && o.once() && o.rowSet != f.rowSet
	}
	decided := text(p, "decision") != "" && text(p, "decisionReason") != "" && text(p, "decidedBy") != "" && !when(p, "decidedAt").IsZero()
	hour := l.pointers[f.name.key()[:2]].Props
	out := text(hour, "counts") == "" && text(hour, "excluded") != ""
	code, limit := text(p, "code"), count(p, "limit")
	overLimit := code == "TooLarge" && f.unpacked > limit || code == "TooManyRows" && f.records > limit // which may be another now
	wrong := ""
	switch {
	case verdict == "unregistered" && accepts && swept:
		wrong = "the registration accepts the hour"
	case verdict == "unregistered":
		return
	case verdict == "rejected" && (f.code != code || code == "") && !overLimit:
		wrong = fmt.Sprintf("its code is %q, must be %q", code, cmp.Or(f.code, "none: nothing is wrong with the blob"))
	case verdict == "rejected":
		return
	case f.code != "":
		wrong = f.name.path() + " must be rejected: " + f.code
	case verdict == "counted" && !accepts && swept:
		wrong = "the registration does not accept the hour"
	case verdict == "duplicate" && !twin:
		wrong = "no file of the hour that counts or counted has the same rows"
	case f.name.corrected && (verdict == "duplicate" || !decided && text(p, "earlier") == ""): // whether it counts is its decision's
		wrong = "a corrected blob counts by a decision, or not at all"
	case (verdict == "conflict" || verdict == "kept-out") && !rival && !out && !f.name.corrected:
		wrong = "no file of the hour that counts or counted has other rows"
	case verdict == "kept-out" && !decided, verdict == "excluded" && !decided, verdict == "voided" && (!decided || text(p, "supersededBy") == ""):
		wrong = "no operator decided it"
	case !slices.Contains([]string{"counted", "duplicate", "conflict", "kept-out", "voided", "excluded"}, verdict):
		wrong = "there is no such verdict"
	}
	if wrong != "" {
		l.differs(f.where, "verdict is %q; %s", verdict, wrong)
	}
	if f.code != "" {
		return
	}
	if f.name.corrected {
		l.checkCorrects(f, others)
	}
	said := table.Props{"sha256": f.sha256, "rowSetHash": f.rowSet, "bytes": f.bytes, "records": f.records, "pages": f.pages}
	if verdict == "counted" {
		said["accepted"], said["quarantined"] = f.accepted, f.rejected
		l.checkCounted(f)
	}
	l.columns(f.where, p, said)
}

// checkCorrects holds a corrected blob against the landed one that it names.
func (l *look) checkCorrects(f *file, others []*file) {
	for _, o := range others {
		if o.name.sha16 == text(f.Props, "original") && !o.name.corrected {
			l.same(f.where, "corrects.original", f.Corrects.Original, o.sha256)
			l.same(f.where, "corrects.blob", f.Corrects.Blob, o.name.path())
			l.same(f.where, "records", f.records, o.records)
			l.same(f.where, "originalRowSetHash", text(f.Props, "originalRowSetHash"), o.rowSet)
			return
		}
	}
	l.differs(f.where, "it corrects %q, and no such file landed", text(f.Props, "original"))
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
func (l *look) checkCounted(f *file) {
	l.out.Hours++
	l.out.Rows += f.records
	if text(l.pointers[f.name.key()[:2]].Props, "counts") != f.name.sha16 {
		l.differs(f.where, "verdict is counted, but the row of the hour names another file")
	}
	before := startOf(l.day).AddDate(0, 0, -1).Format("20060102")
	f.days[l.day] += 0
	if text(f.Props, "usageDays") != f.usageDays() { // SETTLING_HOURS may have been another
		f.days[before] += 0
		l.same(f.where, "usageDays", text(f.Props, "usageDays"), f.usageDays())
	}
	for day, rows := range f.days {
		where := "DayInputs " + l.cloudID + "_" + day + "/" + f.name.input()
		if row, ok := l.get(table.DayInputs, l.cloudID+"_"+day, f.name.input()); ok {
			l.same(where, "rows", count(row.Props, "rows"), rows)
		} else {
			l.differs(where, "the row is not there; the hour counts and has %d rows of the day", rows)
		}
	}
}
