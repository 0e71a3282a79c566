package azurestore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/memstore"
	"stackusage/shared/azurestore"
	"stackusage/shared/table"
)

const rowsTable = "Rows"

func openTables(t testing.TB, options ...azurestore.Option) *azurestore.Tables {
	t.Helper()
	store := connect(t, options...).Tables
	ok(t, store.Create(context.Background(), rowsTable))
	return store
}

// eachStore runs a part of the contract of table.Store on Azure Tables, and on the
// store in memory that other tests rely on.
func eachStore(t *testing.T, contract func(t *testing.T, store table.Store)) {
	t.Parallel()
	t.Run("Azure Tables", func(t *testing.T) { t.Parallel(); contract(t, openTables(t)) })
	t.Run("in memory", func(t *testing.T) { t.Parallel(); contract(t, memstore.NewTables(rowsTable)) })
}

func row(partition, key, text string) table.Row {
	return table.Row{Partition: partition, Key: key, Props: table.Props{"text": text}}
}

// stored puts a row and reads it back with its tag.
func stored(t testing.TB, store table.Store, r table.Row) table.Row {
	t.Helper()
	ok(t, store.Apply(context.Background(), rowsTable, r.Partition, table.Op{Verb: table.Put, Row: r}))
	return get(t, store, r.Partition, r.Key)
}

func get(t testing.TB, store table.Store, partition, key string) table.Row {
	t.Helper()
	r, err := store.Get(context.Background(), rowsTable, partition, key)
	ok(t, err)
	return r
}

func keys(t testing.TB, store table.Store, partition, from, to string) []string {
	t.Helper()
	var all []string
	for r, err := range store.List(context.Background(), rowsTable, partition, from, to) {
		ok(t, err)
		all = append(all, r.Partition+"/"+r.Key)
	}
	return all
}

func TestStoreVerbs(t *testing.T) { eachStore(t, storeVerbs) }

