// Package pipeline_test measures the whole of the function app's work on Azurite:
// docs/performance.md.
package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"stackusage/handlers"
	"stackusage/internal/benchproc"
	"stackusage/internal/devstack/azurite/azuritetest"
	standin "stackusage/internal/devstack/commerce"
	"stackusage/internal/faultstore"
	"stackusage/internal/usagegen"
	"stackusage/shared/azurestore"
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

func TestMain(m *testing.M) {
	benchproc.Child(map[string]benchproc.Step{"handler": handlerStep})
	azuritetest.Main(m)
}

// settling is how many reported hours of the next day a usage day waits for.
const settling = 6

var day = usagegen.Reported.Day()

// work is the order to a process that handles all messages of a queue.
type work struct {
	Connection, Commerce, Function, Queue, Temp string
}

// atOnce is how many messages the host hands to one process: host.json.
const atOnce = 12

// handlerStep is a handler process, and of the host what takes messages from the queue.
func handlerStep(args []byte) (func() (map[string]float64, error), error) {
	var w work
	if err := json.Unmarshal(args, &w); err != nil {
		return nil, err
	}
	account, err := azurestore.Connect(azuritetest.Setting(w.Connection), "UsageStorage")
	if err != nil {
		return nil, err
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return nil, err
	}
	var front faultstore.Front
	var operations, messages atomic.Int64
	front.Through(func(_ faultstore.Operation, do func() error) error {
		operations.Add(1)
		return do()
	})
	tables, blobs := faultstore.Tables{Front: &front, Inner: account.Tables}, faultstore.Blobs{Front: &front, Inner: account.Blobs}
	app := &handlers.App{
		Tables: tables, Landing: blobs, Blobs: blobs, Queues: faultstore.Queues{Front: &front, Inner: account.Queues},
		Registrations: registry.Registry{Tables: tables}, Meters: meters, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Commerce: &commerce.Client{Endpoint: w.Commerce, HTTP: &http.Client{Timeout: time.Minute}},
		Settings: handlers.Settings{
			Rules: closing.Rules{SettlingHours: settling, CloseDelay: 48 * time.Hour}, TempDir: w.Temp, ForwardRetry: 30 * time.Second,
			SendLimit: 5 * time.Minute, SweepGrace: 15 * time.Minute, SweepLookback: 336 * time.Hour, InstanceMemory: 2048, InvocationLimit: 28 * time.Minute,
		},
	}
	router, err := app.Router()
	if err != nil {
		return nil, err
	}
	handle := func(text string) error {
		messages.Add(1)
		once, _ := json.Marshal(text)
		twice, _ := json.Marshal(string(once))
		body := fmt.Sprintf(`{"Data":{"message":%s},"Metadata":{"DequeueCount":"1"}}`, twice)
		answer := httptest.NewRecorder()
		router.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/"+w.Function, strings.NewReader(body)))
		if answer.Code != http.StatusOK {
			return fmt.Errorf("%s %s: %d %s", w.Function, text, answer.Code, answer.Body)
		}
		return nil
	}
	return func() (map[string]float64, error) {
		var group errgroup.Group
		for range atOnce {
			group.Go(func() error {
				for {
					err := account.Queues.Drain(context.Background(), w.Queue, handle)
					// Drain hides eight messages for 10 s, and does not renew that as the host does.
					if err == nil || !strings.Contains(err.Error(), "PopReceiptMismatch") {
						return err
					}
				}
			})
		}
		err := group.Wait()
		return map[string]float64{"operations": float64(operations.Load()), "messages": float64(messages.Load())}, err
	}, nil
}

