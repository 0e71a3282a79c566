package handlers_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"sync"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/daily"
	"stackusage/shared/forward"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// checkSent checks that the only batch is answered, after so many requests to
// commerce, and that all who remember say the same.
func (r *rig) checkSent(t *testing.T, requests int) {
	t.Helper()
	if b := r.batch(t); b.State != outbox.BatchDone || b.Accepted+b.Duplicate != 3 || !b.LeasedUntil.IsZero() {
		t.Errorf("%+v", b)
	}
	if len(r.commerce.accepted) != 3 || len(r.commerce.bodies) != requests || len(r.answers(t)) != 3 {
		t.Errorf("commerce has %d records of %d requests, want 3 of %d; the table has %d", len(r.commerce.accepted), len(r.commerce.bodies), requests, len(r.answers(t)))
	}
}

func TestTwoSendersAtOnce(t *testing.T) {
	t.Parallel()
	r := stated(t)
	var lock sync.Mutex
	reads := 0
	both := make(chan struct{})
	r.through(func(op faultstore.Operation, do func() error) error {
		if op.Write && op.Name == table.UsageBatches {
			lock.Lock()
			if reads++; reads == 2 { // both have read the row before either claims it
				close(both)
			}
			lock.Unlock()
			select {
			case <-both:
			case <-op.Context.Done():
			}
		}
		return do()
	})
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if status, body := r.call("ForwardBatch", batchMessage(theDay, 1)); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wait.Wait()
	r.through(nil)
	r.checkSent(t, 1)
}

func TestOneSenderOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.lose(t, queue.Batches)
	asked, answer := make(chan struct{}), make(chan struct{})
	r.commerce.answer = func(http.ResponseWriter, []byte) bool {
		close(asked)
		<-answer
		return false
	}
	var wait sync.WaitGroup
	wait.Go(func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
	<-asked
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if n := r.depth(t, queue.Batches); n != 1 || len(r.take(t, queue.Batches)) != 0 {
		t.Errorf("%d messages: another one of the batch must come back later", n)
	}
	close(answer)
	wait.Wait()
	r.checkSent(t, 1)
}

func TestASenderThatDied(t *testing.T) {
	t.Parallel()
	r := stated(t)
	id := outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1}
	b := r.batch(t)
	b.LeasedUntil = r.Now().Add(r.Settings.SendLimit)
	ok(t, outbox.Update(t.Context(), r.Tables, id, b))
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if n := len(r.commerce.bodies); n != 0 {
		t.Errorf("%d requests while it may be at work", n)
	}
	r.advance(r.Settings.SendLimit + time.Second)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.checkSent(t, 1)
}

// TestAClaimByAClockThatRanAhead: the message that waits for its end is hidden
// in the queue's time, which no clock of ours can set right again.
func TestAClaimByAClockThatRanAhead(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.lose(t, queue.Batches)
	id := outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1}
	b := r.batch(t)
	b.LeasedUntil = r.Now().Add(9 * time.Hour)
	ok(t, outbox.Update(t.Context(), r.Tables, id, b))
	hidden := time.Duration(0)
	r.through(func(op faultstore.Operation, do func() error) error {
		if op.Name == queue.Batches {
			hidden = op.Delay
		}
		return do()
	})
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.through(nil)
	if want := r.Settings.InvocationLimit + 2*time.Second; hidden.Truncate(time.Second) != want || len(r.commerce.bodies) != 0 {
		t.Errorf("hidden for %s, want %s; %d requests", hidden, want, len(r.commerce.bodies))
	}
	r.advance(10 * time.Hour)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.checkSent(t, 1)
}

