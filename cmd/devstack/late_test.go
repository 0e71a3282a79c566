package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/cmd/devstack/results"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// lateHours: hours that land after their usage day was billed become
// corrections, and the bill is again the exact sum of all rows.
func lateHours(t *testing.T, s *site) {
	day := usage.HourOf(s.stack.First()).Day()
	late := usage.HourOf(s.stack.End())
	subscription := "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	want := new(big.Rat)
	for i, quantity := range []string{"0.1", "2.5", "0.0000000000000000000000001"} {
		drop(t, s, late+usage.Hour(i), row(subscription, quantity, day.First()+usage.Hour(3*i)))
		q, _ := new(big.Rat).SetString(quantity)
		want.Add(want, q)
		waitForVerdicts(t, s, len(landedBlobs(t, s)))
		waitForRevision(t, s, i+2)
	}
	sheet, err := s.results(t.Context())
	if err == nil {
		err = results.Write(t.Context(), s.o.out, s.commerce, s.usage.Tables, sheet)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := new(big.Rat)
	ids := map[string]bool{}
	kinds := map[string]int{}
	for _, r := range readLines[map[string]any](t, s, "commerce-records.ndjson") {
		ids[r["recordId"].(string)] = true
	}
	for _, r := range readLines[map[string]any](t, s, "commerce-records.ndjson") {
		if r["meterId"] != testMeter {
			continue
		}
		kinds[r["kind"].(string)]++
		q, ok := new(big.Rat).SetString(r["quantity"].(string))
		if !ok {
			t.Fatalf("quantity %v", r["quantity"])
		}
		got.Add(got, q)
		if corrects, ok := r["corrects"].(string); r["kind"] == "correction" && (!ok || !ids[corrects]) {
			t.Errorf("correction %s corrects %q, which was never accepted", r["recordId"], corrects)
		}
	}
	if got.Cmp(want) != 0 {
		t.Errorf("billed %s; want %s", got.FloatString(30), want.FloatString(30))
	}
	if kinds["usage"] != 1 || kinds["correction"] != 2 {
		t.Errorf("kinds %v; want one usage and two corrections", kinds)
	}
	revisions := readLines[map[string]any](t, s, "tables/UsageDays.ndjson")
	// An hour without rows of the day after is one of its hours all the same.
	revisions = slices.DeleteFunc(revisions, func(r map[string]any) bool {
		return !strings.HasPrefix(r["RowKey"].(string), day.Compact()+"_")
	})
	if len(revisions) != 4 {
		t.Errorf("%d revisions; want 4", len(revisions))
	}
	for _, r := range revisions[1:] {
		if r["records"] != 1.0 {
			t.Errorf("revision %v has %v records; want only what changed", r["revision"], r["records"])
		}
	}
}

// waitForRevision waits until the first day has n revisions and all is billed.
func waitForRevision(t *testing.T, s *site, n int) {
	t.Helper()
	day := usage.HourOf(s.stack.First()).Day()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(300 * time.Millisecond) {
		revisions := 0
		for _, err := range s.usage.Tables.List(t.Context(), "UsageDays", cloudID, day.Compact()+"_", day.Compact()+"~") {
			if err != nil {
				t.Fatal(err)
			}
			revisions++
		}
		st, err := s.status(t.Context())
		if err == nil && revisions == n && st.settled() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d revisions, status %+v, %v; want %d and nothing open", revisions, st, err, n)
		}
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

const testMeter = "43daf82b-4618-444a-b994-40c23f7cd438"

func row(subscription, quantity string, hour usage.Hour) []byte {
	return fmt.Appendf(nil, `{"properties":{"subscriptionId":%q,"usageStartTime":%q,"usageEndTime":%q,"quantity":%s,"meterId":%q,`+
		`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa\",\"location\":\"northwest\"}}"}}`,
		subscription, hour.Start().Format(time.RFC3339), hour.End().Format(time.RFC3339), quantity, testMeter)
}

// drop lands a file of one row.
func drop(t *testing.T, s *site, hour usage.Hour, row []byte) {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, Region: "northwest", ReportedStart: hour.Start(), CollectedAt: time.Now()})
	if err == nil {
		err = w.Row(row)
	}
	if err == nil {
		_, _, err = w.Close(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		t.Fatal(err)
	}
	name := landing.NameOf(cloudID, hour, sha256.Sum256(file.Bytes()))
	if _, err := client.UploadBuffer(t.Context(), name.Container(), name.Blob(), file.Bytes(), nil); err != nil {
		t.Fatal(err)
	}
}

func waitForVerdicts(t *testing.T, s *site, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ingested, _, err := s.hours(t.Context())
		if err == nil && ingested >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d blobs have a verdict: %v", ingested, n, err)
		}
	}
}
