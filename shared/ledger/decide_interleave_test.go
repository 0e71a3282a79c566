package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"stackusage/shared/azurestore"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// atRest checks that each of the three days is stated with what counts, or is
// open, and says what became of the hour. least is 0 where the hour may be excluded.
func atRest(t *testing.T, l *ledger.Ledger, cloudID string, least int64) string {
	t.Helper()
	ctx := context.Background()
	d := day(t, "20191210")
	standing, err := l.CountedHour(ctx, ledger.HourID{CloudID: cloudID, Hour: hour(t, "2019121019")})
	ok(t, err)
	end := "counts " + (standing.Counts + "-")[:1]
	for at, day := range []usage.Day{d - 1, d, d + 1} {
		want := ""
		if standing.Counts == fileA && at < 2 || standing.Counts == fileB && at > 0 {
			want = "2019121019_" + standing.Counts
		}
		stated := ""
		for r, err := range l.RevisionsOf(ctx, cloudID, day) {
			ok(t, err)
			if stated = r.Inputs; at == 1 && (r.InputCount < least || r.InputCount > 1) {
				t.Errorf("revision %d of the day that both files have is made of %q", r.Number, r.Inputs)
			}
		}
		if open := marked(t, l, cloudID, day.Compact()); stated != want && !open {
			t.Errorf("day %s is stated with %q, should be %q, and is closed", day, stated, want)
		} else if open {
			end += ", open"
		}
	}
	return end
}

// TestTakeOverInterleavings runs an operator's decision, the take-over, now and
// then a withdrawal, and closers of the three usage days request by request in
// random order, with crashes.
func TestTakeOverInterleavings(t *testing.T) {
	t.Parallel()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	plain, connection := open(t)
	l := reopen(t, connection, azurestore.Through(policyFunc(stopAtRequests)), azurestore.WithoutRetries())
	seen := map[string]int{}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			ctx := context.Background()
			random := rand.New(rand.NewPCG(seed, 1))
			cloudID := cloud(int(seed))
			_, b, daysOfA, daysOfB := inConflict(ctx, t, plain, cloudID)
			if random.IntN(2) == 0 {
				for _, d := range daysOfA {
					ok(t, stateNext(ctx, plain, cloudID, d))
				}
			}
			_, hourB := blobOf(cloudID, b.Hour, fileB)
			take := func(ctx context.Context, l *ledger.Ledger) error {
				h, err := l.Hour(ctx, b)
				if err == nil && h.TakesOver() {
					_, err = takeOver(ctx, l, b, hourB, daysOfB...)
				}
				return err
			}
			ask := func(ctx context.Context) error {
				_, err := l.AskTakeOver(ctx, b, because("b is right"))
				if err == nil {
					err = take(ctx, l) // what the message does
				}
				return ignore(err, ledger.ErrDecided)
			}
			actors := []*actor{{work: ask, repeats: 1}, {work: ask}}
			if random.IntN(4) == 0 {
				actors = append(actors, &actor{work: func(ctx context.Context) error {
					_, err := l.KeepOut(ctx, b, because("b is wrong"))
					return ignore(err, ledger.ErrDecided)
				}})
			}
			d := b.Hour.Day()
			for _, day := range []usage.Day{d - 1, d, d, d + 1} {
				actors = append(actors, &actor{closes: true, repeats: 2, work: func(ctx context.Context) error {
					return stateNext(ctx, l, cloudID, day)
				}})
			}
			play(t, random, actors)
			atRest(t, plain, cloudID, 1)
			// Sweep: what was left over by crashes is taken up.
			ok(t, take(ctx, plain))
			for _, day := range []usage.Day{d - 1, d, d + 1} {
				ok(t, stateNext(ctx, plain, cloudID, day))
			}
			end := atRest(t, plain, cloudID, 1)
			if strings.Contains(end, "open") {
				t.Errorf("in the end it %s", end)
			}
			seen[end]++
		})
	}
	if !testing.Short() && (seen["counts a"] == 0 || seen["counts b"] == 0) {
		t.Errorf("ends %v", seen)
	}
	t.Log(seen)
}

func ignore(err, sentinel error) error {
	if errors.Is(err, sentinel) {
		return nil
	}
	return err
}
