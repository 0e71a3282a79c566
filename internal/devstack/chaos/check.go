package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/loopback"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// check adds to the sheet what only a run with faults has to show.
func (r *run) check(ctx context.Context, sheet *balance.Sheet, want map[string]string) {
	problem := func(format string, args ...any) {
		sheet.Balanced = false
		sheet.Problems = append(sheet.Problems, fmt.Sprintf(format, args...))
	}
	for _, kind := range r.outstanding() {
		problem("never happened: %s", kind)
	}
	if want == nil {
		return
	}
	got, err := Sums(ctx, r.Commerce)
	if err != nil {
		problem("read the records that commerce accepted: %v", err)
		return
	}
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, line := range slices.Sorted(maps.Keys(all)) {
		if want[line] != got[line] {
			problem("commerce accepted %q of %s; in a calm run %q", got[line], line, want[line])
		}
	}
}

// Sums adds up what commerce, at this URL, accepted: an exact number for each line.
// Which revision has how much of it depends on when a day was closed; the sum does
// not.
func Sums(ctx context.Context, commerce string) (map[string]string, error) {
	records, err := loopback.Ask(ctx, http.MethodGet, commerce+"/v1/records.ndjson", "")
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
func (r *run) countPoisoned() (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	for row, err := range r.Tables.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return n
		}
		if times, ok := row.Props["times"].(int64); ok && row.Props["text"] != garbledText {
			n += int(times)
		}
	}
	return n
}

// done reports whether the work that a failed message asked for is done. Rows of
// FailedMessages stay: they are history.
func (r *run) done(ctx context.Context, text string) bool {
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
	tables := r.Tables
	switch {
	case m.Subject != "":
		container, blob, _ := strings.Cut(strings.TrimPrefix(m.Subject, "/blobServices/default/containers/"), "/blobs/")
		name, err := landing.ParseName(container, blob)
		if err != nil {
			return false
		}
		hour, err := hourlog.Read(ctx, tables, hourlog.ID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16})
		return err == nil && hour.Verdict.Final()
	case m.Batch > 0:
		b, err := outbox.Read(ctx, tables, outbox.ID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: m.Batch})
		return err == nil && b.State == outbox.BatchDone
	default:
		// That no day is open at all is on the sheet.
		last, err := daybook.LastRevision(ctx, tables, m.CloudID, m.UsageDay)
		return err == nil && last != nil
	}
}

// tally gathers what happened while commerce and storage still run.
func (r *run) tally(passed bool) Tally {
	t := Tally{Seed: r.o.Seed, Passed: passed, Faults: r.commerceGiven(), Writes: r.faults.Counts()}
	r.mu.Lock()
	maps.Copy(t.Faults, r.counts)
	r.mu.Unlock()
	t.Faults[poisoned] = r.countPoisoned()
	return t
}
