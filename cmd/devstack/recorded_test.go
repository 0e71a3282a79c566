package main

import (
	"bytes"
	"encoding/json"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRecordedHour follows a real hour to the bill and compares the bill with
// sums that this test reads from the file by itself. The stack is a
// Development Kit, which is never charged. Late hours of the same day follow.
func TestRecordedHour(t *testing.T) {
	t.Parallel()
	dir := recordings(t)
	s := testSite(t, options{recordings: dir, registration: asKit})
	if err := s.runAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	billed(t, s)

	want := map[string]string{} // meter and usage day -> exact sum
	sums := map[string]*big.Rat{}
	var answer struct {
		Value []struct {
			Properties struct {
				UsageStartTime time.Time
				Quantity       json.Number
				MeterID        string
			}
		}
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, "2019-12-10T19.json")), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Value) != 236 {
		t.Fatalf("the recording has %d rows; want 236", len(answer.Value))
	}
	add := func(sums map[string]*big.Rat, meter, day, quantity string) {
		key := strings.ToLower(strings.ReplaceAll(meter, "-", "")) + " " + day
		q, ok := new(big.Rat).SetString(quantity)
		if !ok {
			t.Fatalf("quantity %q", quantity)
		}
		if sums[key] == nil {
			sums[key] = new(big.Rat)
		}
		sums[key].Add(sums[key], q)
	}
	for _, row := range answer.Value {
		p := row.Properties
		add(sums, p.MeterID, p.UsageStartTime.UTC().Format(time.DateOnly), p.Quantity.String())
	}
	for key, sum := range sums {
		want[key] = sum.RatString()
	}

	records := readLines[map[string]any](t, s, "commerce-records.ndjson")
	got, billedSums := map[string]string{}, map[string]*big.Rat{}
	for _, r := range records {
		add(billedSums, r["meterId"].(string), r["usageDate"].(string), r["quantity"].(string))
		if r["region"] != "Azure Stack" || r["location"] != "azurestack" {
			t.Errorf("record %s: region %q, location %q", r["recordId"], r["region"], r["location"])
		}
		info := r["additionalInfo"].(map[string]any)
		for _, key := range []string{"azureStack.MeterId", "azureStack.SubscriptionId", "azureStack.Location", "azureStack.EventDateTime"} {
			if text, _ := info[key].(string); text == "" {
				t.Errorf("record %s: no %s", r["recordId"], key)
			}
		}
	}
	for key, sum := range billedSums {
		got[key] = sum.RatString()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sums per meter and usage day (-file +bill):\n%s", diff)
	}

	t.Run("DailyUsage has every record and its answer", func(t *testing.T) {
		answers := map[string]int{}
		for _, row := range readLines[map[string]any](t, s, "tables/DailyUsage.ndjson") {
			answers[row["outcome"].(string)]++
		}
		if diff := cmp.Diff(map[string]int{"Accepted": len(records)}, answers); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
	t.Run("the usage details file says Azure Stack on every line of usage", func(t *testing.T) {
		text := readFile(t, filepath.Join(s.o.out, "usage-details.csv"))
		if n := bytes.Count(text, []byte("Azure Stack")); n < len(records) {
			t.Errorf("%d lines name the region; want at least %d", n, len(records))
		}
	})
	t.Run("of a Development Kit the bill says $0.00 for all of it", func(t *testing.T) {
		st := statement(t, s, billingSubscription)
		for _, l := range st.Lines {
			if l.Amount != "0.00" || l.Rate != "0" || l.Quantity == "0" {
				t.Errorf("%+v", l)
			}
		}
		if page := signedInPage(t, s); len(st.Lines) == 0 || !strings.Contains(page, `id="total">$0.00<`) {
			t.Errorf("%d lines; the page does not show $0.00:\n%s", len(st.Lines), page)
		}
	})
	t.Run("late hours become corrections", func(t *testing.T) { lateHours(t, s) })
}