// storeVerbs is the part of the contract of table.Store that a caller
// branches on: which write fails with which sentinel, alone and beside another
// write in a transaction, and that a failed write stores nothing.
func storeVerbs(t *testing.T, store table.Store) {
	ctx := context.Background()
	type standing int
	const (
		absent standing = iota
		present
		changed // present, in a later version than the one that was read
		gone    // was read, and deleted since
	)
	for _, c := range []struct {
		name string
		verb table.Verb
		row  standing
		want error
	}{
		{"Insert of a new key stores the row", table.Insert, absent, nil},
		{"Insert of a taken key is ErrExists", table.Insert, present, table.ErrExists},
		{"Put of a new key stores the row", table.Put, absent, nil},
		{"Put of a taken key replaces the row", table.Put, present, nil},
		{"Update of the version that was read replaces the row", table.Update, present, nil},
		{"Update of another version is ErrChanged", table.Update, changed, table.ErrChanged},
		{"Update of a row that is gone is ErrChanged", table.Update, gone, table.ErrChanged},
		{"Delete of the version that was read deletes the row", table.Delete, present, nil},
		{"Delete of another version is ErrChanged", table.Delete, changed, table.ErrChanged},
		{"Delete of a row that is gone is ErrChanged", table.Delete, gone, table.ErrChanged},
	} {
		for _, together := range []bool{false, true} {
			name := c.name
			if together {
				name += ", in a transaction"
			}
			t.Run(name, func(t *testing.T) {
				partition := strings.ReplaceAll(t.Name(), "/", ":")
				r := row(partition, "it", "new")
				if c.row != absent {
					r.Tag = stored(t, store, row(partition, "it", "old")).Tag
				}
				switch c.row {
				case changed:
					stored(t, store, row(partition, "it", "newer"))
				case gone:
					ok(t, store.Apply(ctx, rowsTable, partition, table.Op{Verb: table.Delete, Row: r}))
				}
				before := contents(t, store, partition)
				ops := []table.Op{{Verb: c.verb, Row: r}}
				if together {
					ops = append([]table.Op{{Verb: table.Insert, Row: row(partition, "neighbour", "x")}}, ops...)
				}
				err := store.Apply(ctx, rowsTable, partition, ops...)
				if !errors.Is(err, c.want) {
					t.Fatalf("got error %v, want %v", err, c.want)
				}
				want := before
				if c.want == nil {
					want = map[string]string{}
					if c.verb != table.Delete {
						want["it"] = "new"
					}
					if together {
						want["neighbour"] = "x"
					}
				}
				if diff := cmp.Diff(want, contents(t, store, partition)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestStoreScan(t *testing.T) { eachStore(t, storeScan) }

func storeScan(t *testing.T, store table.Store) {
	for _, partition := range []string{"b", "c_1", "a", "c'", "c_2"} {
		for _, key := range []string{"2", "10", "1"} {
			ok(t, store.Apply(t.Context(), rowsTable, partition, table.Op{Row: row(partition, key, partition+" "+key)}))
		}
	}
	day := time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)
	for key, props := range map[string]table.Props{"1": {"at": day.Add(-time.Second), "note": ""}, "2": {"at": day, "note": "x"}, "3": {"note": " "}, "4": {"at": day.AddDate(1, 0, 0)}} {
		ok(t, store.Apply(t.Context(), rowsTable, "d", table.Op{Row: table.Row{Partition: "d", Key: key, Props: props}}))
	}
	for _, c := range []struct {
		from, to string
		any      []table.Condition
		want     string
	}{
		{"", "b", nil, "a/1 a/10 a/2"},
		{"c_", "c`", nil, "c_1/1 c_1/10 c_1/2 c_2/1 c_2/10 c_2/2"},
		{"b", "", []table.Condition{{Column: "text", Value: "a 1"}, {Column: "text", Value: "c_2 10"}, {Column: "text", Value: "b 2"}}, "b/2 c_2/10"},
		{"", "", []table.Condition{{Column: "text", Value: "c' 1"}}, "c'/1"},
		{"", "", []table.Condition{{Column: "other", Value: "a"}}, ""},
		{"c_2", "c_1", nil, ""},
		{"", "", []table.Condition{table.NotBefore("at", day)}, "d/2 d/4"},
		{"", "", []table.Condition{table.NotBefore("at", time.Time{})}, "d/1 d/2 d/4"},
		{"", "", []table.Condition{table.Filled("note")}, "d/2 d/3"},
		{"a", "c", []table.Condition{table.Filled("note"), table.NotBefore("at", day)}, ""},
		{"", "", []table.Condition{table.Filled("note"), table.NotBefore("at", day), {Column: "text", Value: "a 1"}}, "a/1 d/2 d/3 d/4"},
	} {
		var got []string
		for r, err := range store.Scan(t.Context(), rowsTable, c.from, c.to, c.any...) {
			ok(t, err)
			got = append(got, r.Partition+"/"+r.Key)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("from %q to %q %v: got %v, want %s", c.from, c.to, c.any, got, c.want)
		}
	}
}

// contents is key -> text of a partition.
func contents(t testing.TB, store table.Store, partition string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r, err := range store.List(context.Background(), rowsTable, partition, "", "") {
		ok(t, err)
		all[r.Key] = r.Props["text"].(string)
	}
	return all
}

func TestStoreGet(t *testing.T) { eachStore(t, storeGet) }

func storeGet(t *testing.T, store table.Store) {
	ctx := context.Background()
	t.Run("a row that is not there is ErrNotFound", func(t *testing.T) {
		if _, err := store.Get(ctx, rowsTable, "p", "k"); !errors.Is(err, table.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
	t.Run("a missing table is a broken deployment, no sentinel", func(t *testing.T) {
		_, read := store.Get(ctx, "Nowhere", "p", "k")
		write := store.Apply(ctx, "Nowhere", "p", table.Op{Verb: table.Update, Row: table.Row{Partition: "p", Key: "k", Tag: "*"}})
		for _, err := range []error{read, write} {
			if err == nil || errors.Is(err, table.ErrNotFound) || errors.Is(err, table.ErrChanged) || errors.Is(err, table.ErrExists) {
				t.Errorf("got %v, want an error that is none of the sentinels", err)
			}
		}
	})
	t.Run("each write gives the row another tag", func(t *testing.T) {
		first := stored(t, store, row("p", "tagged", "same"))
		second := stored(t, store, row("p", "tagged", "same"))
		if first.Tag == "" || first.Tag == second.Tag {
			t.Errorf("tags %q and %q: a closer could not tell that the mark was written again", first.Tag, second.Tag)
		}
	})
	t.Run("an empty list of writes is done", func(t *testing.T) {
		ok(t, store.Apply(ctx, rowsTable, "p"))
	})
	t.Run("creating a table twice is done", func(t *testing.T) {
		ok(t, store.(interface {
			Create(ctx context.Context, names ...string) error
		}).Create(ctx, rowsTable, rowsTable))
	})
}

func TestStoreList(t *testing.T) { eachStore(t, storeList) }

func storeList(t *testing.T, store table.Store) {
	ctx := context.Background()
	for _, key := range []string{"20191210_0002", "20191210", "20191211", "20191210_0001", "2019121"} {
		stored(t, store, row("b", key, ""))
	}
	stored(t, store, row("a", "z", ""))
	stored(t, store, row("O'Brien", "it's '' quoted", "apostrophe"))
	for _, c := range []struct {
		name, partition, from, to string
		want                      []string
	}{
		{"no bounds: the partition, in order of key", "b", "", "",
			[]string{"b/2019121", "b/20191210", "b/20191210_0001", "b/20191210_0002", "b/20191211"}},
		{"from is inside, to is outside", "b", "20191210", "20191211",
			[]string{"b/20191210", "b/20191210_0001", "b/20191210_0002"}},
		{"a prefix is a range up to the next character", "b", "20191210_", "20191210`",
			[]string{"b/20191210_0001", "b/20191210_0002"}},
		{"an open end", "b", "20191210_0002", "", []string{"b/20191210_0002", "b/20191211"}},
		{"nothing there", "c", "", "", nil},
		{"quotes in keys are text", "O'Brien", "it's", "it't", []string{"O'Brien/it's '' quoted"}},
		{"an empty partition is all, in order of partition", "", "2019121", "20191210_",
			[]string{"b/2019121", "b/20191210"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, keys(t, store, c.partition, c.from, c.to)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a caller may stop early", func(t *testing.T) {
		for range store.List(ctx, rowsTable, "b", "", "") {
			break
		}
	})
	t.Run("a failed page is an error, once", func(t *testing.T) {
		errs := 0
		for _, err := range store.List(ctx, "Nowhere", "b", "", "") {
			if err != nil {
				errs++
			}
		}
		if errs != 1 {
			t.Errorf("got %d errors, want 1", errs)
		}
	})
	t.Run("a quoted row can be read, updated and deleted", func(t *testing.T) {
		r := get(t, store, "O'Brien", "it's '' quoted")
		r.Props["text"] = "changed"
		ok(t, store.Apply(ctx, rowsTable, r.Partition, table.Op{Verb: table.Update, Row: r}))
		r = get(t, store, "O'Brien", "it's '' quoted")
		if r.Props["text"] != "changed" {
			t.Errorf("the row says %q", r.Props["text"])
		}
		ok(t, store.Apply(ctx, rowsTable, r.Partition, table.Op{Verb: table.Delete, Row: r}))
	})
}

// A page of Azure Tables ends at 1,000 rows; a revision of 100,000 batches or a
// day of a million lines is read over many.
func TestStoreListPages(t *testing.T) { eachStore(t, storeListPages) }

func storeListPages(t *testing.T, store table.Store) {
	const rows = 1150
	var want []string
	var ops []table.Op
	for i := range rows {
		r := row("p", fmt.Sprintf("%05d", i), "")
		want = append(want, "p/"+r.Key)
		ops = append(ops, table.Op{Verb: table.Insert, Row: r})
	}
	for chunk := range slices.Chunk(ops, 100) {
		slices.Reverse(chunk) // the order of arrival is not the order of keys
		ok(t, store.Apply(context.Background(), rowsTable, "p", chunk...))
	}
	if diff := cmp.Diff(want, keys(t, store, "p", "", "")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
