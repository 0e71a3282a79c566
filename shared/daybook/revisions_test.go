package daybook_test

import (
	"context"
	"fmt"
	"github.com/google/go-cmp/cmp"
	"strings"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestClose(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	begin := func(t *testing.T, cloudID string) *daybook.Closing {
		t.Helper()
		c, err := daybook.Begin(ctx, tables, cloudID, d)
		ledgertest.OK(t, err)
		return c
	}
	finish := func(t *testing.T, c *daybook.Closing, want bool) {
		t.Helper()
		done, err := daybook.Finish(ctx, tables, c)
		ledgertest.OK(t, err)
		if done != want || ledgertest.Marked(t, tables, c.CloudID, d.Compact()) == want {
			t.Errorf("done %v, the mark stands: %v", done, ledgertest.Marked(t, tables, c.CloudID, d.Compact()))
		}
	}
	counted := func(t *testing.T, cloudID, compact, sha16 string) {
		t.Helper()
		id, h := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, compact), sha16)
		_, err := ledgertest.Commit(ctx, tables, id, h, d)
		ledgertest.OK(t, err)
	}
	t.Run("a day without a mark is not open", func(t *testing.T) {
		_, err := daybook.Begin(ctx, tables, ledgertest.Cloud(0), d)
		ledgertest.Is(t, err, daybook.ErrNotOpen)
	})
	t.Run("a day is stated with what counts, in order of hours, and is done", func(t *testing.T) {
		id := ledgertest.Cloud(1)
		counted(t, id, "2019121101", "a")
		counted(t, id, "2019121005", "c")
		counted(t, id, "2019121004", "b")
		c := begin(t, id)
		if c.Last != nil || c.UpToDate() || len(c.Pending) != 0 {
			t.Errorf("began with %+v", c)
		}
		if got, want := daybook.InputList(c.Counted), "2019121004_b,2019121005_c,2019121101_a"; got != want {
			t.Errorf("inputs %s, want %s", got, want)
		}
		ledgertest.OK(t, ledgertest.Close(ctx, tables, c))
		finish(t, c, true)
		last, err := daybook.LastRevision(ctx, tables, id, d)
		ledgertest.OK(t, err)
		if diff := cmp.Diff(c.Last, last); diff != "" {
			t.Errorf("revision (-committed +read):\n%s", diff)
		}
	})
	t.Run("the second of two closers must begin again", func(t *testing.T) {
		id := ledgertest.Cloud(2)
		counted(t, id, "2019121004", "a")
		one, two := begin(t, id), begin(t, id)
		ledgertest.OK(t, ledgertest.Close(ctx, tables, one))
		ledgertest.Is(t, ledgertest.Close(ctx, tables, two), daybook.ErrOtherCloser)
		again := begin(t, id)
		if !again.UpToDate() {
			t.Error("the repeat does not see that the day is stated with its inputs")
		}
		finish(t, again, true)
		if done, err := daybook.Finish(ctx, tables, one); done || err != nil {
			t.Errorf("the first finds the mark gone: got %v, %v", done, err)
		}
	})
	t.Run("an hour that comes while a day closes keeps it open", func(t *testing.T) {
		id := ledgertest.Cloud(3)
		counted(t, id, "2019121004", "a")
		c := begin(t, id)
		ledgertest.OK(t, ledgertest.Close(ctx, tables, c))
		counted(t, id, "2019121005", "b")
		finish(t, c, false)
		c = begin(t, id)
		if c.UpToDate() {
			t.Error("a day with an hour that is not stated counts as stated")
		}
		finish(t, c, false)
	})
	t.Run("an input whose blob is undecided keeps the day open", func(t *testing.T) {
		id := ledgertest.Cloud(4)
		counted(t, id, "2019121004", "a")
		undecided, _ := ledgertest.BlobOf(id, ledgertest.Hour(t, "2019121005"), "b")
		stub := ledgertest.InputOf(undecided, d)
		row := table.Row{Partition: id + "_20191210", Key: "2019121005_b", Props: table.Props{"partial": stub.Partial, "landedAt": stub.LandedAt}}
		ledgertest.OK(t, tables.Apply(ctx, table.DayInputs, row.Partition, table.Op{Verb: table.Insert, Row: row}))
		c := begin(t, id)
		if len(c.Pending) != 1 {
			t.Errorf("pending %v", c.Pending)
		}
		ledgertest.OK(t, ledgertest.Close(ctx, tables, c))
		finish(t, c, false)
		_, err := hourlog.Record(ctx, tables, undecided, hourlog.Hour{Verdict: hourlog.Unregistered})
		ledgertest.OK(t, err)
		if c = begin(t, id); len(c.Pending) != 0 { // it counts again in the order of a supersede, which opens the day
			t.Error("what an end took out before it counted is waited for")
		}
		_, err = hourlog.Record(ctx, tables, undecided, hourlog.Hour{Verdict: hourlog.Conflict})
		ledgertest.OK(t, err)
		finish(t, begin(t, id), true)
	})
	t.Run("a day of which nothing counts is done without a revision", func(t *testing.T) {
		id := ledgertest.Cloud(5)
		counted(t, id, "2019121004", "a")
		loser, h := ledgertest.BlobOf(id, ledgertest.Hour(t, "2019121004"), "b")
		_, err := ledgertest.Commit(ctx, tables, loser, h, d.Next())
		ledgertest.OK(t, err)
		c, err := daybook.Begin(ctx, tables, id, d.Next())
		ledgertest.OK(t, err)
		done, err := daybook.Finish(ctx, tables, c)
		ledgertest.OK(t, err)
		if !done || len(c.Counted) != 0 || ledgertest.Marked(t, tables, id, d.Next().Compact()) {
			t.Errorf("done %v, counted %v", done, c.Counted)
		}
	})
	t.Run("revisions of neighbouring days are not mistaken for the day's", func(t *testing.T) {
		last, err := daybook.LastRevision(ctx, tables, ledgertest.Cloud(1), d.Next())
		if last != nil || err != nil {
			t.Errorf("got %v, %v", last, err)
		}
	})
}

func TestInputList(t *testing.T) {
	t.Parallel()
	inputs := func(n int) []openday.Input {
		all := make([]openday.Input, n)
		for i := range all {
			all[i] = openday.Input{Hour: ledgertest.Hour(t, "2019121000") + usage.Hour(i), SHA16: fmt.Sprintf("%016x", i)}
		}
		return all
	}
	t.Run("is the list as people read it", func(t *testing.T) {
		if got, want := daybook.InputList(inputs(2)), "2019121000_0000000000000000,2019121001_0000000000000001"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("becomes a hash before a table would refuse it", func(t *testing.T) {
		const entry = 28 // with its comma
		fits := daybook.InputList(inputs(30 << 10 / entry))
		long := daybook.InputList(inputs(30<<10/entry + 1))
		if strings.HasPrefix(fits, "sha256:") || len(fits) > 30<<10 {
			t.Errorf("%d bytes: %.40s", len(fits), fits)
		}
		if len(long) != len("sha256:")+64 || !strings.HasPrefix(long, "sha256:") {
			t.Errorf("got %.80s", long)
		}
	})
	t.Run("differs for other inputs, hashed too", func(t *testing.T) {
		if daybook.InputList(inputs(2000)) == daybook.InputList(inputs(2001)) {
			t.Error("two lists look alike")
		}
	})
}
