package verify

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"reflect"
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

	hours     map[string]row    // of UsageHours: the day's files and hours, by RowKey
	dayInputs map[string]row    // of DayInputs
	inputs    map[string]*input // those that are no carries
	mark      row               // of OpenDays
	revisions []*revision
	settled   settlement      // of the revision that was looked at last
	rows      *sorter[usage]  // of the day, of all inputs
	observed  *sorter[said]   // by all inputs
	standing  *sorter[item]   // what stands after that revision
	outcomes  *sorter[pair]   // DailyUsage
	waiting   map[string]bool // batches without a final outcome, <revision>_<number>
}

func (a *auditor) look(d dayID) Day {
	l := &look{auditor: a, dayID: d, waiting: map[string]bool{}, book: a.book(d.cloudID), rows: &sorter[usage]{dir: a.o.TempDir},
		observed: &sorter[said]{dir: a.o.TempDir}, standing: &sorter[item]{dir: a.o.TempDir}, outcomes: &sorter[pair]{dir: a.o.TempDir}}
	defer func() { l.rows.close(); l.observed.close(); l.standing.close(); l.outcomes.close() }()
	l.out.CloudID, l.out.Day = l.cloudID, dashedDay(l.day)
	// What is read first is written last: a counted hour has its inputs, an input
	// its mark, and a mark goes after the revision that has the input.
	landed := l.landed()
	l.hours, l.dayInputs = l.index(table.UsageHours), l.index(table.DayInputs)
	l.readInputs()
	l.mark = l.get(table.OpenDays, l.cloudID, l.day)
	l.readRevisions()
	for _, key := range landed {
		l.check(l.hours[key].found(), "UsageHours "+l.partition()+"/"+key, "the row is not there; the hour blob landed more than %s ago, and nobody ingested it", l.o.SweepGrace)
	}
	for _, step := range []func(){l.checkHours, l.checkInputs, l.checkOpen, l.checkRevisions, l.checkOutcomes} {
		l.try(step)
	}
	if len(l.revisions)+len(l.inputs) > 0 {
		l.out.Days = 1
	}
	return l.out
}

// check notes a difference unless something is as it must be.
func (l *look) check(ok bool, where, format string, args ...any) bool {
	if !ok && len(l.out.Differences) <= l.o.Limit {
		l.out.Differences = append(l.out.Differences, Finding{where, fmt.Sprintf(format, args...)})
	}
	return ok
}

// waits notes what an operator has to decide, unless there is nothing.
func (l *look) waits(ok bool, where, format string, args ...any) {
	if !ok {
		l.out.Open = append(l.out.Open, Finding{where, fmt.Sprintf(format, args...)})
	}
}

// need is check of what the rest of a step makes no sense without: it ends the step.
func need(ok bool, where, format string, args ...any) {
	if !ok {
		panic(Finding{where, fmt.Sprintf(format, args...)})
	}
}

// try takes a step as far as it makes sense.
func (l *look) try(step func()) {
	defer func() {
		thrown := recover()
		if f, is := thrown.(Finding); is {
			l.check(false, f.Where, "%s", f.What)
		} else if thrown != nil {
			panic(thrown)
		}
	}()
	step()
}

// props are columns of a row, or fields of an object.
type props = table.Props

// same checks each value that must be there. Zero, empty and absent are the same.
func (l *look) same(where string, have, must props) {
	for _, name := range slices.Sorted(maps.Keys(must)) {
		a, b := show(have[name]), show(must[name])
		l.check(a == b, where, "%s is %.300s, must be %.300s", name, cmp.Or(a, "nothing"), cmp.Or(b, "nothing"))
	}
}

// only is what a row must have if it may have no other columns, but for some that are
// not looked at.
func only(have, must props, but ...string) props {
	all := maps.Clone(must)
	for name := range have {
		all[name] = must[name]
	}
	for _, name := range append(but, "Timestamp") { // which is the service's own
		delete(all, name)
	}
	return all
}

// show writes a value for people.
func show(v any) string {
	if t, is := v.(time.Time); is && !t.IsZero() {
		return t.UTC().Format(time.RFC3339)
	} else if v == nil || reflect.ValueOf(v).IsZero() {
		return ""
	}
	return fmt.Sprint(v)
}

