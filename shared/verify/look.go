package verify

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// look is one look at one day.
type look struct {
	*auditor
	dayID
	out  Day
	book book

	files, pointers map[string]table.Row // of UsageHours: the day's files and hours, by RowKey
	inputs          map[string]*input    // of DayInputs
	carries         map[string]table.Row // of DayInputs, too
	mark            *table.Row           // of OpenDays
	revisions       []*revision
	settled         settlement           // of the revision that was looked at last
	rows            *sorter[gathered]    // usage of the day, of all inputs
	observed        *sorter[observation] // of tenants, by all inputs
	standing        *sorter[item]        // what stands after that revision
	outcomes        *sorter[wantedRow]   // what DailyUsage must have
	waiting         map[string]bool      // batches without a final outcome, <revision>_<number>
}

func (a *auditor) look(d dayID) Day {
	l := &look{auditor: a, dayID: d, waiting: map[string]bool{}, rows: &sorter[gathered]{dir: a.o.TempDir, compare: compareRows},
		observed: &sorter[observation]{dir: a.o.TempDir, compare: observation.compare}, standing: a.newItems(), outcomes: a.newWanted()}
	defer func() { l.rows.close(); l.observed.close(); l.standing.close(); l.outcomes.close() }()
	l.out.CloudID, l.out.Day = l.cloudID, dashedDay(l.day)
	l.book = a.book(l.cloudID)
	landed := l.landed()
	// What is read first is written last: a counted hour has its inputs, an input
	// its mark, and a mark goes after the revision that has the input.
	l.readHours()
	l.readInputs()
	if row, ok := l.get(table.OpenDays, l.cloudID, l.day); ok {
		l.mark = &row
	}
	l.readRevisions()
	for _, key := range landed {
		if l.files[key].Props == nil {
			l.differs("UsageHours "+l.partition()+"/"+key, "the row is not there; the hour blob landed more than %s ago, and nobody ingested it", l.o.SweepGrace)
		}
	}
	for _, step := range []func(){l.checkHours, l.checkInputs, l.checkOpen, l.checkRevisions, l.checkOutcomes} {
		l.try(step)
	}
	if len(l.revisions)+len(l.inputs) > 0 {
		l.out.Days = 1
	}
	return l.out
}

// differs notes a difference.
func (l *look) differs(where, format string, args ...any) {
	if len(l.out.Differences) <= l.o.Limit {
		l.out.Differences = append(l.out.Differences, Finding{where, fmt.Sprintf(format, args...)})
	}
}

// waits notes what an operator has to decide.
func (l *look) waits(where, format string, args ...any) {
	l.out.Open = append(l.out.Open, Finding{where, fmt.Sprintf(format, args...)})
}

// damage is a difference from where the rest of a step makes no sense any more: it
// is thrown, and ends the step.
type damage struct{ Finding }

func damaged(where, format string, args ...any) {
	panic(damage{Finding{where, fmt.Sprintf(format, args...)}})
}

// try takes a step, and reports whether it came to its end.
func (l *look) try(step func()) (done bool) {
	defer func() {
		thrown := recover()
		if d, is := thrown.(damage); is {
			l.differs(d.Where, "%s", d.What)
		} else if thrown != nil {
			panic(thrown)
		}
	}()
	step()
	return true
}

// show writes a value of a column for people.
func show(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// same notes a difference unless what is stored is what it must be.
func (l *look) same(where, what string, stored, derived any) {
	if have, want := show(stored), show(derived); have != want {
		l.differs(where, "%s is %.300s, must be %.300s", what, cmp.Or(have, "empty"), cmp.Or(want, "empty"))
	}
}

// sameProps compares all columns of a row but those that are left out.
func (l *look) sameProps(where string, stored, derived table.Props, but ...string) {
	names := maps.Clone(stored)
	maps.Copy(names, derived)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name != "Timestamp" && !slices.Contains(but, name) { // the service's own
			l.same(where, name, cmp.Or(stored[name], any("absent")), cmp.Or(derived[name], any("absent")))
		}
	}
}

