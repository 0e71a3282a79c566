package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/handlers"
	"stackusage/internal/faultstore"
	"stackusage/shared/closing"
	"stackusage/shared/commerce"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const (
	cloudID      = "b31316d4-de02-43a4-903d-eb74f8258b01"
	payer        = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	subscription = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	tableMeter   = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
)

// The stack of the tests is registered from the 22nd hour of the usage day on,
// and a day waits for one hour of the next: three reported hours complete it.
var (
	theDay = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)).Day()
	hour22 = theDay.First() + 22
	hour23 = theDay.First() + 23
	hour00 = theDay.First() + 24
	allDay = []usage.Hour{hour22, hour23, hour00}
)

// rig is the function app on storage of its own.
type rig struct {
	*handlers.App
	router   http.Handler
	store    storage // what the app stands on, without what front does
	commerce *commerceServer
	offset   atomic.Int64 // of the app's clock

	verifications int
	front         faultstore.Front
}

// through puts a hook in front of the app's storage operations; nil takes it away.
func (r *rig) through(h faultstore.Hook) { r.front.Through(h) }

// registry is where the registrations are.
func (r *rig) registry() registry.Registry { return registry.Registry{Tables: r.store.Tables} }

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigOn(t, newStorage(t))
}

func newRigOn(t testing.TB, store storage) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{commerce: newCommerce(t), store: store}
	tables := faultstore.Tables{Front: &r.front, Inner: r.store.Tables}
	blobs := faultstore.Blobs{Front: &r.front, Inner: r.store.Blobs}
	meters, err := meter.BuiltIn()
	ok(t, err)
	started := time.Now()
	r.App = &handlers.App{
		Tables: tables, Landing: blobs, Blobs: blobs,
		Queues:        faultstore.Queues{Front: &r.front, Inner: r.store.Queues},
		Registrations: registry.Registry{Tables: tables}, Meters: meters,
		Commerce: &commerce.Client{Endpoint: r.commerce.URL, HTTP: &http.Client{Timeout: 20 * time.Second}},
		Log:      slog.New(slog.DiscardHandler),
		Now:      func() time.Time { return started.Add(time.Duration(r.offset.Load())) },
		Settings: handlers.Settings{
			Rules:     closing.Rules{SettlingHours: 1, CloseDelay: 48 * time.Hour},
			SpillSums: 1000, TempDir: t.TempDir(), ForwardRetry: 30 * time.Second, SendLimit: 5 * time.Minute,
			SweepGrace: 15 * time.Minute, SweepLookback: 336 * time.Hour, InstanceMemory: 2048, InvocationLimit: time.Minute,
		},
	}
	queues, err := queue.Names()
	ok(t, err)
	ok(t, r.store.Tables.Create(ctx, table.Names()...))
	ok(t, r.store.Queues.Create(ctx, queues...))
	ok(t, r.store.Blobs.Create(ctx, append(table.Containers(), landing.Container(cloudID))...))
	r.reroute(t)
	return r
}

// registered is a rig whose stack is registered.
func registered(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	r.register(t)
	return r
}

func (r *rig) register(t testing.TB) {
	t.Helper()
	ok(t, r.registry().Put(context.Background(), registration.Registration{
		CloudID: cloudID, EffectiveDay: "20191210", SubscriptionID: payer, BillingModel: registration.PayAsYouUse,
		Region: "northwest", Start: hour22.Start(),
	}))
}

// movePayer charges another Azure subscription, from the same day on.
func (r *rig) movePayer(t testing.TB) {
	t.Helper()
	reg, err := r.registry().Registrations(context.Background(), cloudID)
	ok(t, err)
	reg[0].SubscriptionID = "11111111-2222-4333-8444-555555555555"
	ok(t, r.registry().Put(context.Background(), reg[0]))
}

// reroute makes the router anew, after a change of settings.
func (r *rig) reroute(t testing.TB) {
	t.Helper()
	var err error
	r.router, err = r.Router()
	ok(t, err)
}

