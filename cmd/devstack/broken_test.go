package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/balance"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// TestBrokenInput drops what an agent never should, beside what it should, and
// looks where each ends. The hours that nobody else reports are ours to break.
func TestBrokenInput(t *testing.T) {
	t.Parallel()
	s := testSite(t, options{recordings: recordings(t)})
	first := usage.HourOf(s.stack.First())

	goodRow := row("09065051-cfe9-4fcf-b90c-87f2af292fc9", "2.5", first)
	rows := [][]byte{
		goodRow,
		row("not-a-guid", "1", first),
		row("09065051-cfe9-4fcf-b90c-87f2af292fc9", "-1", first),
		[]byte(`this is not JSON`),
		row("09065051-cfe9-4fcf-b90c-87f2af292fc9", "1e1000000", first),
		row("09065051-cfe9-4fcf-b90c-87f2af292fc9", "1", first+5),
	}
	// The agent's own blob of this hour is then the second one, with other rows.
	mixed := drop(t, s, first+1, func(b []byte) []byte { return b }, rows...)
	cut := drop(t, s, first+2, func(b []byte) []byte { return b[:len(b)-9] }, goodRow)
	noise := drop(t, s, first+2, func([]byte) []byte { return []byte("not gzip at all") }, goodRow)
	wrongName := dropAs(t, s, landing.Name{CloudID: cloudID, Hour: first + 2, SHA16: "0123456789abcdef"}, hourFile(t, first+2, goodRow))
	wrongHash := drop(t, s, first+2, func([]byte) []byte { return wrongRowSet(t, first+2, goodRow) }, goodRow)

	// The broken ones are judged before the agent drops the hour itself.
	waitForVerdicts(t, s, 5)
	if err := s.runAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.waitUntilBilled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.write(t.Context(), mustSheet(t, s)); err != nil {
		t.Fatal(err)
	}

	got := map[string]string{}
	for _, r := range readLines[map[string]any](t, s, "tables/UsageHours.ndjson") {
		if _, pointer := r["counts"]; pointer {
			continue
		}
		name := strings.TrimPrefix(r["blob"].(string), landing.Container(cloudID)+"/")
		verdict := r["verdict"].(string)
		if code, ok := r["code"].(string); ok {
			verdict += " " + code
		}
		if reason, _ := r["reason"].(string); verdict != "counted" && reason == "" {
			t.Errorf("%s is %s without a reason", name, verdict)
		}
		got[name] = verdict
	}
	for blob, want := range map[string]string{
		mixed: "counted", cut: "rejected " + landing.RejectedCutShort, noise: "rejected " + landing.RejectedGzip,
		wrongName: "rejected " + landing.RejectedName, wrongHash: "rejected " + landing.RejectedHash,
	} {
		if got[blob] != want {
			t.Errorf("%s is %q; want %q", blob, got[blob], want)
		}
	}
	counted, conflicts := 0, 0
	for _, verdict := range got {
		switch verdict {
		case "counted":
			counted++
		case "conflict":
			conflicts++
		}
	}
	hours := int(s.stack.End().Sub(s.stack.First()) / time.Hour)
	if counted != hours || conflicts != 1 {
		t.Errorf("%d hours count and %d blobs are in conflict; want %d and 1 (the agent's own file of the mixed hour)", counted, conflicts, hours)
	}

	codes := map[string]string{}
	for _, q := range readLines[map[string]any](t, s, "tables/Quarantine.ndjson") {
		codes[fmt.Sprint(q["line"])] = q["code"].(string)
		if q["reason"] == "" || q["bytes"] == "" {
			t.Errorf("quarantined line %v has no reason or no bytes", q["line"])
		}
	}
	want := map[string]string{"2": usage.RejectedSubscription, "3": usage.RejectedNegative, "4": usage.RejectedJSON, "5": usage.RejectedOutOfBounds, "6": usage.RejectedFuture}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("quarantine (-want +got):\n%s", diff)
	}

	// The rest is billed: the recorded hour, and the one good row.
	quantities := 0
	for _, r := range readLines[map[string]any](t, s, "commerce-records.ndjson") {
		if r["meterId"] == testMeter && r["quantity"] == "2.5" {
			quantities++
		}
	}
	if quantities != 1 {
		t.Errorf("the good row beside the refused ones is billed %d times; want once", quantities)
	}
	if sheet := mustSheet(t, s); sheet.RowsServed != 236 || sheet.Records != 229 {
		t.Errorf("%d rows served, %d records; want 236 and 229", sheet.RowsServed, sheet.Records)
	}
}

const testMeter = "43daf82b-4618-444a-b994-40c23f7cd438"

func row(subscription, quantity string, hour usage.Hour) []byte {
	return fmt.Appendf(nil, `{"properties":{"subscriptionId":%q,"usageStartTime":%q,"usageEndTime":%q,"quantity":%s,"meterId":%q,`+
		`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa\",\"location\":\"northwest\"}}"}}`,
		subscription, hour.Start().Format(time.RFC3339), hour.End().Format(time.RFC3339), quantity, testMeter)
}

func hourFile(t *testing.T, hour usage.Hour, rows ...[]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := landing.NewWriter(&buf, landing.Header{CloudID: cloudID, Region: "northwest", ReportedStart: hour.Start(), CollectedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := w.Close(1); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// drop lands a file of the hour, changed, under the name that its bytes ask for.
func drop(t *testing.T, s *site, hour usage.Hour, change func([]byte) []byte, rows ...[]byte) string {
	t.Helper()
	file := change(hourFile(t, hour, rows...))
	return dropAs(t, s, landing.NameOf(cloudID, hour, sha256.Sum256(file)), file)
}

func dropAs(t *testing.T, s *site, name landing.Name, file []byte) string {
	t.Helper()
	client, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.UploadBuffer(t.Context(), name.Container(), name.Blob(), file, nil); err != nil {
		t.Fatal(err)
	}
	return name.Blob()
}

// wrongRowSet is an hour file whose trailer speaks of other rows.
func wrongRowSet(t *testing.T, hour usage.Hour, r []byte) []byte {
	t.Helper()
	return rewrite(t, hourFile(t, hour, r), func(lines [][]byte) {
		lines[1] = bytes.Replace(lines[1], []byte("2.5"), []byte("3.5"), 1)
	})
}

func rewrite(t *testing.T, file []byte, change func(lines [][]byte)) []byte {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte{'\n'})
	change(lines)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(bytes.Join(lines, nil)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func waitForVerdicts(t *testing.T, s *site, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		judged, _, err := s.hours(t.Context())
		if err == nil && judged >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d blobs have a verdict: %v", judged, n, err)
		}
	}
}

func mustSheet(t *testing.T, s *site) balance.Sheet {
	t.Helper()
	sheet, err := s.results(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sheet
}
