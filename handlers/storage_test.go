package handlers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func (r *rig) putBlob(t testing.TB, container, name string, content []byte) {
	t.Helper()
	ok(t, r.store.Blobs.Put(context.Background(), container, name, body{bytes.NewReader(content)}, int64(len(content))))
}

// putPath is putBlob of a path, container and name.
func (r *rig) putPath(t testing.TB, path string, content []byte) {
	t.Helper()
	container, name, _ := strings.Cut(path, "/")
	r.putBlob(t, container, name, content)
}

// blob reads a blob by its path, container and name.
func (r *rig) blob(t testing.TB, path string) []byte {
	t.Helper()
	container, name, _ := strings.Cut(path, "/")
	content, _, err := r.store.Blobs.Open(context.Background(), container, name)
	ok(t, err)
	defer content.Close()
	b, err := io.ReadAll(content)
	ok(t, err)
	return b
}

func unzip(t testing.TB, file []byte) string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	ok(t, err)
	text, err := io.ReadAll(gz)
	ok(t, err)
	return string(text)
}

// rows lists a table, by "partition/key".
func (r *rig) rows(t testing.TB, name string) map[string]table.Props {
	t.Helper()
	all := map[string]table.Props{}
	for row, err := range r.store.Tables.List(context.Background(), name, "", "", "") {
		ok(t, err)
		all[row.Partition+"/"+row.Key] = row.Props
	}
	return all
}

// ofDay are the rows of a table by registration that are of the usage day: the
// hour that settles it is of the next day, which opens too.
func (r *rig) ofDay(t testing.TB, name string) map[string]table.Props {
	t.Helper()
	all := r.rows(t, name)
	maps.DeleteFunc(all, func(key string, _ table.Props) bool {
		return !strings.HasPrefix(key, cloudID+"/"+theDay.Compact())
	})
	return all
}

// onlyOfDay is the single one of them.
func (r *rig) onlyOfDay(t testing.TB, name string) table.Props {
	t.Helper()
	all := r.ofDay(t, name)
	if len(all) != 1 {
		t.Fatalf("%s has %d rows of the day, want 1: %v", name, len(all), slices.Sorted(maps.Keys(all)))
	}
	return slices.Collect(maps.Values(all))[0]
}

// only is the single row of a name.
func (r *rig) only(t testing.TB, name string) table.Props {
	t.Helper()
	all := r.rows(t, name)
	if len(all) != 1 {
		t.Fatalf("%s has %d rows, want 1: %v", name, len(all), slices.Sorted(maps.Keys(all)))
	}
	for _, props := range all {
		return props
	}
	return nil
}

// hourRow is the verdict on a blob.
func (r *rig) hourRow(t testing.TB, name landing.Name) hourlog.Hour {
	t.Helper()
	tables := r.store.Tables
	h, err := hourlog.Read(context.Background(), tables, hourlog.ID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16})
	ok(t, err)
	return h
}

// dump is every row and every blob of the app, without the columns that say
// when something was done. A blob stands by its name and its size: the name is
// made from the content.
func (r *rig) dump(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range table.Names() {
		for key, props := range r.rows(t, name) {
			var columns strings.Builder
			for _, name := range slices.Sorted(maps.Keys(props)) {
				if _, when := props[name].(time.Time); !when {
					fmt.Fprintf(&columns, "%s=%v\n", name, props[name])
				}
			}
			all[name+" "+key] = columns.String()
		}
	}
	for _, container := range table.Containers() {
		ok(t, r.store.Blobs.List(context.Background(), container, func(name string, _ time.Time) error {
			all[container+"/"+name] = fmt.Sprint(len(r.blob(t, container+"/"+name)), " bytes")
			return nil
		}))
	}
	return all
}

// take reads all messages of a queue that can be seen now.
func (r *rig) take(t testing.TB, queue string) []string {
	t.Helper()
	var texts []string
	ok(t, r.store.Queues.Drain(context.Background(), queue, func(text string) error {
		texts = append(texts, text)
		return nil
	}))
	return texts
}

// lose empties a queue, of hidden messages too.
func (r *rig) lose(t testing.TB, queue string) {
	t.Helper()
	ok(t, r.store.Queues.Clear(context.Background(), queue))
}

// depth counts the messages of a queue, hidden ones too.
func (r *rig) depth(t testing.TB, queue string) int64 {
	t.Helper()
	n, err := r.store.Queues.Depth(context.Background(), queue)
	ok(t, err)
	return n
}

// poison puts a message where the host puts those that failed for good.
func (r *rig) poison(t testing.TB, queue, raw string) {
	t.Helper()
	ok(t, r.store.Queues.PutRaw(context.Background(), queue+"-poison", raw))
}

var errFault = errors.New("the storage fails, as the test wants it")

// failWrite fails the n-th write from now on: not stored, or stored and
// reported as failed. The result counts the writes.
func (r *rig) failWrite(n int64, stored bool) *atomic.Int64 {
	var writes atomic.Int64
	r.through(func(op faultstore.Operation, do func() error) error {
		if !op.Write || writes.Add(1) != n {
			return do()
		}
		if stored {
			if err := do(); err != nil {
				return err
			}
		}
		return errFault
	})
	return &writes
}

// eachWriteFailed plays a scene once without faults and then with each of its
// writes failed, in the one way and the other by turns (in make soak in both). make
// prepares the rig, step is what the host repeats until it is told 200, and the end
// must be the same.
func eachWriteFailed(t *testing.T, prepare func(*testing.T) *rig, step func(*rig) (int, string), same func(t *testing.T, want, got *rig)) {
	t.Helper()
	clean := prepare(t)
	count := clean.failWrite(0, false)
	if status, body := step(clean); status != http.StatusOK {
		t.Fatalf("without faults: %d %s", status, body)
	}
	clean.through(nil)
	for at := range count.Load() {
		for how, stored := range map[string]bool{"is not stored": false, "is stored and reported as failed": true} {
			if !soaks() && stored != (at%2 == 0) {
				continue // by turns; both ways in make soak
			}
			t.Run(fmt.Sprintf("write %d %s", at+1, how), func(t *testing.T) {
				t.Parallel()
				r := prepare(t)
				r.failWrite(at+1, stored)
				if status, _ := step(r); status != http.StatusInternalServerError {
					t.Fatalf("the failed write: %d, want 500", status)
				}
				for try := 1; ; try++ {
					status, body := step(r)
					if status == http.StatusOK {
						break
					}
					if try == 3 {
						t.Fatalf("the repeat: %d %s", status, body)
					}
				}
				r.through(nil)
				same(t, clean, r)
			})
		}
	}
}

// forget deletes the rows of a table.
func (r *rig) forget(t testing.TB, name string) {
	t.Helper()
	for row, err := range r.store.Tables.List(context.Background(), name, "", "", "") {
		ok(t, err)
		ok(t, r.store.Tables.Apply(context.Background(), name, row.Partition, table.Op{Verb: table.Delete, Row: row}))
	}
}
