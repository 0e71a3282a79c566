package azurestack_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
)

const recordedHour = "2019-12-10T19:00:00Z"

func newRecorded(t *testing.T, opts azurestack.Options) *azurestack.Stack {
	t.Helper()
	src, err := azurestack.Recordings(recordings(t))
	if err != nil {
		t.Fatal(err)
	}
	return newStack(t, src, opts)
}

func TestRecordedAnswerIsServedByteForByte(t *testing.T) {
	s := newRecorded(t, azurestack.Options{})
	want, err := os.ReadFile(filepath.Join(recordings(t), "2019-12-10T19.json"))
	if err != nil {
		t.Fatal(err)
	}
	got := get(s, usage(adminPath, recordedHour)).Body.String()
	if got != string(want) {
		t.Fatalf("served %d bytes that differ from the %d recorded", len(got), len(want))
	}
	if !strings.Contains(got, `"quantity":8.3819031715393066E-08,`) || !strings.Contains(got, `"quantity":1.0,`) {
		t.Error("number text was rewritten")
	}
}

func TestRecordedStampIsDescribed(t *testing.T) {
	s := newRecorded(t, azurestack.Options{})
	mustEqual(t, "39c82aed-b2b7-4a66-abdb-611de00bf11e", s.Provider())
	mustEqual(t, []string{s.Provider()}, s.InfrastructureSubscriptions())
	mustEqual(t, "northwest", s.Region())
	mustEqual(t, "azurestack.external", s.Domain())
	mustEqual(t, time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC), s.First())
	mustEqual(t, time.Date(2019, 12, 11, 6, 0, 0, 0, time.UTC), s.End())
	if n := len(s.Subscriptions()); n != 97 { // 96 with usage, and the provider
		t.Errorf("%d subscriptions", n)
	}
}

func TestRecordedHourInEveryForm(t *testing.T) {
	s := newRecorded(t, azurestack.Options{})
	for name, target := range map[string]string{
		"old path":             usage(oldPath, recordedHour),
		"other case":           usage(strings.ToUpper(adminPath), recordedHour),
		"granularity in caps":  usage(adminPath, recordedHour, "aggregationGranularity", "HOURLY"),
		"recorded time form":   usage(adminPath, recordedHour, "reportedStartTime", "2019-12-10T19:00:00.0000000+00:00", "reportedEndTime", "2019-12-10T20:00:00.0000000+00:00"),
		"documented time form": usage(adminPath, recordedHour, "reportedStartTime", "2019-12-10T19:00:00+00:00Z"),
		"unsupported details":  usage(adminPath, recordedHour, "showDetails", "true"),
		"the whole day":        usage(adminPath, recordedHour, "reportedStartTime", "2019-12-10T00:00:00Z", "reportedEndTime", "2019-12-11T00:00:00Z"),
	} {
		target = strings.ReplaceAll(target, "{PROVIDER}", s.Provider())
		if rows, pages := all(t, s, target); len(rows) != 236 || pages != 1 {
			t.Errorf("%s: %d rows on %d pages", name, len(rows), pages)
		}
	}
}

func TestRowsOfAnHourAsLines(t *testing.T) {
	s := newRecorded(t, azurestack.Options{Token: "x"})
	w := get(s, "/_devstack/rows?hour="+recordedHour)
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	mustEqual(t, 236, len(lines))
	var body struct {
		Value []json.RawMessage `json:"value"`
	}
	text, err := os.ReadFile(filepath.Join(recordings(t), "2019-12-10T19.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		mustEqual(t, string(body.Value[i]), line)
	}
	if w := get(s, "/_devstack/rows?hour=2019-12-10T20:00:00Z"); w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("an hour without a recording: %d %s", w.Code, w.Body)
	}
	if w := get(s, "/_devstack/rows?hour=now"); w.Code != http.StatusBadRequest {
		t.Errorf("no hour: %d", w.Code)
	}
}

func TestRecordingsRefuses(t *testing.T) {
	row := `{"id":"/subscriptions/p/providers/Microsoft.Commerce/UsageAggregate/x","properties":{"subscriptionId":"s","usageStartTime":"2019-12-10T18:00:00+00:00"}}`
	for name, file := range map[string][2]string{
		"no hours":        {"notes.json", `{}`},
		"not JSON":        {"2019-12-10T19.json", `x`},
		"no value":        {"2019-12-10T19.json", `{}`},
		"one page of two": {"2019-12-10T19.json", `{"value":[` + row + `],"nextLink":"http://x"}`},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file[0]), []byte(file[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := azurestack.Recordings(dir); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := azurestack.Recordings(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no folder: accepted")
	}
}

func TestRecordingsServeOddRows(t *testing.T) {
	rows := []string{
		`{"properties":{"subscriptionId":"s"}}`,
		`{"properties":{"usageStartTime":"2019-12-10T18:00:00Z"}}`,
		`"text"`, `17`, `null`,
		`{"properties":{"usageStartTime":"9999-12-31T23:00:00Z","subscriptionId":7}}`,
	}
	dir := t.TempDir()
	text := `{"value":[` + strings.Join(rows, ",") + `]}`
	if err := os.WriteFile(filepath.Join(dir, "2019-12-10T19.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := azurestack.Recordings(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := azurestack.New(src, azurestack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := get(s, "/_devstack/rows?hour=2019-12-10T19:00:00Z")
	if got, want := strings.TrimSpace(w.Body.String()), strings.Join(rows, "\n"); got != want {
		t.Errorf("served\n%s\nwant\n%s", got, want)
	}
	if end := s.End().Format(time.RFC3339); end != "2019-12-11T06:00:00Z" {
		t.Errorf("the run ends %s; an odd usage time must not move it", end)
	}
}
