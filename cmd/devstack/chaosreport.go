package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/storagefaults"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// judge adds to the sheet what only a run with faults has to show.
func (c *chaos) judge(sheet *balance.Sheet, want map[string]string) {
	problem := func(format string, args ...any) {
		sheet.Balanced = false
		sheet.Problems = append(sheet.Problems, fmt.Sprintf(format, args...))
	}
	for _, kind := range c.outstanding() {
		problem("never happened: %s", kind)
	}
	if want == nil {
		return
	}
	got, err := c.sums(context.Background())
	if err != nil {
		problem("read what commerce was told: %v", err)
		return
	}
	for _, line := range slices.Sorted(maps.Keys(mergeKeys(want, got))) {
		if want[line] != got[line] {
			problem("commerce was told %q of %s; in a calm run %q", got[line], line, want[line])
		}
	}
}

func mergeKeys(a, b map[string]string) map[string]bool {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}

// calmSums is what commerce is told when nothing goes wrong.
func calmSums(ctx context.Context, o chaosOptions, log *slog.Logger, progress io.Writer) (map[string]string, error) {
	s, err := startSite(ctx, o.options, log, progress)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.runAgent(ctx); err != nil {
		return nil, err
	}
	if err := s.waitUntilBilled(ctx); err != nil {
		return nil, err
	}
	return s.sums(ctx)
}

// sums adds up what commerce accepted by line. Which revision said how much of
// it depends on when a day was stated; the sum does not.
func (s *site) sums(ctx context.Context) (map[string]string, error) {
	records, err := get(ctx, s.commerce+"/v1/records.ndjson")
	if err != nil {
		return nil, err
	}
	defer records.Close()
	sums := map[string]*big.Rat{}
	scan := bufio.NewScanner(records)
	scan.Buffer(nil, 4<<20)
	for scan.Scan() {
		var r struct {
			UsageDate, BillingSubscriptionID, SubscriptionID, MeterID, CommerceMeterID, MeterClass, ResourceURI, Quantity string
			Tags, AdditionalInfo                                                                                          json.RawMessage
		}
		if err := json.Unmarshal(scan.Bytes(), &r); err != nil {
			return nil, err
		}
		q, ok := new(big.Rat).SetString(r.Quantity)
		if !ok {
			return nil, fmt.Errorf("quantity %q", r.Quantity)
		}
		line := fmt.Sprintf("%s %s %s %s %s %s %s %s %s", r.UsageDate, r.BillingSubscriptionID, r.SubscriptionID, r.MeterID,
			r.CommerceMeterID, r.MeterClass, strings.ToLower(r.ResourceURI), r.Tags, r.AdditionalInfo)
		if sums[line] == nil {
			sums[line] = new(big.Rat)
		}
		sums[line].Add(sums[line], q)
	}
	out := make(map[string]string, len(sums))
	for line, sum := range sums {
		out[line] = sum.RatString()
	}
	return out, scan.Err()
}

// countPoisoned counts the messages that hosts gave up after five failures.
func (c *chaos) countPoisoned() (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	for row, err := range c.usage.Tables.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return n
		}
		if times, ok := row.Props["times"].(int64); ok && row.Props["text"] != garbledText {
			n += int(times)
		}
	}
	return n
}

// accounted reports whether the work that a failed message asked for is done.
// Rows of FailedMessages stay: they are history.
func (c *chaos) accounted(ctx context.Context, queue, text string) bool {
	if text == garbledText {
		return true
	}
	var m struct {
		Subject         string
		CloudID         string
		UsageDay        usage.Day
		Revision, Batch int
	}
	if json.Unmarshal([]byte(text), &m) != nil {
		return false
	}
	l := ledger.Ledger{Store: c.usage.Tables}
	switch {
	case m.Subject != "":
		container, blob, _ := strings.Cut(strings.TrimPrefix(m.Subject, "/blobServices/default/containers/"), "/blobs/")
		name, err := landing.ParseName(container, blob)
		if err != nil {
			return false
		}
		hour, err := l.Hour(ctx, ledger.HourID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16})
		return err == nil && hour.Verdict.Final()
	case m.Batch > 0:
		b, err := l.Batch(ctx, ledger.BatchID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: m.Batch})
		return err == nil && b.State == ledger.BatchAnswered
	default:
		// That no day is open at all is on the sheet.
		last, err := l.LastRevision(ctx, m.CloudID, m.UsageDay)
		return err == nil && last != nil
	}
}

// tally is the table of faults, as faults.json has it.
type tally struct {
	Seed   uint64                          `json:"seed"`
	Passed bool                            `json:"passed"`
	Faults map[string]int                  `json:"faults"`
	Writes map[string]storagefaults.Counts `json:"writes"` // of the handler, by kind
}

// tallied gathers the counts while commerce and storage still run.
func (c *chaos) tallied(passed bool) tally {
	t := tally{Seed: c.o.seed, Passed: passed, Faults: c.commerceGiven(), Writes: c.faults.Counts()}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(t.Faults, c.counts)
	return t
}

// report prints the table and writes faults.json.
func (c *chaos) report(out io.Writer, sheet balance.Sheet) error {
	t := c.tally
	total := storagefaults.Counts{Given: map[storagefaults.Action]int{}}
	fmt.Fprintf(out, "\nSeed %d: what happened to the handlers' writes\n\n%-36s %6s %7s %7s %7s %7s %7s %7s\n", c.o.seed,
		"", "", "not", "not st.", "stored,", "stored,", "killed", "killed")
	row := func(name string, k storagefaults.Counts) {
		fmt.Fprintf(out, "%-36s %6d", name, k.Seen)
		for _, a := range storagefaults.Actions() {
			fmt.Fprintf(out, " %7d", k.Given[a])
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%-36s %6s %7s %7s %7s %7s %7s %7s\n", "write", "seen", "stored", "ever", "failed", "f. ever", "before", "after")
	for _, name := range slices.Sorted(maps.Keys(t.Writes)) {
		k := t.Writes[name]
		row(name, k)
		total.Seen += k.Seen
		for a, n := range k.Given {
			total.Given[a] += n
		}
	}
	row("total", total)
	fmt.Fprintf(out, "\n%-60s %6s\n", "other faults", "times")
	for _, kind := range slices.SortedFunc(maps.Keys(t.Faults), cmp.Compare) {
		fmt.Fprintf(out, "%-60s %6d\n", kind, t.Faults[kind])
	}
	printProblems(out, sheet.Problems, 20)
	if sheet.Balanced {
		fmt.Fprintf(out, "\nseed %d passed: %d rows billed or quarantined to the last digit, verified, nothing pending\n", c.o.seed, sheet.RowsServed)
	} else {
		fmt.Fprintf(out, "\nSEED %d DID NOT PASS\n", c.o.seed)
	}
	fmt.Fprintln(out, "results:", c.o.out)
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.o.out, "faults.json"), append(text, '\n'), 0o644)
}
