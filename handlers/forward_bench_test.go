package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/commerce"
	"stackusage/shared/openday"
	"stackusage/shared/table"
)

// atOnce is how many messages of a queue the host hands out at once: batchSize and
// newBatchThreshold of host.json. ForwardBatch's share of the memory allows more.
const atOnce = 12

// closedLarge closes a usage day with so many records.
func closedLarge(t testing.TB, records int) (batches []table.Row, bodies map[string][]byte) {
	t.Helper()
	r := statedWith(t, records)
	bodies = map[string][]byte{}
	for row, err := range r.store.Tables.List(context.Background(), table.UsageBatches, openday.Partition(cloudID, theDay), "", "") {
		ok(t, err)
		row.Tag = ""
		batches = append(batches, row)
		path := row.Props["blob"].(string)
		bodies[path] = r.blob(t, path)
	}
	return batches, bodies
}

// BenchmarkForward forwards a day of 100,000 records as the queue has it done: as many
// messages at once as host.json allows, to a commerce on loopback that answers after a
// delay, and with storage in memory, storage whose operations take 10 ms, and Azurite,
// which takes a processor for itself. x-ideal is the time that the delays alone take, atOnce of them at a time,
// divided by the time it took; cpu-s is of this process, commerce included.
func BenchmarkForward(b *testing.B) {
	batches, bodies := closedLarge(b, 100_000)
	for _, c := range []struct {
		on      string
		storage time.Duration // how long each operation takes
		delay   time.Duration
	}{
		{"memory", 0, 0}, {"memory", 0, 5 * time.Millisecond}, {"memory", 0, 50 * time.Millisecond},
		{"memory", 10 * time.Millisecond, 50 * time.Millisecond}, {"azurite", 0, 50 * time.Millisecond},
	} {
		b.Run(fmt.Sprintf("%s+%s/%s", c.on, c.storage, c.delay), func(b *testing.B) {
			var took time.Duration
			var cpu float64
			for range b.N {
				b.StopTimer()
				r := newRigOn(b, storageOn(b, c.on == "azurite"))
				r.slowCommerce(b, c.delay)
				for path, body := range bodies {
					r.putPath(b, path, body)
				}
				for chunk := range table.Chunks(inserts(batches)) {
					ok(b, r.store.Tables.Apply(context.Background(), table.UsageBatches, batches[0].Partition, chunk...))
				}
				messages := make(chan int, len(batches))
				for i := range batches {
					messages <- i + 1
				}
				close(messages)
				if c.storage > 0 {
					r.through(func(_ faultstore.Operation, do func() error) error {
						time.Sleep(c.storage)
						return do()
					})
				}
				b.StartTimer()
				began, used := time.Now(), cpuSeconds(b)
				var senders sync.WaitGroup
				for range atOnce {
					senders.Go(func() {
						for number := range messages {
							if status, body := r.call("ForwardBatch", batchMessage(theDay, number)); status != http.StatusOK {
								b.Errorf("batch %d: %d %s", number, status, body)
							}
						}
					})
				}
				senders.Wait()
				took, cpu = took+time.Since(began), cpu+cpuSeconds(b)-used
			}
			n := float64(b.N)
			b.ReportMetric(100_000*n/took.Seconds(), "records/s")
			b.ReportMetric(cpu/n, "cpu-s")
			if c.delay > 0 {
				ideal := time.Duration(len(batches)) * c.delay / atOnce
				b.ReportMetric(ideal.Seconds()*n/took.Seconds(), "x-ideal")
			}
		})
	}
}

func inserts(rows []table.Row) []table.Op {
	ops := make([]table.Op, len(rows))
	for i, row := range rows {
		ops[i] = table.Op{Verb: table.Insert, Row: row}
	}
	return ops
}

// cpuSeconds is the time that this process has had of all processors.
func cpuSeconds(t testing.TB) float64 {
	t.Helper()
	var use syscall.Rusage
	ok(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds()
}

// slowCommerce accepts everything, after a delay, and does little else: it shares the
// processors with the app.
func (r *rig) slowCommerce(t testing.TB, delay time.Duration) {
	t.Helper()
	const id = `{"recordId":"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := make([]byte, req.ContentLength)
		if _, err := io.ReadFull(req.Body, body); err != nil {
			return
		}
		time.Sleep(delay)
		answer := []byte(`{"results":[`)
		for i, part := range bytes.Split(body, []byte(id))[1:] {
			if i > 0 {
				answer = append(answer, ',')
			}
			answer = append(append(append(answer, id...), part[:36]...), `","status":"Accepted"}`...)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(answer, `]}`...))
	}))
	t.Cleanup(server.Close)
	r.Commerce = &commerce.Client{Endpoint: server.URL, HTTP: commerce.HTTPClient()}
}
