package hourlog_test

import (
	"context"
	"errors"
	"fmt"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"net/http"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/azurestore"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

var errFault = errors.New("the storage fails, as the test wants it")

// faulty fails one write: not stored, or stored and reported as failed.
type faulty struct {
	table.Store
	at     int // which write, from 1; 0 for none
	stored bool
	writes int
}

func (f *faulty) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if len(ops) == 0 {
		return nil
	}
	if f.writes++; f.writes != f.at {
		return f.Store.Apply(ctx, name, partition, ops...)
	}
	if f.stored { // whatever the store says of it
		_ = f.Store.Apply(ctx, name, partition, ops...)
	}
	return errFault
}

// wayOfADay is every step of the ledger that writes, in the order in which the
// functions call them: three blobs of two hours, one day that is stated and
// forwarded. Each step is what the host repeats as a whole.
func wayOfADay(t testing.TB, tables table.Store, cloudID string) []func(context.Context) error {
	d := ledgertest.Day(t, "20191210")
	ingest := func(compact, sha16 string, days ...usage.Day) func(context.Context) error {
		return func(ctx context.Context) error {
			id, h := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, compact), sha16)
			if err := hourlog.PutQuarantine(ctx, tables, id, []hourlog.Quarantined{{Line: 1, Code: "a"}, {Line: 7, Code: "b"}}); err != nil {
				return err
			}
			_, err := ledgertest.Commit(ctx, tables, id, h, days...)
			return err
		}
	}
	unregistered := func(ctx context.Context) error {
		id, h := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, "2019121019"), "aaaaaaaaaaaaaaaa")
		h.Verdict = hourlog.Unregistered
		_, err := hourlog.Record(ctx, tables, id, h)
		return err
	}
	manifest := ledgertest.ManifestOf(cloudID, d, 2)
	closeDay := func(ctx context.Context) error {
		c, err := daybook.Begin(ctx, tables, cloudID, d)
		if errors.Is(err, daybook.ErrNotOpen) {
			return nil
		} else if err != nil {
			return err
		}
		if c.Last == nil {
			if err := ledgertest.Close(ctx, tables, c); err != nil {
				return err
			}
		}
		if err := outbox.Open(ctx, tables, manifest, ledgertest.Landed); err != nil {
			return err
		}
		_, err = daybook.Finish(ctx, tables, c)
		return err
	}
	forward := func(number int) func(context.Context) error {
		return func(ctx context.Context) error {
			id := outbox.ID{CloudID: cloudID, Day: d, Revision: 1, Number: number}
			b, err := outbox.Read(ctx, tables, id)
			if err != nil || b.State == outbox.BatchDone {
				return err
			}
			sent := ledgertest.Records(t, d, 3*number)[3*number-3:]
			if err := outbox.PutOutcomes(ctx, tables, id, sent, ledgertest.Accept(sent)); err != nil {
				return err
			}
			b.State, b.Tries, b.Accepted = outbox.BatchDone, 1, int64(len(sent))
			return outbox.Update(ctx, tables, id, b)
		}
	}
	finish := func(ctx context.Context) error {
		marks, err := openday.List(ctx, tables)
		if err != nil {
			return err
		}
		for _, m := range marks {
			if m.CloudID == cloudID && m.Revision > 0 {
				_, batches, err := outbox.OfRevision(ctx, tables, cloudID, m.Day, m.Revision)
				if err == nil {
					_, err = daybook.FinishRevision(ctx, tables, m, batches, ledgertest.Landed)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
	return []func(context.Context) error{
		unregistered,
		ingest("2019121019", "aaaaaaaaaaaaaaaa", d, d.Next()),
		ingest("2019121019", "bbbbbbbbbbbbbbbb", d), // in conflict with the first
		ingest("2019121020", "cccccccccccccccc", d),
		closeDay, closeDay, forward(1), forward(2), finish,
	}
}

// way is a list of steps.
type way func(t testing.TB, tables table.Store, cloudID string) []func(context.Context) error

// walk repeats each step until it succeeds, and returns what plain has stored then. It
// is how often a step failed.
func walk(t *testing.T, way way, id string, tables, plain table.Store) (stored map[string]string, failed int) {
	t.Helper()
	ctx := context.Background()
	for i, step := range way(t, tables, id) {
		err := step(ctx)
		for try := 0; err != nil; try++ {
			// What a write meets that was stored before may be a sentinel in
			// the next try; it may not be one for ever.
			if failed++; try == 3 {
				t.Fatalf("step %d: %v", i, err)
			}
			err = step(ctx)
		}
	}
	return ledgertest.Dump(t, plain, id), failed
}

var ways = map[string]way{"a day": wayOfADay, "decisions": wayOfDecisions, "exclusions": wayOfExclusions}

// The SDK sends a write again by itself when its answer is lost, so that a
// commit can meet itself. Here every answer to a write is lost once.
func TestEveryAnswerLostToTheSDK(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, connection := ledgertest.Open(t)
			lost := map[string]bool{}
			lose := ledgertest.PolicyFunc(func(req *policy.Request) (*http.Response, error) {
				resp, err := req.Next()
				raw := req.Raw()
				what := fmt.Sprint(raw.Method, raw.URL, raw.ContentLength) // tells the writes of this walk apart
				if err == nil && raw.Method != http.MethodGet && !lost[what] {
					lost[what] = true
					return nil, errFault
				}
				return resp, err
			})
			want, _ := walk(t, way, ledgertest.Cloud(0), plain, plain)
			got, _ := walk(t, way, ledgertest.Cloud(1), ledgertest.Reopen(t, connection, azurestore.Through(lose)), plain)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows (-without the faults +with them):\n%s", diff)
			}
			if len(lost) < 15 {
				t.Errorf("only %d answers were lost", len(lost))
			}
		})
	}
}

// Every write fails once, in both ways, and the step is repeated as the host
// does: nobody can tell afterwards.
func TestEveryWriteFailedBothWays(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		run := func(t *testing.T, f *faulty) map[string]string {
			t.Helper()
			plain := ledgertest.InMemory()
			f.Store = plain
			stored, failed := walk(t, way, ledgertest.CloudID, f, plain)
			if f.at > 0 && failed == 0 {
				t.Errorf("write %d failed and no step noticed", f.at)
			}
			return stored
		}
		count := &faulty{}
		want := run(t, count)
		if len(want) < 13 || count.writes < 20 {
			t.Fatalf("%s: %d rows by %d writes: the steps do nothing", name, len(want), count.writes)
		}
		for at := range count.writes {
			for how, stored := range map[string]bool{"is not stored": false, "is stored and reported as failed": true} {
				t.Run(fmt.Sprintf("%s: write %d %s", name, at+1, how), func(t *testing.T) {
					got := run(t, &faulty{at: at + 1, stored: stored})
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("rows (-without the fault +with it):\n%s", diff)
					}
				})
			}
		}
	}
}
