package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// state states a day with the inputs that count, as a closer does.
func state(ctx context.Context, l *ledger.Ledger, c *ledger.Closing) error {
	return l.CommitRevision(ctx, c, ledger.Revision{
		Number: 1, Complete: true, Inputs: ledger.InputList(c.Counted), InputCount: int64(len(c.Counted)), Batches: 2,
		File: "daily/file", Manifest: "daily/manifest", BillingModel: "PayAsYouUse",
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	begin := func(t *testing.T, cloudID string) *ledger.Closing {
		t.Helper()
		c, err := l.BeginClose(ctx, cloudID, d)
		ok(t, err)
		return c
	}
	finish := func(t *testing.T, c *ledger.Closing, want bool) {
		t.Helper()
		done, err := l.FinishClose(ctx, c)
		ok(t, err)
		if done != want || marked(t, l, c.CloudID, d.Compact()) == want {
			t.Errorf("done %v, the mark stands: %v", done, marked(t, l, c.CloudID, d.Compact()))
		}
	}
	counted := func(t *testing.T, cloudID, compact, sha16 string) {
		t.Helper()
		id, h := blobOf(cloudID, hour(t, compact), sha16)
		_, err := commit(ctx, l, id, h, d)
		ok(t, err)
	}
	t.Run("a day without a mark is not open", func(t *testing.T) {
		_, err := l.BeginClose(ctx, cloud(0), d)
		is(t, err, ledger.ErrNotOpen)
	})
	t.Run("a day is stated with what counts, in order of hours, and is done", func(t *testing.T) {
		id := cloud(1)
		counted(t, id, "2019121101", "a")
		counted(t, id, "2019121005", "c")
		counted(t, id, "2019121004", "b")
		c := begin(t, id)
		if c.Last != nil || c.States() || len(c.Pending) != 0 {
			t.Errorf("began with %+v", c)
		}
		if got, want := ledger.InputList(c.Counted), "2019121004_b,2019121005_c,2019121101_a"; got != want {
			t.Errorf("inputs %s, want %s", got, want)
		}
		ok(t, state(ctx, l, c))
		finish(t, c, true)
		last, err := l.LastRevision(ctx, id, d)
		ok(t, err)
		if diff := cmp.Diff(c.Last, last); diff != "" {
			t.Errorf("revision (-committed +read):\n%s", diff)
		}
	})
	t.Run("the second of two closers must begin again", func(t *testing.T) {
		id := cloud(2)
		counted(t, id, "2019121004", "a")
		one, two := begin(t, id), begin(t, id)
		ok(t, state(ctx, l, one))
		is(t, state(ctx, l, two), ledger.ErrOtherCloser)
		again := begin(t, id)
		if !again.States() {
			t.Error("the repeat does not see that the day is stated with its inputs")
		}
		finish(t, again, true)
		if done, err := l.FinishClose(ctx, one); done || err != nil {
			t.Errorf("the first finds the mark gone: got %v, %v", done, err)
		}
	})
	t.Run("an hour that comes while a day closes keeps it open", func(t *testing.T) {
		id := cloud(3)
		counted(t, id, "2019121004", "a")
		c := begin(t, id)
		ok(t, state(ctx, l, c))
		counted(t, id, "2019121005", "b")
		finish(t, c, false)
		c = begin(t, id)
		if c.States() {
			t.Error("a day with an hour that is not stated counts as stated")
		}
		finish(t, c, false)
	})
	t.Run("an input whose blob is undecided keeps the day open", func(t *testing.T) {
		id := cloud(4)
		counted(t, id, "2019121004", "a")
		undecided, _ := blobOf(id, hour(t, "2019121005"), "b")
		stub := inputOf(undecided, d)
		row := table.Row{Partition: id + "_20191210", Key: "2019121005_b", Props: table.Props{"partial": stub.Partial, "landedAt": stub.LandedAt}}
		ok(t, l.Store.Apply(ctx, table.DayInputs, row.Partition, table.Op{Verb: table.Insert, Row: row}))
		c := begin(t, id)
		if len(c.Pending) != 1 {
			t.Errorf("pending %v", c.Pending)
		}
		ok(t, state(ctx, l, c))
		finish(t, c, false)
		_, err := l.DecideHour(ctx, undecided, ledger.Hour{Verdict: ledger.Unregistered})
		ok(t, err)
		if c = begin(t, id); len(c.Pending) != 0 { // it counts again in the order of a supersede, which opens the day
			t.Error("what an end took out before it counted is waited for")
		}
		_, err = l.DecideHour(ctx, undecided, ledger.Hour{Verdict: ledger.Conflict})
		ok(t, err)
		finish(t, begin(t, id), true)
	})
	t.Run("a day of which nothing counts is done without a revision", func(t *testing.T) {
		id := cloud(5)
		counted(t, id, "2019121004", "a")
		loser, h := blobOf(id, hour(t, "2019121004"), "b")
		_, err := commit(ctx, l, loser, h, d.Next())
		ok(t, err)
		c, err := l.BeginClose(ctx, id, d.Next())
		ok(t, err)
		done, err := l.FinishClose(ctx, c)
		ok(t, err)
		if !done || len(c.Counted) != 0 || marked(t, l, id, d.Next().Compact()) {
			t.Errorf("done %v, counted %v", done, c.Counted)
		}
	})
	t.Run("revisions of neighbouring days are not mistaken for the day's", func(t *testing.T) {
		last, err := l.LastRevision(ctx, cloud(1), d.Next())
		if last != nil || err != nil {
			t.Errorf("got %v, %v", last, err)
		}
	})
}

func TestInputList(t *testing.T) {
	t.Parallel()
	inputs := func(n int) []ledger.DayInput {
		all := make([]ledger.DayInput, n)
		for i := range all {
			all[i] = ledger.DayInput{Hour: hour(t, "2019121000") + usage.Hour(i), SHA16: fmt.Sprintf("%016x", i)}
		}
		return all
	}
	t.Run("is the list as people read it", func(t *testing.T) {
		if got, want := ledger.InputList(inputs(2)), "2019121000_0000000000000000,2019121001_0000000000000001"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("becomes a hash before a table would refuse it", func(t *testing.T) {
		const entry = 28 // with its comma
		fits := ledger.InputList(inputs(30 << 10 / entry))
		long := ledger.InputList(inputs(30<<10/entry + 1))
		if strings.HasPrefix(fits, "sha256:") || len(fits) > 30<<10 {
			t.Errorf("%d bytes: %.40s", len(fits), fits)
		}
		if len(long) != len("sha256:")+64 || !strings.HasPrefix(long, "sha256:") {
			t.Errorf("got %.80s", long)
		}
	})
	t.Run("differs for other inputs, hashed too", func(t *testing.T) {
		if ledger.InputList(inputs(2000)) == ledger.InputList(inputs(2001)) {
			t.Error("two lists look alike")
		}
	})
}