// BenchmarkPipeline brings a day of many stacks from landed hour blobs to commerce.
func BenchmarkPipeline(b *testing.B) {
	stacks := []int{1, 10}
	if os.Getenv("STACKUSAGE_SOAK") != "" {
		stacks = append(stacks, 100)
	}
	for _, n := range stacks {
		for _, processes := range []int{1, 2} {
			b.Run(fmt.Sprintf("stacks=%d,processes=%d,resources=100", n, processes), func(b *testing.B) {
				for b.Loop() {
					newPipeline(b, n).run(b, processes)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

type pipeline struct {
	work   work
	store  *azurestore.Account
	stacks []string
	hours  int
}

// newPipeline lands the hours of a day, and those of the next that it waits for.
func newPipeline(b *testing.B, stacks int) *pipeline {
	b.Helper()
	ctx := b.Context()
	ok := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	server, err := standin.New(standin.Options{})
	ok(err)
	web := httptest.NewServer(server)
	b.Cleanup(web.Close)
	p := &pipeline{work: work{Connection: azuritetest.Account(b), Commerce: web.URL, Temp: b.TempDir()}}
	p.store, err = azurestore.Connect(azuritetest.Setting(p.work.Connection), "UsageStorage")
	ok(err)
	queues, err := queue.Names()
	ok(err)
	ok(errors.Join(p.store.Tables.Create(ctx, table.Names()...), p.store.Queues.Create(ctx, queues...), p.store.Blobs.Create(ctx, table.Containers()...)))
	for n := range stacks {
		cloudID := fmt.Sprintf("b31316d4-de02-43a4-903d-%012x", n)
		p.stacks = append(p.stacks, cloudID)
		ok(p.store.Blobs.Create(ctx, landing.Container(cloudID)))
		ok(registry.Registry{Tables: p.store.Tables}.Put(ctx, registration.Registration{
			CloudID: cloudID, EffectiveDay: day.Compact(), SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", Name: fmt.Sprintf("stack-%d", n),
			BillingModel: registration.PayAsYouUse, Region: usagegen.Region, Start: day.Start(),
		}))
		for h := range usage.Hour(24 + settling) {
			var file bytes.Buffer
			blob := usagegen.Blob{CloudID: cloudID, Hour: day.First() + h, Day: day, Rows: 100, Resources: 100}
			name, _, err := blob.Write(&file)
			ok(err)
			ok(p.store.Blobs.PutWhole(ctx, name.Container(), name.Blob(), inMemory{bytes.NewReader(file.Bytes())}))
			ok(p.store.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0))
			p.hours++
		}
	}
	return p
}

type inMemory struct{ io.ReadSeeker }

func (inMemory) Close() error { return nil }

func (p *pipeline) run(b *testing.B, processes int) {
	begin := time.Now()
	ingest := p.phase(b, processes, "IngestHour", queue.Landed)
	for _, cloudID := range p.stacks {
		if err := p.store.Queues.Enqueue(b.Context(), queue.Days, queue.DayMessage(cloudID, day), 0); err != nil {
			b.Fatal(err)
		}
	}
	closed := p.phase(b, processes, "CloseDay", queue.Days)
	sent := p.phase(b, processes, "ForwardBatch", queue.Batches)
	if sent.Values["messages"] < float64(len(p.stacks)) {
		b.Fatalf("%v batches of %d stacks", sent.Values["messages"], len(p.stacks))
	}
	days := float64(len(p.stacks))
	b.ReportMetric(time.Since(begin).Seconds()/days, "s/stack-day")
	b.ReportMetric(float64(p.hours)/ingest.Wall.Seconds(), "hours/s")
	b.ReportMetric(days/closed.Wall.Seconds(), "days/s")
	b.ReportMetric(ingest.Values["operations"]/float64(p.hours), "ops/hour")
	b.ReportMetric((closed.Values["operations"]+sent.Values["operations"])/days, "ops/day")
	b.ReportMetric((ingest.CPU+closed.CPU+sent.CPU).Seconds()/days, "handler-cpu-s/stack-day")
	b.ReportMetric(float64(max(ingest.Peak, closed.Peak, sent.Peak))/(1<<20), "handler-peak-MiB")
}

// phase has processes handle all messages of a queue. The time is that of the last one.
func (p *pipeline) phase(b *testing.B, processes int, function, queue string) benchproc.Measured {
	b.Helper()
	order := p.work
	order.Function, order.Queue = function, queue
	all := make([]benchproc.Measured, processes)
	var group errgroup.Group
	for i := range all {
		group.Go(func() (err error) {
			all[i], err = benchproc.Start("handler", order, benchproc.Options{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	total := benchproc.Measured{Values: map[string]float64{}}
	for _, m := range all {
		total.Wall, total.Peak, total.CPU = max(total.Wall, m.Wall), max(total.Peak, m.Peak), total.CPU+m.CPU
		for name, value := range m.Values {
			total.Values[name] += value
		}
	}
	return total
}
