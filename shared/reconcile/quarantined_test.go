package reconcile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/memstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/reconcile"
	tables "stackusage/shared/table"
	"stackusage/shared/usage"
)

// files are blobs by container and name.
type files map[string][]byte

func (f files) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	return io.NopCloser(bytes.NewReader(f[container+"/"+name])), time.Time{}, nil
}

// TestRejectedIsWhatQuarantineSays: whether a row counts depends on more than the row,
// and on the rules of when it was ingested.
func TestRejectedIsWhatQuarantineSays(t *testing.T) {
	const cloudID, subscription = "b31316d4-de02-43a4-903d-eb74f8258b01", "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	row := func(quantity, location string) []byte {
		return fmt.Appendf(nil, `{"properties":{"subscriptionId":%q,"meterId":"b4438d5d-453b-4ee1-b42a-dc72e377f1e4","quantity":%s,`+
			`"usageStartTime":"2019-12-10T00:00:00Z","usageEndTime":"2019-12-10T01:00:00Z",`+
			`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[1]s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa\",\"location\":\"%s\"}}"}}`,
			subscription, quantity, location)
	}
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, ReportedStart: tenth.Start(), CollectedAt: tenth.End()})
	for _, line := range [][]byte{row("1", "northwest"), row("2", ""), row("4", "northwest"), row("-8", "northwest")} {
		if err == nil {
			err = w.Row(line)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	name, _, err := w.Close(1)
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.NewTables(tables.Names()...)
	id := hourlog.ID{CloudID: cloudID, Hour: tenth, SHA16: name.SHA16}
	if err := hourlog.PutQuarantine(t.Context(), store, id, []hourlog.Quarantined{
		{Line: 2, Code: usage.RejectedLocation, Bytes: "quarantine/rows"},
		{Line: 3, Code: usage.RejectedResource, Bytes: "quarantine/rows"}, // by a rule of then
		{Line: 4, Code: usage.RejectedNegative, Bytes: "quarantine/rows"},
	}); err != nil {
		t.Fatal(err)
	}
	input := openday.Input{CloudID: cloudID, Day: tenth.Day(), Hour: tenth, SHA16: name.SHA16, Rows: 1}
	if _, err := hourlog.Commit(t.Context(), store, id, hourlog.Hour{Blob: name.String(), RejectedFile: "quarantine/rows"}, []openday.Input{input}); err != nil {
		t.Fatal(err)
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	report, err := reconcile.Sources{
		Tables: store, Meters: meters, Files: reconcile.Files{Landing: files{name.String(): file.Bytes()}},
	}.Run(t.Context(),
		reconcile.Options{CloudID: cloudID, From: tenth.Day(), To: tenth.Day()})
	if err != nil {
		t.Fatal(err)
	}
	// Causes of one kind are a line for each code.
	want := []string{"2019-12-10: -1; quarantined -4; quarantined -2; quarantined 8; notClosed -1; unexplained 0; bill 0"}
	if diff := cmp.Diff(want, shorts(report.Lines)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