func (r *rig) advance(d time.Duration) { r.offset.Add(int64(d)) }

// call invokes a function with a queue message as the host does: the text is
// JSON-encoded twice.
func (r *rig) call(function, message string) (status int, body string) {
	return r.post("/"+function, envelopeOf(message))
}

func envelopeOf(message string) string {
	once, _ := json.Marshal(message)
	twice, _ := json.Marshal(string(once))
	return fmt.Sprintf(`{"Data":{"message":%s},"Metadata":{"DequeueCount":"1"}}`, twice)
}

func (r *rig) post(path, envelope string) (status int, body string) {
	w := httptest.NewRecorder()
	r.router.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(envelope)))
	if w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
		return -1, "the host cannot read: " + w.Body.String()
	}
	return w.Code, w.Body.String()
}

// done calls a function and fails the test unless the host is told 200.
func (r *rig) done(t testing.TB, function, message string) {
	t.Helper()
	if status, body := r.call(function, message); status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", function, message, status, body)
	}
}

// fails calls a function and fails the test unless the host is told 500.
func (r *rig) fails(t testing.TB, function, message string) string {
	t.Helper()
	status, body := r.call(function, message)
	if status != http.StatusInternalServerError {
		t.Fatalf("%s %s: %d %s, want 500", function, message, status, body)
	}
	return body
}

// sweep runs Sweep for the first time, as far as Sweep knows: it does all it can do.
func (r *rig) sweep(t testing.TB) {
	t.Helper()
	r.forget(t, table.Sweeps)
	if status, body := r.post("/Sweep", `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{}}`); status != http.StatusOK {
		t.Fatalf("Sweep: %d %s", status, body)
	}
}

func landedMessage(name landing.Name) string {
	return `{"id":"1","eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/` +
		name.Container() + `/blobs/` + name.Blob() + `","data":{"api":"PutBlob"}}`
}

func dayMessage(d usage.Day) string {
	return `{"cloudId":"` + cloudID + `","usageDay":"` + d.String() + `"}`
}

func batchMessage(d usage.Day, number int) string {
	return fmt.Sprintf(`{"cloudId":"%s","usageDay":"%s","revision":1,"batch":%d}`, cloudID, d, number)
}

// row is one row of the usage API: resource number n, consumed in hour h.
func row(n int, h usage.Hour, quantity string) string {
	instance, _ := json.Marshal(map[string]any{"Microsoft.Resources": map[string]string{
		"resourceUri": fmt.Sprintf("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa%03d", subscription, n),
		"location":    "northwest", "tags": "", "additionalInfo": "",
	}})
	text, _ := json.Marshal(map[string]any{"id": "x", "properties": map[string]any{
		"subscriptionId": subscription, "meterId": tableMeter, "quantity": json.RawMessage(quantity),
		"usageStartTime": h.Start().Format(time.RFC3339), "usageEndTime": h.End().Format(time.RFC3339), "instanceData": string(instance),
	}})
	return string(text)
}

// rowsOf is what the stack reports in hour h: three resources, used in the hour
// before.
func rowsOf(h usage.Hour) []string {
	return []string{row(1, h-1, "1.5"), row(2, h-1, "0.25"), row(3, h-1, "16.461425899527967")}
}

// ingest lands an hour and lets it be ingested.
func (r *rig) ingest(t testing.TB, h usage.Hour, rows ...string) landing.Name {
	t.Helper()
	name := r.land(t, h, rows...)
	r.done(t, "IngestHour", landedMessage(name))
	return name
}

// complete ingests all hours of the usage day.
func (r *rig) complete(t testing.TB) {
	t.Helper()
	for _, h := range allDay {
		r.ingest(t, h, rowsOf(h)...)
	}
}

// stated is a rig with a usage day that is closed and has one batch to forward.
func stated(t testing.TB) *rig {
	t.Helper()
	r := registered(t)
	r.complete(t)
	r.done(t, "CloseDay", dayMessage(theDay))
	return r
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
