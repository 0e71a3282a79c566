package reconcile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/internal/ledgertest"
	"stackusage/internal/memstore"
	"stackusage/shared/closing"
	"stackusage/shared/commerce"
	"stackusage/shared/content"
	"stackusage/shared/daybook"
	"stackusage/shared/forward"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/reconcile"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/verify"
)

// works is the app's work, with commerce behind it.
type works struct {
	sweeper   sweep.Sweeper
	forwarder forward.Forwarder
	account   *memstore.Account
	Tables    table.Store  // of the account
	blobs     verify.Blobs // of the account
	billing   string       // URL of commerce
	now       time.Time
}

const (
	tenant     = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	tableMeter = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
)

// startWorks registers a stack from 22:00 of the usage day on; a day waits for
// one hour of the next.
func startWorks(t *testing.T) *works {
	t.Helper()
	return startWorksWith(t, standin.Options{})
}

func startWorksWith(t *testing.T, options standin.Options) *works {
	t.Helper()
	account := memstore.New()
	server, err := standin.New(options)
	ledgertest.OK(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	meters, err := meter.BuiltIn()
	ledgertest.OK(t, err)
	w := &works{account: account, Tables: account.Tables, blobs: account.Blobs, billing: web.URL, now: time.Now()}
	w.Tables = account.Tables
	now, registrations := func() time.Time { return w.now }, registry.Registry{Tables: account.Tables}
	w.sweeper = sweep.Sweeper{
		Tables: w.Tables, Landing: account.Blobs, Queues: account.Queues, Registrations: registrations, Now: now, Grace: 15 * time.Minute, Lookback: 336 * time.Hour,
		Ingester: ingest.Ingester{
			Tables: w.Tables, Hours: account.Blobs, App: account.Blobs, Registrations: registrations, Now: now, SettlingHours: 1,
			Settings: ingest.Settings{SpillSums: 1000, TempDir: t.TempDir()},
		},
		Closer: &closing.Closer{
			Tables: w.Tables, Hours: account.Blobs, Blobs: account.Blobs, Queues: account.Queues, Registrations: registrations, Meters: meters, Now: now,
			Rules: closing.Rules{SettlingHours: 1, CloseDelay: 48 * time.Hour}, SpillSums: 1000, TempDir: t.TempDir(),
		},
	}
	w.forwarder = forward.Forwarder{
		Tables: w.Tables, Blobs: account.Blobs, Queues: account.Queues, Now: now, Retry: time.Millisecond, SendLimit: time.Minute, InvocationLimit: time.Minute,
		Commerce: &commerce.Client{Endpoint: web.URL, HTTP: &http.Client{Timeout: 5 * time.Second}},
	}
	queues, err := queue.Names()
	ledgertest.OK(t, err)
	ledgertest.OK(t, account.Tables.Create(t.Context(), table.Names()...))
	ledgertest.OK(t, account.Queues.Create(t.Context(), queues...))
	ledgertest.OK(t, account.Blobs.Create(t.Context(), append(table.Containers(), landing.Container(ledgertest.CloudID))...))
	ledgertest.OK(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{
		CloudID: ledgertest.CloudID, EffectiveDay: "20191210", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		BillingModel: registration.PayAsYouUse, Region: "northwest", Start: ledgertest.Hour(t, "2019121022").Start(),
	}))
	return w
}

// close closes a day, unless it is not due or not open.
func (w *works) close(t *testing.T, d usage.Day) {
	t.Helper()
	err := w.sweeper.Closer.Close(t.Context(), ledgertest.CloudID, d)
	if _, waits := errors.AsType[*closing.NotDue](err); !waits && !errors.Is(err, daybook.ErrNotOpen) && !errors.Is(err, closing.ErrUnanswered) {
		ledgertest.OK(t, err)
	}
}

// usageRow is a row of the usage API: resource n, used in hour h.
func usageRow(n int, h usage.Hour, quantity string) string {
	instance, _ := json.Marshal(map[string]any{"Microsoft.Resources": map[string]string{
		"resourceUri": fmt.Sprintf("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa%03d", tenant, n),
		"location":    "northwest",
	}})
	text, _ := json.Marshal(map[string]any{"properties": map[string]any{
		"subscriptionId": tenant, "meterId": tableMeter, "quantity": json.RawMessage(quantity),
		"usageStartTime": h.Start(), "usageEndTime": h.End(), "instanceData": string(instance),
	}})
	return string(text)
}

// ingest lands an hour and lets it be ingested.
func (w *works) ingest(t *testing.T, h usage.Hour, rows ...string) landing.Name {
	t.Helper()
	return w.ingestWith(t, landing.Header{ReportedStart: h.Start(), CollectedAt: h.End()}, rows...)
}

// ingestWith is ingest with a header.
func (w *works) ingestWith(t *testing.T, header landing.Header, rows ...string) landing.Name {
	t.Helper()
	header.CloudID, header.Region = ledgertest.CloudID, "northwest"
	var file strings.Builder
	out, err := landing.NewWriter(&file, header)
	ledgertest.OK(t, err)
	for _, row := range rows {
		ledgertest.OK(t, out.Row([]byte(row)))
	}
	name, _, err := out.Close(1)
	ledgertest.OK(t, err)
	w.put(t, name.Container(), name.Blob(), []byte(file.String()))
	ledgertest.OK(t, w.sweeper.Ingester.IngestHour(t.Context(), name))
	return name
}

