// Package evidence is what the auditor reads, tables and blobs, and what it notes of
// it: differences and what waits for an operator. It imports package table, for rows and
// their names, and nothing else of the pipeline.
package evidence

import (
	"cmp"
	"context"
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
	"stackusage/shared/verify/form"
)

// Tables reads the app's tables; table.Store does.
type Tables interface {
	Get(ctx context.Context, table, partition, key string) (table.Row, error)
	List(ctx context.Context, table, partition, from, to string) iter.Seq2[table.Row, error]
	Scan(ctx context.Context, table, from, to string, any ...table.Condition) iter.Seq2[table.Row, error]
}

// Blobs opens a blob as a stream, says when it was stored, and lists blobs.
type Blobs interface {
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
	Containers(ctx context.Context, prefix string) ([]string, error)
	ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error
}

// Stores is what is read.
type Stores struct {
	Tables  Tables
	Landing Blobs // where the stacks drop their hour blobs
	App     Blobs
	NoBlob  error // what Open fails with when there is no blob
}

// Finding is one difference between what is stored and what follows from the
// rest of it, or something that waits for an operator.
type Finding struct {
	Where string `json:"where"` // table and row, or container and blob
	What  string `json:"what"`
}

// String is how the tool prints a finding.
func (f Finding) String() string { return f.Where + ": " + f.What }

// Failure is one of storage. It ends the run: Must throws it, and verify.Run catches it.
type Failure struct{ Err error }

// Must throws an error of storage.
func Must(err error) {
	if err != nil {
		panic(Failure{err})
	}
}

// Findings gathers what is found of a day.
type Findings struct {
	Limit       int // of differences
	Differences []Finding
	Open        []Finding // what waits for an operator
}

// Check notes a difference unless something is as it must be.
func (l *Findings) Check(ok bool, where, format string, args ...any) bool {
	if !ok && len(l.Differences) <= l.Limit {
		l.Differences = append(l.Differences, Finding{where, fmt.Sprintf(format, args...)})
	}
	return ok
}

// Waits notes what an operator has to decide, unless there is nothing.
func (l *Findings) Waits(ok bool, where, format string, args ...any) {
	if !ok {
		l.Open = append(l.Open, Finding{where, fmt.Sprintf(format, args...)})
	}
}

// Need is Check of what the rest of a step makes no sense without: it ends the step.
func Need(ok bool, where, format string, args ...any) {
	if !ok {
		panic(Finding{where, fmt.Sprintf(format, args...)})
	}
}

// Try takes a step as far as it makes sense.
func (l *Findings) Try(step func()) {
	defer func() {
		thrown := recover()
		if f, is := thrown.(Finding); is {
			l.Check(false, f.Where, "%s", f.What)
		} else if thrown != nil {
			panic(thrown)
		}
	}()
	step()
}

// Props are columns of a row, or fields of an object.
type Props = table.Props

// Same checks each value that must be there. Zero, empty and absent are the same.
func (l *Findings) Same(where string, have, must Props) {
	for _, name := range slices.Sorted(maps.Keys(must)) {
		a, b := form.Show(have[name]), form.Show(must[name])
		l.Check(a == b, where, "%s is %.300s, must be %.300s", name, cmp.Or(a, "nothing"), cmp.Or(b, "nothing"))
	}
}

// Only is what a row must have if it may have no other columns, but for some that are
// not looked at.
func Only(have, must Props, but ...string) Props {
	all := maps.Clone(must)
	for name := range have {
		all[name] = must[name]
	}
	for _, name := range append(but, "Timestamp") { // which is the service's own
		delete(all, name)
	}
	return all
}

// SameJSON compares a JSON object with the one that must be there.
func (l *Findings) SameJSON(where string, have, must []byte) {
	if string(have) == string(must) {
		return
	}
	fields := func(object []byte) Props {
		p, raw := Props{}, map[string]json.RawMessage{}
		Need(json.Unmarshal(object, &raw) == nil, where, "it is not a JSON object")
		for name, value := range raw {
			p[name] = form.Compacted(value)
		}
		return p
	}
	before := len(l.Differences)
	l.Same(where, fields(have), Only(fields(have), fields(must)))
	l.Check(len(l.Differences) > before, where, "it has what it must, in other bytes")
}

// Row is a row of a table, or the place of one that is not there.
type Row struct {
	table.Row
	Where string
}

// Found reports whether the row is there.
func (r Row) Found() bool { return r.Props != nil }

// Text is a column of text; empty where it is absent or of another type.
func (r Row) Text(name string) string { s, _ := r.Props[name].(string); return s }

// Count is a column of numbers; 0 where it is absent or of another type.
func (r Row) Count(name string) int64 { n, _ := r.Props[name].(int64); return n }

// When is a column of times; the zero time where it is absent or of another type.
func (r Row) When(name string) time.Time { t, _ := r.Props[name].(time.Time); return t }

// Reader reads storage.
type Reader struct {
	Stores
	Ctx context.Context
}

// List goes through rows of a partition: all, or those whose key begins with
// prefix and an underscore.
func (a *Reader) List(name, partition, prefix string) iter.Seq[Row] {
	from, to := "", ""
	if prefix != "" {
		from, to = prefix+"_", prefix+"`"
	}
	return func(yield func(Row) bool) {
		for r, err := range a.Tables.List(a.Ctx, name, partition, from, to) {
			if Must(err); !yield(Row{r, name + " " + r.Partition + "/" + r.Key}) {
				return
			}
		}
	}
}

// Get reads a row, if it is there.
func (a *Reader) Get(name, partition, key string) Row {
	r, err := a.Tables.Get(a.Ctx, name, partition, key)
	if errors.Is(err, table.ErrNotFound) {
		r, err = table.Row{Partition: partition, Key: key}, nil
	}
	Must(err)
	return Row{r, name + " " + partition + "/" + key}
}

// Blob opens a blob by container and name.
func (a *Reader) Blob(path string) io.ReadCloser {
	container, name, _ := strings.Cut(path, "/")
	Need(container != "" && name != "", path, "it is not the name of a blob")
	from := a.App
	if strings.HasPrefix(path, "landing-") {
		from = a.Landing
	}
	body, _, err := from.Open(a.Ctx, container, name)
	Need(!errors.Is(err, a.NoBlob), path, "the blob is not there")
	Must(err)
	return body
}

const maxFile = 256 << 20 // of what is read whole: manifests, settlements, batches, receipts

// ReadFile reads a file whole and compares its hash. v: what it is the JSON of; nil: of nothing.
func (a *Reader) ReadFile(path, sum string, v any) []byte {
	body := a.Blob(path)
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxFile))
	Must(err)
	CheckSum(path, fmt.Sprintf("%x", sha256.Sum256(content)), sum)
	Need(v == nil || json.Unmarshal(content, v) == nil, path, "it is not the JSON of such a file")
	return content
}

// CheckSum compares the hash of a file with its name and with what is said of it
// elsewhere; empty: nothing is.
func CheckSum(path, sum, said string) {
	base := path[strings.LastIndexAny(path, "/-")+1:]
	base, _, _ = strings.Cut(base, ".")
	Need(strings.HasPrefix(sum, base) && (said == "" || sum == said), path, "its SHA-256 is %s, must be %s", sum, cmp.Or(said, base+"..."))
}
