package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/costs"
	"stackusage/internal/memstore"
	"stackusage/internal/usagegen"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Of the settings of infra and host.json.
const (
	sweepEvery   = 5 * time.Minute // SWEEP_SCHEDULE
	settling     = 6               // SETTLING_HOURS
	pollEvery    = 15 * time.Second
	pollsOfAnApp = 3 * int64(24*time.Hour/pollEvery) // a day: three queues
	instanceMiB  = 2048
)

// accounted is one day of one stack that reports each hour, as the app and its storage
// have it: the calls of each function and what storage counted.
type accounted struct {
	calls   map[string]int64
	counts  map[string]costs.Counts
	took    map[string]time.Duration
	records []int64 // of each batch that was forwarded
	landed  int64   // bytes of the hour blobs
}

// accountDay lets the app have a day: an hour blob each hour, Sweep every five minutes,
// the day before closed when its settling hours are there, and its batches forwarded.
func accountDay(t testing.TB, resources int) accounted {
	t.Helper()
	r := newRig(t)
	var counter costs.Counter
	now := theDay.Start()
	account(r, &counter)
	r.App.Now = func() time.Time { return now }
	r.App.Settings.SettlingHours, r.App.Settings.SpillSums = settling, 100_000
	r.reroute(t)
	ok(t, r.registry().Put(context.Background(), registration.Registration{
		CloudID: cloudID, EffectiveDay: theDay.Compact(), SubscriptionID: payer, BillingModel: registration.PayAsYouUse,
		Region: "northwest", Start: theDay.Start(),
	}))
	a := accounted{calls: map[string]int64{}, counts: map[string]costs.Counts{}, took: map[string]time.Duration{}}
	call := func(function string, do func()) {
		began := time.Now()
		do()
		a.took[function] += time.Since(began)
		a.calls[function]++
		a.counts[function] = a.counts[function].Plus(counter.Take())
	}
	hour := func(h usage.Hour) {
		var rows []string
		for row := range usagegen.Rows(h, resources, resources) {
			rows = append(rows, string(row))
		}
		file, name := blobOf(t, h, rows...)
		r.drop(t, name, file)
		a.landed += int64(len(file))
		call("IngestHour", func() { r.done(t, "IngestHour", landedMessage(name)) })
	}
	run := func() {
		last := now.Add(-sweepEvery).Format(time.RFC3339)
		call("Sweep", func() {
			if status, body := r.post("/Sweep", `{"Data":{"timer":{"ScheduleStatus":{"Last":"`+last+`"}}},"Metadata":{}}`); status != http.StatusOK {
				t.Fatalf("Sweep: %d %s", status, body)
			}
		})
		for _, text := range r.take(t, queue.Days) {
			call("CloseDay", func() { r.done(t, "CloseDay", text) })
		}
		for _, text := range r.take(t, queue.Batches) {
			call("ForwardBatch", func() { r.done(t, "ForwardBatch", text) })
		}
	}
	for h := theDay.First(); h < theDay.Next().First(); h++ {
		now = h.End()
		hour(h)
		run()
	}
	clear(a.calls)
	clear(a.counts)
	clear(a.took)
	a.landed = 0
	for h := theDay.Next().First(); h < theDay.Next().First()+24; h++ {
		now = h.End()
		hour(h)
		for range int(time.Hour / sweepEvery) {
			run()
			now = now.Add(sweepEvery)
		}
	}
	call("Status", func() {
		w := httptest.NewRecorder()
		r.router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/status", nil))
		if w.Code != http.StatusOK {
			t.Fatalf("status: %d %s", w.Code, w.Body)
		}
	})
	for row, err := range r.store.Tables.List(context.Background(), table.UsageBatches, openday.Partition(cloudID, theDay), "", "") {
		ok(t, err)
		a.records = append(a.records, row.Props["records"].(int64))
	}
	return a
}

// transactions is how many transactions of 100 rows the outcomes of a day take.
func (a accounted) transactions() (n int64) {
	for _, records := range a.records {
		n += (records + table.MaxOps - 1) / table.MaxOps
	}
	return n
}

// operations are the counts of a function without those of bytes.
func (a accounted) operations(function string) costs.Counts {
	counts := a.counts[function].Plus()
	delete(counts, costs.BlobBytes)
	delete(counts, costs.TableBytes)
	return counts
}

// TestStorageOperations holds what each function asks of storage in a day: constant, but
// for each batch, and for each 100 records one transaction. A new call shows here; the
// numbers are in docs/performance.md.
func TestStorageOperations(t *testing.T) {
	t.Parallel()
	sizes := []int{10, 1_000}
	if soaks() {
		sizes = append(sizes, 10_000)
	}
	for _, resources := range sizes {
		t.Run(fmt.Sprintf("%d resources", resources), func(t *testing.T) {
			t.Parallel()
			a := accountDay(t, resources)
			batches := int64(len(a.records))
			want := map[string]costs.Counts{
				// 24 hours, of which six have usage of the day before.
				"IngestHour": {costs.TableOperations: 24*7 + 6*3, costs.BlobReads: 24, costs.BlobWrites: 24 + 6},
				// The verdict on each of 30 inputs; a row for each batch, 100 at once. The
				// partials; batches, catalogue of meters, daily file, settlement, manifest.
				"CloseDay": {costs.TableOperations: 30 + 10 + (batches+99)/100, costs.BlobReads: 30, costs.BlobWrites: batches + 4, costs.QueueOperations: batches},
				// The row, the lease, the row that it made, the row again, and the outcomes;
				// the batch; the receipt.
				"ForwardBatch": {costs.TableOperations: 4*batches + a.transactions(), costs.BlobReads: batches, costs.BlobWrites: batches},
				"Sweep":        {costs.TableOperations: 288*10 + 24, costs.BlobLists: 288 * 3, costs.QueueOperations: 288*3 + 2},
				"Status":       {costs.TableOperations: 14, costs.BlobLists: 3, costs.QueueOperations: 6},
			}
			for function := range a.counts {
				if diff := cmp.Diff(want[function], a.operations(function)); diff != "" {
					t.Errorf("storage operations of %s, %d times in a day of %d resources and %d batches (-want +got):\n%s",
						function, a.calls[function], resources, batches, diff)
				}
			}
		})
	}
}