type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func (w *works) put(t *testing.T, container, name string, content []byte) {
	t.Helper()
	ledgertest.OK(t, w.account.Blobs.Put(t.Context(), container, name, body{bytes.NewReader(content)}, int64(len(content))))
}

// settle closes and forwards until nothing is open.
func (w *works) settle(t *testing.T) {
	t.Helper()
	for range 20 {
		w.now = w.now.Add(60 * time.Hour) // days with hours missing close
		marks, err := openday.List(t.Context(), w.Tables)
		ledgertest.OK(t, err)
		if w.rests(t, marks) {
			return
		}
		for _, m := range marks {
			if m.Revision == 0 {
				w.close(t, m.Day)
				continue
			}
			ids, _, err := outbox.OfRevision(t.Context(), w.Tables, m.CloudID, m.Day, m.Revision)
			ledgertest.OK(t, err)
			for _, id := range ids {
				ledgertest.OK(t, w.forwarder.Forward(t.Context(), id))
			}
		}
		ledgertest.OK(t, w.sweeper.Sweep(t.Context(), time.Time{}))
	}
	t.Fatal("something stays open for ever")
}

// rests reports whether nothing is open but days of which commerce declined a
// part.
func (w *works) rests(t *testing.T, marks []openday.Entry) bool {
	t.Helper()
	for _, m := range marks {
		last, err := daybook.LastRevision(t.Context(), w.Tables, m.CloudID, m.Day)
		ledgertest.OK(t, err)
		if m.Revision > 0 || last == nil || !m.OnlyDeclined(last.Number) {
			return false
		}
	}
	return true
}

// fault tells commerce to misbehave; calm ends it.
func (w *works) fault(t *testing.T, method, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.billing+"/_devstack/faults", strings.NewReader(text))
	ledgertest.OK(t, err)
	resp, err := http.DefaultClient.Do(req)
	ledgertest.OK(t, err)
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("fault %s: %s", text, resp.Status)
	}
}

func (w *works) files() reconcile.Files {
	return reconcile.Files{Landing: w.account.Blobs, App: w.account.Blobs}
}

// verify is what the auditor finds.
func (w *works) verify(t *testing.T) verify.Report {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Stores{Tables: w.Tables, Landing: w.blobs, App: w.blobs, NoBlob: content.ErrNoBlob}, verify.Options{
		SettlingHours: 1, CloseDelay: 1000 * time.Hour, SweepGrace: w.sweeper.Grace, Now: w.now, // this clock leaps
		TempDir: t.TempDir()})
	ledgertest.OK(t, err)
	return report
}

// beside looks again and again while the app ingests, closes, forwards and
// corrects.
func (w *works) beside(t *testing.T, look func(n int)) {
	t.Helper()
	done, looked := make(chan struct{}), make(chan int)
	go func() {
		looks := 0
		defer func() { looked <- looks }()
		for {
			select {
			case <-done:
				return
			default:
			}
			look(looks)
			looks++
		}
	}()
	h22 := ledgertest.Hour(t, "2019121022")
	for n := range usage.Hour(8) {
		w.ingest(t, h22+n, usageRow(1, h22-1, "1.5"), usageRow(int(n), h22+n, "2"), `{}`)
		if n%2 == 0 {
			w.settle(t)
		}
	}
	w.settle(t)
	close(done)
	if n := <-looked; n < 5 {
		t.Errorf("looked only %d times", n)
	}
}

// corrected is an app that has stated a day three times, with rows in
// quarantine, a record that commerce refused, and late rows.
func corrected(t *testing.T) *works {
	t.Helper()
	w := startWorks(t)
	h22, h23, h00 := ledgertest.Hour(t, "2019121022"), ledgertest.Hour(t, "2019121023"), ledgertest.Hour(t, "2019121100")
	w.ingest(t, h22, usageRow(1, h22-1, "1.5"), usageRow(2, h22-1, "0.0000000000000000000000001"), `{"no":"usage"}`)
	w.ingest(t, h23, usageRow(1, h23-1, "16.461425899527967"), usageRow(3, h23-1, "-1"))
	w.ingest(t, h00, usageRow(2, h00-1, "7"), usageRow(2, h00, "2"))
	w.settle(t)
	w.fault(t, "POST", `{"rejectMeter":"`+tableMeter+`"}`)
	w.ingest(t, h00+1, usageRow(1, h23, "3"), usageRow(4, h23, "0.5"))
	w.settle(t)
	w.fault(t, "DELETE", "")
	w.ingest(t, h00+2, usageRow(4, h23, "0.25"))
	w.settle(t)
	return w
}

// damageRow changes the last row of a table whose key holds a text, or is one
// of two letters. Nil deletes it.
func (w *works) damageRow(name, key string, change func(table.Props) table.Props) func(t *testing.T) (named string, undo func()) {
	return func(t *testing.T) (string, func()) {
		var row table.Row
		for r, err := range w.Tables.List(t.Context(), name, "", "", "") {
			ledgertest.OK(t, err)
			if strings.Contains(r.Key, key) && (len(key) != 2 || r.Key == key) {
				row = r
			}
		}
		op := table.Op{Verb: table.Delete, Row: row}
		if props := change(maps.Clone(row.Props)); props != nil {
			op = table.Op{Verb: table.Put, Row: table.Row{Partition: row.Partition, Key: row.Key, Props: props}}
		}
		ledgertest.OK(t, w.Tables.Apply(t.Context(), name, row.Partition, op))
		return name + " " + row.Partition + "/" + row.Key, func() {
			ledgertest.OK(t, w.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Put, Row: row}))
		}
	}
}