// sameJSON compares a JSON object with the one that must be there.
func (l *look) sameJSON(where string, have, must []byte) {
	if string(have) == string(must) {
		return
	}
	fields := func(object []byte) props {
		p, raw := props{}, map[string]json.RawMessage{}
		need(json.Unmarshal(object, &raw) == nil, where, "it is not a JSON object")
		for name, value := range raw {
			p[name] = compacted(value)
		}
		return p
	}
	before := len(l.out.Differences)
	l.same(where, fields(have), only(fields(have), fields(must)))
	l.check(len(l.out.Differences) > before, where, "it has what it must, in other bytes")
}

// row is a row of a table, or the place of one that is not there.
type row struct {
	table.Row
	where string
}

func (r row) found() bool { return r.Props != nil }

// Columns of a row; the zero value where it is absent or of another type.
func (r row) text(name string) string    { s, _ := r.Props[name].(string); return s }
func (r row) count(name string) int64    { n, _ := r.Props[name].(int64); return n }
func (r row) when(name string) time.Time { t, _ := r.Props[name].(time.Time); return t }

// list goes through rows of a partition: all, or those whose key begins with
// prefix and an underscore.
func (a *auditor) list(name, partition, prefix string) iter.Seq[row] {
	from, to := "", ""
	if prefix != "" {
		from, to = prefix+"_", prefix+"`"
	}
	return func(yield func(row) bool) {
		for r, err := range a.Tables.List(a.ctx, name, partition, from, to) {
			if must(err); !yield(row{r, name + " " + r.Partition + "/" + r.Key}) {
				return
			}
		}
	}
}

// index is the rows of a day by RowKey.
func (l *look) index(name string) map[string]row {
	rows := map[string]row{}
	for r := range l.list(name, l.partition(), "") {
		rows[r.Key] = r
	}
	return rows
}

// get reads a row, if it is there.
func (a *auditor) get(name, partition, key string) row {
	r, err := a.Tables.Get(a.ctx, name, partition, key)
	if errors.Is(err, table.ErrNotFound) {
		r, err = table.Row{Partition: partition, Key: key}, nil
	}
	must(err)
	return row{r, name + " " + partition + "/" + key}
}

// pair is a row as it must be and as it is, in texts; nil: there is none.
type pair struct{ Must, Have *props }

// Add puts the two together.
func (p pair) Add(q pair) pair { return pair{cmp.Or(p.Must, q.Must), cmp.Or(p.Have, q.Have)} }

// sameRows compares the rows of a day in a table, as far as they are looked at, with
// those that it must have.
func (l *look) sameRows(name, prefix string, pairs *sorter[pair], looked func(row) bool, but ...string) {
	for r := range l.list(name, l.partition(), prefix) {
		texts, size := props{}, 0
		for column, value := range r.Props {
			texts[column] = show(value)
			size += len(column) + len(show(value))
		}
		if looked(r) {
			pairs.put(r.Key, pair{Have: &texts}, size)
		}
	}
	for key, p := range pairs.all() {
		where := name + " " + l.partition() + "/" + key
		if l.check(p.Have != nil, where, "the row is not there") && l.check(p.Must != nil, where, "there must be no such row") {
			l.same(where, *p.Have, only(*p.Have, *p.Must, but...))
		}
	}
}

// open opens a blob by container and name.
func (a *auditor) open(path string) io.ReadCloser {
	container, name, _ := strings.Cut(path, "/")
	need(container != "" && name != "", path, "it is not the name of a blob")
	from := a.App
	if strings.HasPrefix(path, "landing-") {
		from = a.Landing
	}
	body, _, err := from.Open(a.ctx, container, name)
	need(!errors.Is(err, a.NoBlob), path, "the blob is not there")
	must(err)
	return body
}

const maxFile = 256 << 20 // of what is read whole: manifests, settlements, batches, receipts

// readFile reads a file whole and compares its hash. v: what it is the JSON of; nil: of nothing.
func (a *auditor) readFile(path, sum string, v any) []byte {
	body := a.open(path)
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxFile))
	must(err)
	checkSum(path, fmt.Sprintf("%x", sha256.Sum256(content)), sum)
	need(v == nil || json.Unmarshal(content, v) == nil, path, "it is not the JSON of such a file")
	return content
}

// checkSum compares the hash of a file with its name and with what is said of it
// elsewhere; empty: nothing is.
func checkSum(path, sum, said string) {
	base := path[strings.LastIndexAny(path, "/-")+1:]
	base, _, _ = strings.Cut(base, ".")
	need(strings.HasPrefix(sum, base) && (said == "" || sum == said), path, "its SHA-256 is %s, must be %s", sum, cmp.Or(said, base+"..."))
}