// columns compares those columns of a row that are derived.
func (l *look) columns(where string, stored, derived table.Props) {
	for _, name := range slices.Sorted(maps.Keys(derived)) {
		l.same(where, name, cmp.Or(stored[name], any("")), derived[name])
	}
}

// sameJSON compares a JSON object with the one that must be there.
func (l *look) sameJSON(where string, stored, derived []byte) {
	if string(stored) == string(derived) {
		return
	}
	var have, want map[string]json.RawMessage
	if json.Unmarshal(stored, &have) != nil || json.Unmarshal(derived, &want) != nil {
		damaged(where, "it is not a JSON object")
	}
	before := len(l.out.Differences)
	names := maps.Clone(have)
	maps.Copy(names, want)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		l.same(where, name, compacted(have[name]), compacted(want[name]))
	}
	if len(l.out.Differences) == before {
		l.differs(where, "it says what it must, in other bytes")
	}
}

// Columns of a row; the zero value where it is absent or of another type.
func text(p table.Props, name string) string    { s, _ := p[name].(string); return s }
func count(p table.Props, name string) int64    { n, _ := p[name].(int64); return n }
func when(p table.Props, name string) time.Time { t, _ := p[name].(time.Time); return t }

func place(name string, row table.Row) string { return name + " " + row.Partition + "/" + row.Key }

// list goes through rows of a partition: all, or those whose key begins with
// prefix and an underscore.
func (a *auditor) list(name, partition, prefix string) iter.Seq[table.Row] {
	from, to := "", ""
	if prefix != "" {
		from, to = prefix+"_", prefix+"`"
	}
	return func(yield func(table.Row) bool) {
		for row, err := range a.Tables.List(a.ctx, name, partition, from, to) {
			must(err)
			if !yield(row) {
				return
			}
		}
	}
}

// get reads a row; ok is false if there is none.
func (a *auditor) get(name, partition, key string) (row table.Row, ok bool) {
	row, err := a.Tables.Get(a.ctx, name, partition, key)
	if errors.Is(err, table.ErrNotFound) {
		return table.Row{}, false
	}
	must(err)
	return row, true
}

// open opens a blob by container and name. One that is not there is damage.
func (a *auditor) open(from Blobs, path string) io.ReadCloser {
	container, name, _ := strings.Cut(path, "/")
	if container == "" || name == "" {
		damaged(path, "it is not the name of a blob")
	}
	body, _, err := from.Open(a.ctx, container, name)
	if errors.Is(err, a.NoBlob) {
		damaged(path, "the blob is not there")
	}
	must(err)
	return body
}

const maxFile = 256 << 20 // of what is read whole: manifests, settlements, batches, receipts

// readFile reads a file of the app's whole and compares its hash.
func (l *look) readFile(path, sum string) []byte {
	body := l.open(l.App, path)
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxFile))
	must(err)
	checkSum(path, fmt.Sprintf("%x", sha256.Sum256(content)), sum)
	return content
}

// checkSum compares the hash of a file with its name and with what is said of it
// elsewhere; empty: nothing is.
func checkSum(path, sum, said string) {
	base := path[strings.LastIndexAny(path, "/-")+1:]
	base, _, _ = strings.Cut(base, ".")
	if !strings.HasPrefix(sum, base) || said != "" && sum != said {
		damaged(path, "its SHA-256 is %s, must be %s", sum, cmp.Or(said, base+"..."))
	}
}

// readLines goes through a gzip file of lines of JSON: header, lines, trailer.
func (l *look) readLines(path, sum string) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		body := l.open(l.App, path)
		defer body.Close()
		src := newSource(body)
		gz, err := gzip.NewReader(src)
		if err == nil {
			lines := bufio.NewScanner(gz)
			lines.Buffer(make([]byte, 0, 64<<10), maxFile)
			for n := int64(0); lines.Scan(); n++ {
				if !yield(n, lines.Bytes()) {
					return
				}
			}
			err = lines.Err()
		}
		must(src.err)
		if err != nil {
			damaged(path, "%v", err)
		}
		_, err = io.Copy(io.Discard, src)
		must(err)
		checkSum(path, src.hex(), sum)
	}
}
