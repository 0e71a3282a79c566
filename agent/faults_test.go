package agent_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
)

// anyFault draws what goes wrong next.
func anyFault(rng *rand.Rand) azurestack.Fault {
	f := azurestack.Fault{Skip: rng.IntN(6), Count: 1}
	switch rng.IntN(9) {
	case 0:
		f.Status = 202
	case 1:
		f.Status = 400 // RequestEndTimeIsInFuture
		f.Only = "stack"
	case 2:
		f.Status, f.Count, f.RetryAfter = 429, 1+rng.IntN(2), rng.IntN(2)
	case 3:
		f.Status, f.Count = 503, 1+rng.IntN(5)
	case 4:
		f.Status, f.Count = 504, 1+rng.IntN(8)
		f.Only = "stack"
	case 5:
		f.Status, f.Count, f.Only = 503, 3, "subscriptions"
	case 6:
		f.CutAfter, f.Only = rng.IntN(2000), "stack"
	default:
		f.CutAfter = rng.IntN(6000) // somewhere in a page of usage, or in the list
	}
	return f
}

func TestTwoHundredHoursOfEveryFault(t *testing.T) {
	const hours = 200
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			// The first hours go well: a deleted subscription is known by its rows.
			faults := []azurestack.Fault{{Status: 503, Skip: 15}}
			for range 250 {
				faults = append(faults, anyFault(rng))
			}
			src := smallStack(t, hours, func(int) int { return rng.IntN(40) })
			s := newStand(t, src, azurestack.Options{
				PageSize: 9, Faults: faults, Deleted: []string{subscriber(2)},
				Endings: []string{azurestack.EndAbsent, azurestack.EndNull, azurestack.EndEmpty, azurestack.EndPage},
			})
			server := httptest.NewServer(s.stack)
			t.Cleanup(server.Close)
			var mu sync.Mutex // subscribers are asked four at a time
			seen := map[string]int{}
			var err error
			s.source, err = stackapi.New(stackapi.Config{
				Endpoint: server.URL, ProviderSubscription: s.stack.Provider(), Retries: 2, Backoff: time.Millisecond, MaxWait: 20 * time.Millisecond,
				Retried: func(_ context.Context, answer *stackapi.Error, _ time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					seen[fmt.Sprint(answer.Status)]++
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			last := smallFirst + hours - 1
			rounds, failed := 0, 0
			var total agent.Report
			for ; ; rounds++ {
				// Each round as after a restart that has lost the memory: the whole stack is
				// asked for all at once again.
				os.Remove(filepath.Join(s.dir, "memory.json"))
				a := s.agent(t)
				a.Now = at(last.End().Add(time.Hour))
				a.Settings = defaults(smallFirst)
				a.Settings.KeepSent, a.Settings.MaxCatchUp = 0, 10
				report, err := a.Once(t.Context())
				if err != nil {
					failed++
					answer := (*stackapi.Error)(nil)
					if !errors.As(err, &answer) {
						t.Fatal(err)
					}
				}
				total.Collected, total.Rows, total.Partial = total.Collected+report.Collected, total.Rows+report.Rows, total.Partial+report.Partial
				if gaps, err := a.Spool.Gaps(smallFirst, 1); err != nil {
					t.Fatal(err)
				} else if gaps[0] > last && !report.Behind {
					break
				}
				if rounds > 2000 {
					t.Fatal("it does not end")
				}
			}
			if total.Collected != hours || total.Partial == 0 || seen["503"] == 0 || seen["0"] == 0 || seen["504"] == 0 {
				t.Errorf("%+v; retried after %v", total, seen)
			}
			partial := 0
			landed := s.landed(t) // ends the test on two blobs of one hour
			for h := smallFirst; h <= last; h++ {
				got := landed[h]
				want := s.served(h)
				if len(got.Header.PartialSource) > 0 {
					partial++
					got.Rows, want = sorted(got.Rows), sorted(want) // subscriber by subscriber
				}
				if diff := cmp.Diff(want, got.Rows); diff != "" {
					t.Errorf("hour %s (-served +landed)\n%.2000s", h, diff)
				}
			}
			if len(landed) != hours {
				t.Errorf("%d hours landed", len(landed))
			}
			t.Logf("%d hours with %d rows landed once each, in %d rounds of which %d failed; %d hours subscriber by subscriber; retried within a round after %v",
				len(landed), total.Rows, rounds+1, failed, partial, seen)
		})
	}
}

func sorted(lines string) string {
	all := strings.SplitAfter(lines, "\n")
	slices.Sort(all)
	return strings.Join(all, "")
}
