package daily_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// realRows are the rows of one reported hour of a real stack. They are kept
// beside the project; without them a test skips, except where they must be: in CI.
func realRows(t testing.TB) []json.RawMessage {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	const name = "2019-12-10T19.json"
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("recording %s must be there in CI; set STACKUSAGE_RECORDINGS: %v", name, err)
		}
		t.Skipf("recording %s is not here; set STACKUSAGE_RECORDINGS to its folder", name)
	}
	var outcome struct{ Value []json.RawMessage }
	if err := json.Unmarshal(b, &outcome); err != nil {
		t.Fatal(err)
	}
	return outcome.Value
}

// perMeter adds up raw rows with none of the project's code.
func perMeter(t testing.TB, rows []json.RawMessage) map[string]string {
	t.Helper()
	totals := map[string]*big.Rat{}
	for _, raw := range rows {
		var row struct {
			Properties struct {
				MeterID  string
				Quantity json.Number
			}
		}
		if err := json.Unmarshal(raw, &row); err != nil {
			t.Fatal(err)
		}
		id := usage.DashedGUID(row.Properties.MeterID)
		if totals[id] == nil {
			totals[id] = new(big.Rat)
		}
		totals[id].Add(totals[id], rat(t, row.Properties.Quantity.String()))
	}
	return texts(totals)
}

func texts(totals map[string]*big.Rat) map[string]string {
	out := map[string]string{}
	for id, total := range totals {
		out[id] = total.RatString()
	}
	return out
}

// TestARealHourFromRowsToBatches takes every row through all of the package:
// sums that spill, a partial, a merge, a closed day, batches.
func TestARealHourFromRowsToBatches(t *testing.T) {
	rows := realRows(t)
	reported := hour(t, "2019-12-10T19:00:00Z")
	var records []usage.Record
	for i, row := range rows {
		r, rejection := usage.ParseRecord(row, reported)
		if rejection != nil {
			t.Fatalf("row %d: %s: %s", i+1, rejection.Code, rejection.Reason)
		}
		records = append(records, r)
	}
	s := summer(t, t.TempDir(), 7, records)
	defer s.Close()
	var partial []byte
	for usageDay, sums := range s.Days() {
		if usageDay != day10(t) || partial != nil {
			t.Fatalf("usage of %s", usageDay)
		}
		partial, _ = writePartial(t, partialHeader(t), collect(t, sums))
	}
	p, err := daily.OpenPartial(bytes.NewReader(partial))
	if err != nil {
		t.Fatal(err)
	}
	d := writeDay(t, daily.Merge(p.Sums()))
	checkBatches(t, d)
	if d.file.Rows != 236 || d.file.Lines < 200 {
		t.Errorf("%d rows became %d lines of %d rows", len(rows), d.file.Lines, d.file.Rows)
	}

	totals := map[string]*big.Rat{}
	ids := map[string]bool{}
	for _, b := range d.batches {
		sent, err := daily.DecodeBatch(b.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range sent {
			if ids[r.RecordID] {
				t.Errorf("record %s is sent twice", r.RecordID)
			}
			ids[r.RecordID] = true
			if totals[r.MeterID] == nil {
				totals[r.MeterID] = new(big.Rat)
			}
			totals[r.MeterID].Add(totals[r.MeterID], rat(t, r.Quantity.String()))
			if r.MeterName == "" || r.Flags != nil {
				t.Errorf("meter %s %q has flags %v", r.MeterID, r.MeterName, r.Flags)
			}
		}
	}
	if diff := cmp.Diff(perMeter(t, rows), texts(totals)); diff != "" {
		t.Error(diff)
	}
}
