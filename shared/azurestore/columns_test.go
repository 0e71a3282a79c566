package azurestore_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/internal/memstore"
	"stackusage/shared/table"
)

func TestColumnsRoundTrip(t *testing.T) { eachStore(t, columnsRoundTrip) }

func columnsRoundTrip(t *testing.T, store table.Store) {
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		value any
	}{
		{"a text", "16.461425899527967"},
		{"an empty text is not an absent one", ""},
		{"a text that looks like a time", "2019-12-10T19:00:00Z"},
		{"a text with quotes, line breaks and HTML", "a\"b'c\n<d>&\\u0026"},
		{"a text outside the basic plane", "größe 🚀"},
		{"16 KiB of text", strings.Repeat("x", 16<<10)},
		{"true", true},
		{"false", false},
		{"zero", int64(0)},
		{"a number below zero", int64(-7)},
		{"a number that a float64 cannot hold", int64(1<<53 + 1)},
		{"the largest number", int64(math.MaxInt64)},
		{"a time", time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC)},
		{"a leap day", time.Date(2020, 2, 29, 23, 59, 59, 0, time.UTC)},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := table.Props{"column": c.value}
			r := table.Row{Partition: "p", Key: "k", Props: want}
			got := stored(t, store, r)
			if diff := cmp.Diff(want, got.Props); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			for r, err := range store.List(ctx, rowsTable, "p", "k", "") {
				ok(t, err)
				if diff := cmp.Diff(want, r.Props); diff != "" {
					t.Errorf("columns in a list (-want +got):\n%s", diff)
				}
			}
		})
	}
	t.Run("a time of another zone comes back as the same instant in UTC", func(t *testing.T) {
		zone := time.FixedZone("", 2*3600)
		at := time.Date(2019, 12, 10, 21, 0, 0, 0, zone)
		got := stored(t, store, table.Row{Partition: "p", Key: "k", Props: table.Props{"at": at}})
		if diff := cmp.Diff(table.Props{"at": at.UTC()}, got.Props); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
	})
	t.Run("a time has no clock reading and no more digits than the service keeps", func(t *testing.T) {
		at := time.Date(2019, 12, 10, 21, 0, 0, 123456789, time.UTC)
		got := stored(t, store, table.Row{Partition: "p", Key: "k", Props: table.Props{"at": at, "now": time.Now()}})
		if have := got.Props["at"].(time.Time); !have.Equal(at.Truncate(100 * time.Nanosecond)) {
			t.Errorf("got %s", have)
		}
		if now := got.Props["now"].(time.Time); strings.Contains(now.String(), "m=") || now.Location() != time.UTC {
			t.Errorf("got %s", now)
		}
	})
	t.Run("what the service does not take is an error", func(t *testing.T) {
		for what, r := range map[string]table.Row{
			"a text of over 64 KiB":    {Partition: "p", Key: "no", Props: table.Props{"text": strings.Repeat("x", 32<<10+1)}},
			"a slash in a row's key":   {Partition: "p", Key: "n/o"},
			"a number sign in the key": {Partition: "p", Key: "n#o"},
		} {
			if err := store.Apply(ctx, rowsTable, "p", table.Op{Verb: table.Insert, Row: r}); err == nil {
				t.Errorf("%s is stored", what)
			}
		}
	})
	t.Run("a type that no column has is refused before anything is sent", func(t *testing.T) {
		bad := table.Row{Partition: "p", Key: "bad", Props: table.Props{"column": 1.5}}
		good := row("p", "good", "")
		for _, ops := range [][]table.Op{{{Verb: table.Insert, Row: bad}}, {{Verb: table.Insert, Row: good}, {Verb: table.Insert, Row: bad}}} {
			if err := store.Apply(ctx, rowsTable, "p", ops...); err == nil || !strings.Contains(err.Error(), "column has type float64") {
				t.Errorf("got error %v, want one that names column and type", err)
			}
		}
		if got := keys(t, store, "p", "good", "h"); got != nil {
			t.Errorf("stored %v", got)
		}
	})
}

// Azure Tables takes no time before 1601; Azurite does.
func TestAColumnInMemoryIsNotOlderThanOneInAzure(t *testing.T) {
	old := table.Row{Partition: "p", Key: "k", Props: table.Props{"at": time.Date(1600, 12, 31, 0, 0, 0, 0, time.UTC)}}
	if err := memstore.NewTables(rowsTable).Apply(t.Context(), rowsTable, "p", table.Op{Verb: table.Insert, Row: old}); err == nil {
		t.Error("it is stored")
	}
}

func TestAnyRowRoundTrips(t *testing.T) { eachStore(t, anyRowRoundTrips) }

func anyRowRoundTrips(t *testing.T, store table.Store) {
	// XML and JSON both forbid or mangle some characters; what reaches a row is
	// checked for control characters before.
	text := rapid.StringOfN(rapid.RuneFrom([]rune(`aZ09 '"\/&<>%_+-#?é漢🚀`)), 0, 40, -1)
	value := rapid.OneOf(
		text.AsAny(),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Map(rapid.Int64Range(0, 4_000_000_000), func(s int64) time.Time { return time.Unix(s, 0).UTC() }).AsAny(),
	)
	key := rapid.StringMatching(`[0-9a-z_']{1,30}`)
	rapid.Check(t, func(rt *rapid.T) {
		want := table.Row{
			Partition: key.Draw(rt, "partition"), Key: key.Draw(rt, "key"),
			Props: rapid.MapOfN(rapid.StringMatching(`[a-z][A-Za-z0-9]{0,10}`), value, 0, 6).Draw(rt, "props"),
		}
		if err := store.Apply(context.Background(), rowsTable, want.Partition, table.Op{Verb: table.Put, Row: want}); err != nil {
			rt.Fatal(err)
		}
		got, err := store.Get(context.Background(), rowsTable, want.Partition, want.Key)
		if err != nil {
			rt.Fatal(err)
		}
		got.Tag = ""
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("row (-want +got):\n%s", diff)
		}
	})
}
