package redrive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/redrive"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

var reported = usage.HourOf(time.Date(2019, 12, 10, 22, 0, 0, 0, time.UTC))

// files are blobs by container and name.
type files map[string][]byte

func (f files) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	return io.NopCloser(bytes.NewReader(f[container+"/"+name])), reported.End(), nil
}

func (f files) Put(_ context.Context, container, name string, body io.ReadSeekCloser, _ int64) error {
	text, err := io.ReadAll(body)
	f[container+"/"+name] = text
	return err
}

// row is a row without a location.
func row(n int) []byte {
	return fmt.Appendf(nil, `{"properties":{"subscriptionId":%q,"meterId":"b4438d5d-453b-4ee1-b42a-dc72e377f1e4","quantity":1,`+
		`"usageStartTime":"2019-12-10T21:00:00Z","usageEndTime":"2019-12-10T22:00:00Z",`+
		`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[1]s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa%d\"}}"}}`,
		"09065051-cfe9-4fcf-b90c-87f2af292fc9", n)
}

var errKilled = errors.New("the process was killed")

// killed is a store whose user is killed after its first write to a table; before it
// something else happens.
type killed struct {
	table.Store
	name   string
	before func()
	dead   bool
}

func (k *killed) Get(ctx context.Context, name, partition, key string) (table.Row, error) {
	if k.dead {
		return table.Row{}, errKilled
	}
	return k.Store.Get(ctx, name, partition, key)
}

func (k *killed) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if k.dead {
		return errKilled
	}
	if k.dead = name == k.name; k.dead {
		k.before()
	}
	return k.Store.Apply(ctx, name, partition, ops...)
}

// away is blobs that cannot be read.
type away struct{ files }

var errAway = errors.New("storage is away")

func (away) Open(context.Context, string, string) (io.ReadCloser, time.Time, error) {
	return nil, time.Time{}, errAway
}

// unreadable checks that rejected rows whose bytes cannot be read are an error.
func unreadable(t *testing.T, tables table.Store, id hourlog.ID) {
	t.Helper()
	var failed error
	for _, err := range (redrive.Redriver{Tables: tables, App: away{}}).RejectedRows(t.Context(), id) {
		failed = errors.Join(failed, err)
	}
	if !errors.Is(failed, errAway) {
		t.Errorf("rejected rows without storage: %v, want %v", failed, errAway)
	}
}

// TestADismissalBeforeAKilledRedrive: a redrive of all rows that the rules take has
// read them; one is dismissed; it says that it takes the hour over, and is killed.
// Whoever finishes it leaves the dismissed row out.
func TestADismissalBeforeAKilledRedrive(t *testing.T) {
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	region := ""
	regionOf := func(usage.Day) string { return region }
	tables, blobs := memstore.NewTables(table.Names()...), files{}
	g := ingest.Ingester{Tables: tables, App: blobs, Settings: ingest.Settings{SpillSums: 10, TempDir: t.TempDir()}, SettlingHours: 1, Region: regionOf}
	take := func(path string, h hourlog.Hour) (hourlog.ID, hourlog.Hour) {
		t.Helper()
		container, blob, _ := bytes.Cut([]byte(path), []byte("/"))
		name, err := landing.ParseName(string(container), string(blob))
		ok(err)
		id := hourlog.ID{CloudID: cloudID, Hour: reported, SHA16: name.SHA16}
		h.Blob, h.LandedAt = path, reported.End()
		_, h, err = g.Ingest(t.Context(), id, name, h, bytes.NewReader(blobs[path]))
		ok(err)
		return id, h
	}
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, ReportedStart: reported.Start(), CollectedAt: reported.End()})
	ok(err)
	ok(w.Row(row(1)))
	ok(w.Row(row(2)))
	name, _, err := w.Close(1)
	ok(err)
	blobs[name.String()] = file.Bytes()
	id, h := take(name.String(), hourlog.Hour{})
	if h.Quarantined != 2 {
		t.Fatalf("row %+v", h)
	}
	unreadable(t, tables, id)
	region = "northwest" // and now the rules take the rows
	why := reasoned.Decision{By: "olga", Reason: "the region is set", At: reported.End()}
	rows := func() (rows []hourlog.RejectedRow) {
		id := id
		h, err := hourlog.AcceptedHour(t.Context(), tables, id)
		ok(err)
		id.SHA16 = h.Counts
		for r, err := range hourlog.RejectedRows(t.Context(), tables, id) {
			ok(err)
			rows = append(rows, r)
		}
		return rows
	}
	r := redrive.Redriver{Tables: &killed{Store: tables, name: table.UsageHours, before: func() {
		ok(hourlog.Dismiss(t.Context(), tables, id, rows()[:1], why))
	}}, Landing: blobs, App: blobs, Settings: g.Settings, Region: func(context.Context, string) (ingest.RegisteredRegion, error) { return regionOf, nil }}
	if _, err := r.Redrive(t.Context(), redrive.Request{ID: id, Why: why}); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	standing, err := hourlog.AcceptedHour(t.Context(), tables, id)
	ok(err)
	corrected := hourlog.ID{CloudID: cloudID, Hour: reported, SHA16: standing.Challenger}
	before, err := hourlog.Read(t.Context(), tables, corrected)
	ok(err)

	inherited := hourlog.Hour{}
	inherited.Inherit(before)
	take(before.Blob, inherited) // as IngestHour finishes it
	if standing, err := hourlog.AcceptedHour(t.Context(), tables, id); err != nil || standing.Counts != id.SHA16 || standing.Challenger != "" {
		t.Errorf("pointer %+v, error %v", standing, err)
	}
	if h, err := hourlog.Read(t.Context(), tables, corrected); err != nil || h.Verdict != hourlog.KeptOut || h.DecisionReason != "row 1 was dismissed before the redrive was announced" {
		t.Errorf("row %+v, error %v", h, err)
	}
	r.Tables = tables
	out, err := r.Redrive(t.Context(), redrive.Request{ID: id, Why: why})
	if rows := rows(); err != nil || out.Rows != 1 || rows[0].State != hourlog.Dismissed || rows[1].State != hourlog.Redriven {
		t.Errorf("outcome %+v, error %v, rows %+v", out, err, rows)
	}
	if _, err := r.Redrive(t.Context(), redrive.Request{ID: id, Why: why, Want: func(r hourlog.RejectedRow) bool { return r.Line == 1 }}); err != nil {
		t.Error(err) // somebody chose it
	}
	if rows := rows(); rows[0].State != hourlog.Redriven {
		t.Errorf("rows %+v", rows)
	}
}
