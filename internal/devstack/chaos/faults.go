package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"stackusage/internal/devstack/loopback"
	"stackusage/internal/devstack/storagefaults"
)

// commerceOrders are the faults of commerce, by what they are called in its
// stats. None leaves a bill that differs. Each batch meets two at least.
func (r *run) commerceOrders() map[string]string {
	orders := map[string]string{
		"status429": `{"next":1,"status":429,"retryAfter":1}`, "status500": `{"next":1,"status":500}`, "status401": `{"next":1,"status":401}`,
		"dropResults": `{"next":1,"dropResults":3}`, "shuffle": `{"shuffle":true}`,
	}
	cuts, wrong := []string{"before", "after", "middle"}, []string{"status", "twice", "stranger"}
	if r.o.Quick { // there are few batches
		cuts, wrong = cuts[r.o.Seed%3:][:1], wrong[r.o.Seed%3:][:1]
	}
	for _, how := range cuts {
		orders["cut:"+how] = `{"next":1,"cut":"` + how + `"}`
	}
	for _, how := range wrong {
		orders["wrongResult:"+how] = `{"next":1,"wrongResult":"` + how + `"}`
	}
	return orders
}

func (r *run) commerceFaults(ctx context.Context) error {
	orders := r.commerceOrders()
	kinds := slices.Sorted(maps.Keys(orders))
	r.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, kind := range kinds {
		if err := loopback.Tell(ctx, http.MethodPost, r.Commerce+"/_devstack/faults", orders[kind]); err != nil {
			return err
		}
	}
	return nil
}

// stackFaults makes some requests of the agent go wrong; it needs one for each
// hour at least, so that all of them are served.
func (r *run) stackFaults(ctx context.Context) error {
	for _, status := range r.rng.Perm(5) {
		order := fmt.Sprintf(`{"status":%d,"skip":%d,"cutAfter":%d}`, []int{0, 202, 429, 503, 504}[status], 1+r.rng.IntN(6), r.rng.IntN(2000))
		if err := loopback.Tell(ctx, http.MethodPost, r.Stack+"/_devstack/faults", order); err != nil {
			return err
		}
		r.count(stackAnswers)
	}
	return nil
}

// commerceGiven is what commerce reports that it did wrong, by kind.
func (r *run) commerceGiven() map[string]int {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	given := map[string]int{}
	var stats struct {
		Faults map[string]int `json:"faults"`
	}
	body, err := loopback.Ask(ctx, http.MethodGet, r.Commerce+"/_devstack/stats", "")
	if err != nil {
		return given
	}
	defer body.Close()
	_ = json.NewDecoder(body).Decode(&stats) // what cannot be read counts as not given
	for kind, n := range stats.Faults {
		given["commerce "+kind] = n
	}
	return given
}

// outstanding lists the kinds of faults that have not happened yet.
func (r *run) outstanding() []string {
	var out []string
	need := func(n int, kind string) {
		if n == 0 {
			out = append(out, kind)
		}
	}
	r.mu.Lock()
	for _, kind := range []string{HostStopped, azuriteEnded, clockAhead, clockBack, messageTwice, unreadable, sweepTwice, outage, stackAnswers} {
		need(r.counts[kind], kind)
	}
	r.mu.Unlock()
	need(r.countPoisoned(), poisoned)
	given := r.commerceGiven()
	for _, kind := range slices.Sorted(maps.Keys(r.commerceOrders())) {
		need(given["commerce "+kind], "commerce "+kind)
	}
	sums := map[storagefaults.Action]int{}
	counts := r.faults.Counts()
	for name, k := range counts {
		for _, a := range storagefaults.Actions() {
			sums[a] += k.Given[a]
		}
		for _, a := range []storagefaults.Action{storagefaults.KillBefore, storagefaults.KillAfter} {
			if r.o.Quick {
				continue
			}
			// The same step of the ledger inserts one row or several; which it is
			// depends on what else went wrong, and one of them may be rare.
			table, single := strings.CutSuffix(name, " insert")
			if single && counts[table+" transaction"].Given[a] > 0 {
				continue
			}
			need(k.Given[a], fmt.Sprintf("handler %s %s", a, name))
		}
	}
	for _, a := range storagefaults.Actions() {
		need(sums[a], "storage "+string(a))
	}
	return out
}
