package ledger_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// closeCarrying is what CloseDay does with the ledger. salt stands for what makes
// the files of two closers differ.
func closeCarrying(ctx context.Context, l *ledger.Ledger, cloudID string, d usage.Day, salt string) error {
	c, err := l.BeginClose(ctx, cloudID, d)
	if errors.Is(err, ledger.ErrNotOpen) {
		return nil
	} else if err != nil {
		return err
	}
	if !c.Empty() && (!c.States() || c.Request != nil) {
		r := ledger.Revision{Number: 1, Inputs: ledger.InputList(c.Counted, c.Carries...), InputCount: int64(len(c.Counted) + len(c.Carries))}
		if c.Last != nil {
			r.Number = c.Last.Number + 1
		}
		r = c.Answer(r)
		sum := sha256.Sum256([]byte(r.Inputs + salt))
		r.SHA256 = hex.EncodeToString(sum[:])
		r.File = "daily/" + r.SHA256
		if r.CarriedTo != "" {
			r.Carried = 1
		}
		if err := l.CommitRevision(ctx, c, r); err != nil {
			return err
		}
	}
	_, err = l.FinishClose(ctx, c)
	return err
}

// expiredDay states a day with one hour, of which commerce lets a record expire.
func expiredDay(t *testing.T, l *ledger.Ledger, cloudID string, d usage.Day) {
	t.Helper()
	ctx := context.Background()
	id, h := blobOf(cloudID, d.First()+19, fileA)
	_, err := commit(ctx, l, id, h, d)
	ok(t, err)
	ok(t, closeCarrying(ctx, l, cloudID, d, ""))
	m := ledger.Manifest{CloudID: cloudID, UsageDay: d, Revision: 1, Batches: []daily.Batch{{Number: 1, Records: 1}}}
	ok(t, l.OpenBatches(ctx, m, landed))
	batch := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: 1}
	b, err := l.Batch(ctx, batch)
	ok(t, err)
	b.State, b.Expired, b.Declined = ledger.BatchAnswered, 1, 1
	ok(t, l.UpdateBatch(ctx, batch, b))
}

// carriesAtRest checks that what the first day's revisions carry is in the last
// revision of the other day, each once, or that one is open; and says how many
// there are.
func carriesAtRest(t *testing.T, l *ledger.Ledger, cloudID string, from, to usage.Day) string {
	t.Helper()
	ctx := context.Background()
	last, err := l.LastRevision(ctx, cloudID, to)
	ok(t, err)
	stated := ""
	if last != nil {
		stated = last.Inputs
	}
	open := marked(t, l, cloudID, to.Compact())
	n, answered := 0, map[string]bool{}
	for r, err := range l.RevisionsOf(ctx, cloudID, from) {
		ok(t, err)
		if r.CarriedTo == "" {
			continue
		}
		n++
		if answered[r.Restate] {
			t.Errorf("request %s was answered twice", r.Restate)
		}
		answered[r.Restate] = true
		key := fmt.Sprintf("carry_%s_%04d_%s", from.Compact(), r.Number, r.SHA256[:16])
		if !strings.Contains(stated, key) && !open {
			t.Errorf("%s is in no revision, and the day is closed; it states %q", key, stated)
		}
	}
	if in := strings.Count(stated, "carry_"); in > n {
		t.Errorf("%d revisions carry, and the day states %s", n, stated)
	}
	if open || marked(t, l, cloudID, from.Compact()) {
		return fmt.Sprint(n, " carried, open")
	}
	return fmt.Sprint(n, " carried")
}

// TestCarryInterleavings runs an operator's request, an hour that comes late,
// and closers of the day that carries and of the day that it is carried to,
// request by request in random order, with crashes.
func TestCarryInterleavings(t *testing.T) {
	t.Parallel()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	plain, connection := open(t)
	l := reopen(t, connection, azurestore.Through(policyFunc(stopAtRequests)), azurestore.WithoutRetries())
	seen := map[string]int{}
	from := day(t, "20191210")
	to := from + 1
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			id := cloud(int(seed))
			expiredDay(t, plain, id, from)
			ask := func(ctx context.Context) error {
				_, err := l.AskCarry(ctx, id, from, to, 0, ledger.Reasoned{By: "olga", Reason: "commerce was away", At: to.Start().Add(time.Hour)})
				return ignore(err, ledger.ErrNotCarried)
			}
			late, hourLate := blobOf(id, from.First()+20, fileB)
			actors := []*actor{{work: ask, repeats: 1}}
			if random.IntN(2) == 0 {
				actors = append(actors, &actor{repeats: 1, work: func(ctx context.Context) error {
					_, err := commit(ctx, l, late, hourLate, from)
					return err
				}})
			}
			for i, d := range []usage.Day{from, from, to, to} {
				actors = append(actors, &actor{closes: true, repeats: 3, work: func(ctx context.Context) error {
					return closeCarrying(ctx, l, id, d, fmt.Sprint("closer ", i))
				}})
			}
			play(t, random, actors)
			seen[carriesAtRest(t, plain, id, from, to)]++
			// Sweep: what was left over by crashes is taken up.
			for range 2 {
				ok(t, closeCarrying(context.Background(), plain, id, from, "sweep"))
				ok(t, closeCarrying(context.Background(), plain, id, to, "sweep"))
			}
			end := carriesAtRest(t, plain, id, from, to)
			if strings.Contains(end, "open") {
				t.Errorf("in the end %s", end)
			}
			seen["then "+end]++
		})
	}
	if !testing.Short() && (seen["1 carried, open"] == 0 || seen["then 1 carried"] == 0) {
		t.Errorf("ends %v", seen)
	}
	t.Log(seen)
}