// TestARequestEndsWithItsClaim: when another sender may take over, no request
// of the first one is on its way.
func TestARequestEndsWithItsClaim(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.Settings.SendLimit = time.Second
	r.reroute(t)
	inner := r.Commerce
	r.Commerce = senderFunc(func(ctx context.Context, _ string, _ []byte) (map[string]outcome.Result, error) {
		ends, bounded := ctx.Deadline()
		// The app's clock stands still in a test: what is left is compared, not times.
		if left, claimed := time.Until(ends), r.batch(t).LeasedUntil.Sub(r.Now()); !bounded || left > claimed {
			t.Errorf("the request may take %s more, the claim holds for %s", left, claimed)
		}
		<-ctx.Done()
		return nil, &forward.Failure{Kind: forward.Unknown, Err: ctx.Err()}
	})
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.Waiting || b.Unknowns != 1 || !b.LeasedUntil.IsZero() {
		t.Errorf("%+v", b)
	}
	r.Commerce = inner
	r.advance(time.Hour)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.checkSent(t, 1)
}

// TestAFailedSenderLetsGo: after an error of storage the message comes again
// soon, and must not wait for a claim that nobody needs.
func TestAFailedSenderLetsGo(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"DailyUsage", "receipts"} {
		t.Run("the write to "+what+" fails", func(t *testing.T) {
			t.Parallel()
			r := stated(t)
			r.through(func(op faultstore.Operation, do func() error) error {
				if op.Write && op.Name == what {
					return errFault
				}
				return do()
			})
			r.fails(t, "ForwardBatch", batchMessage(theDay, 1))
			r.through(nil)
			if b := r.batch(t); !b.LeasedUntil.IsZero() || b.Tries != 1 {
				t.Errorf("%+v", b)
			}
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.checkSent(t, 2)
		})
	}
}

// listBatches makes the revision one of n batches, each with the bytes of the
// first.
func (r *rig) listBatches(t *testing.T, n int) {
	t.Helper()
	m := daily.Manifest{CloudID: cloudID, UsageDay: theDay, Revision: 1}
	b := r.batch(t)
	for i := range n {
		m.Batches = append(m.Batches, daily.Batch{Number: i + 1, Blob: b.Blob, SHA256: b.SHA256, Records: int(b.Records)})
	}
	ok(t, outbox.Open(t.Context(), r.Tables, m, r.Now()))
}

// TestSweepAddsToNoBacklog: messages that wait behind others are not lost.
func TestSweepAddsToNoBacklog(t *testing.T) {
	t.Parallel()
	r := stated(t)
	id := outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1}
	r.listBatches(t, 3)
	r.advance(16 * time.Minute)
	depth := func(t *testing.T, want int64) {
		t.Helper()
		for range 3 {
			r.sweep(t)
			if n := r.depth(t, queue.Batches); n != want {
				t.Errorf("%d messages on the queue, want %d", n, want)
			}
		}
	}
	t.Run("with fewer messages than work, all that is due is sent again, once", func(t *testing.T) {
		depth(t, 4) // the one that CloseDay sent, and a copy of each of three
	})
	t.Run("a batch that waits for its time counts as work", func(t *testing.T) {
		b := r.batch(t)
		b.State, b.NotBefore = outbox.Waiting, r.Now().Add(time.Hour)
		ok(t, outbox.Update(t.Context(), r.Tables, id, b))
		r.lose(t, queue.Batches)
		ok(t, r.store.Queues.Enqueue(t.Context(), queue.Batches, batchMessage(theDay, 1), time.Hour))
		depth(t, 3) // its own, and the two that were lost
	})
	t.Run("all the same each is sent again once an hour, when the timer says how long ago it ran", func(t *testing.T) {
		for range 12 {
			r.advance(5 * time.Minute)
			r.sweepSince(t, r.Now().Add(-5*time.Minute))
		}
		if n := r.depth(t, queue.Batches); n != 3+2 {
			t.Errorf("%d messages, want one more for each of the two that are overdue", n)
		}
	})
	t.Run("one that failed for good does not", func(t *testing.T) {
		r.lose(t, queue.Batches)
		r.poison(t, queue.Batches, base64.StdEncoding.EncodeToString([]byte(batchMessage(theDay, 2))))
		ok(t, r.store.Queues.Enqueue(t.Context(), queue.Batches, batchMessage(theDay, 1), time.Hour))
		depth(t, 2) // its own, and the third
	})
}
