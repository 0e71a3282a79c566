package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/usage"
)

// smallFirst is the first reported hour of small stacks.
const smallFirst = usage.Hour(438000)

// subscriber is a subscription of small stacks.
func subscriber(n int) string { return fmt.Sprintf("39c82aed-0000-4a66-abdb-%012d", n) }

// smallStack is a source of many small hours: rowsOf says how many rows each has,
// of three subscriptions in turn. No two rows are the same.
func smallStack(t testing.TB, hours int, rowsOf func(n int) int) *azurestack.Source {
	t.Helper()
	dir := t.TempDir()
	for n := range hours {
		h := smallFirst + usage.Hour(n)
		body := struct {
			Value []json.RawMessage `json:"value"`
		}{Value: []json.RawMessage{}}
		for i := range rowsOf(n) {
			body.Value = append(body.Value, fmt.Appendf(nil, `{"id":"/subscriptions/39c82aed-b2b7-4a66-abdb-611de00bf11e/providers/x/%d","properties":{"subscriptionId":"%s","usageStartTime":"%s","quantity":%d.%017d,"instanceData":"{\"a\":%d}"}}`,
				i, subscriber(i%3), (h-1).Start().Format("2006-01-02T15:04:05+00:00"), n, i, n*1000+i))
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, h.Start().Format("2006-01-02T15")+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := azurestack.Recordings(dir)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// at is a clock that stands still.
func at(t time.Time) func() time.Time { return func() time.Time { return t } }
