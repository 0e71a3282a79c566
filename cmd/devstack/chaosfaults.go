package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"stackusage/internal/devstack/storagefaults"
)

// commerceOrders are the faults of commerce, by what they are called in its
// stats. None leaves a bill that differs. Each batch meets two at least.
func (c *chaos) commerceOrders() map[string]string {
	orders := map[string]string{
		"status429": `{"next":1,"status":429,"retryAfter":1}`, "status500": `{"next":1,"status":500}`, "status401": `{"next":1,"status":401}`,
		"dropResults": `{"next":1,"dropResults":3}`, "shuffle": `{"shuffle":true}`,
	}
	cuts, wrong := []string{"before", "after", "middle"}, []string{"status", "twice", "stranger"}
	if c.o.quick { // there are few batches
		cuts, wrong = cuts[c.o.seed%3:][:1], wrong[c.o.seed%3:][:1]
	}
	for _, how := range cuts {
		orders["cut:"+how] = `{"next":1,"cut":"` + how + `"}`
	}
	for _, how := range wrong {
		orders["wrongResult:"+how] = `{"next":1,"wrongResult":"` + how + `"}`
	}
	return orders
}

func (c *chaos) commerceFaults(ctx context.Context) error {
	orders := c.commerceOrders()
	kinds := slices.Sorted(maps.Keys(orders))
	c.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for _, kind := range kinds {
		if err := send(ctx, http.MethodPost, c.commerce+"/_devstack/faults", orders[kind]); err != nil {
			return err
		}
	}
	return nil
}

func (c *chaos) commerceCalm(ctx context.Context) error {
	return send(ctx, http.MethodDelete, c.commerce+"/_devstack/faults", "")
}

// stackFaults makes some requests of the agent go wrong; it needs one for each
// hour at least, so that all of them are served.
func (c *chaos) stackFaults(ctx context.Context) error {
	for _, status := range c.rng.Perm(5) {
		order := fmt.Sprintf(`{"status":%d,"skip":%d,"cutAfter":%d}`, []int{0, 202, 429, 503, 504}[status], 1+c.rng.IntN(6), c.rng.IntN(2000))
		if err := send(ctx, http.MethodPost, c.stackURL+"/_devstack/faults", order); err != nil {
			return err
		}
		c.count(stackFaults)
	}
	return nil
}

func (c *chaos) stackCalm(ctx context.Context) error {
	return send(ctx, http.MethodDelete, c.stackURL+"/_devstack/faults", "")
}

func send(ctx context.Context, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: HTTP %d", method, url, resp.StatusCode)
	}
	return nil
}

// commerceGiven is what commerce says it did wrong, by kind.
func (c *chaos) commerceGiven() map[string]int {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	given := map[string]int{}
	var stats struct {
		Faults map[string]int `json:"faults"`
	}
	body, err := get(ctx, c.commerce+"/_devstack/stats")
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
func (c *chaos) outstanding() []string {
	var out []string
	need := func(n int, kind string) {
		if n == 0 {
			out = append(out, kind)
		}
	}
	c.mu.Lock()
	for _, kind := range []string{hostStopped, azuriteEnded, clockAhead, clockBack, messageTwice, unreadable, sweepTwice, outage, stackFaults} {
		need(c.counts[kind], kind)
	}
	c.mu.Unlock()
	need(c.countPoisoned(), poisoned)
	given := c.commerceGiven()
	for _, kind := range slices.Sorted(maps.Keys(c.commerceOrders())) {
		need(given["commerce "+kind], "commerce "+kind)
	}
	sums := map[storagefaults.Action]int{}
	counts := c.faults.Counts()
	for name, k := range counts {
		for _, a := range storagefaults.Actions() {
			sums[a] += k.Given[a]
		}
		for _, a := range []storagefaults.Action{storagefaults.KillBefore, storagefaults.KillAfter} {
			if c.o.quick {
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