// What the Functions plan bills of a call: its time, 100 ms at least at once and a second
// at least, on an instance of its own; storage of the same region answers within
// storageTakes.
const (
	leastBilled  = time.Second
	billedBy     = 100 * time.Millisecond
	storageTakes = 20 * time.Millisecond
)

// billed is a with the plan's counts and those of the host: it takes a message off its
// queue and deletes it.
func (a accounted) billed(function string) costs.Counts {
	counts, calls := a.counts[function].Plus(), a.calls[function]
	var requests int64
	for _, n := range a.operations(function) {
		requests += n
	}
	each := max(leastBilled, (a.took[function]+time.Duration(requests)*storageTakes)/time.Duration(calls)+billedBy-1).Truncate(billedBy)
	counts[costs.Executions] += calls
	counts[costs.MegabyteMilliseconds] += calls * instanceMiB * each.Milliseconds()
	if function != "Sweep" {
		counts[costs.QueueOperations] += 2 * calls
	}
	return counts
}

// BenchmarkCostOfAStack shows what a stack costs in a month of 30 days, from what a day
// takes and list prices: its own part, and that of the function app, which all stacks
// share.
func BenchmarkCostOfAStack(b *testing.B) {
	prices, err := costs.List()
	ok(b, err)
	idle := accountIdle(b)
	app := idle.billed("Sweep").Plus(costs.Counts{costs.QueueOperations: pollsOfAnApp}).Times(30)
	b.Run("app", func(b *testing.B) {
		for range b.N {
			report(b, prices, "the function app", app)
		}
	})
	for _, resources := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("resources=%d", resources), func(b *testing.B) {
			var month costs.Counts
			for range b.N {
				a := accountDay(b, resources)
				// The agent's hour blob and heartbeat, and the event of the first.
				day := costs.Counts{costs.BlobWrites: 2 * 24, costs.BlobBytes: a.landed, costs.QueueOperations: 24}
				for _, function := range []string{"IngestHour", "CloseDay", "ForwardBatch"} {
					day = day.Plus(a.billed(function))
				}
				month = day.Plus(a.operations("Sweep"), idle.operations("Sweep").Times(-1)).Times(30)
			}
			report(b, prices, fmt.Sprintf("a stack of %d resources", resources), month)
		})
	}
}

func report(b *testing.B, prices costs.Prices, of string, month costs.Counts) {
	b.Helper()
	for _, m := range costs.Meters() {
		if month[m] != 0 {
			b.Logf("%s: %s %d: %s", of, m, month[m], prices.Cost(costs.Counts{m: month[m]}).FloatString(4))
		}
	}
	b.Logf("%s: a month costs %s %s by list prices of %s, %s; %s", of, prices.Cost(month).FloatString(2), prices.Currency, prices.Date, prices.Region, prices.Note)
	cost, _ := prices.Cost(month).Float64()
	b.ReportMetric(cost, prices.Currency+"/month")
}

// accountIdle is a day of an app without a stack.
func accountIdle(t testing.TB) accounted {
	t.Helper()
	r, counter := newRig(t), new(costs.Counter)
	account(r, counter)
	r.App.Landing = costs.Blobs{Counter: counter, Inner: memstore.NewBlobs()}
	r.reroute(t)
	if status, body := r.post("/Sweep", `{"Data":{"timer":{"ScheduleStatus":{"Last":"`+time.Now().Add(-sweepEvery).Format(time.RFC3339)+`"}}},"Metadata":{}}`); status != http.StatusOK {
		t.Fatalf("Sweep: %d %s", status, body)
	}
	runs := int64(24 * time.Hour / sweepEvery)
	return accounted{
		calls:  map[string]int64{"Sweep": runs},
		counts: map[string]costs.Counts{"Sweep": counter.Take().Times(runs)},
		took:   map[string]time.Duration{},
	}
}

// account has the storage operations of an app counted.
func account(r *rig, counter *costs.Counter) {
	tables, blobs := costs.Tables{Counter: counter, Inner: r.store.Tables}, costs.Blobs{Counter: counter, Inner: r.store.Blobs}
	r.App.Tables, r.App.Registrations = tables, registry.Registry{Tables: tables}
	r.App.Blobs, r.App.Landing, r.App.Queues = blobs, blobs, costs.Queues{Counter: counter, Inner: r.store.Queues}
}
