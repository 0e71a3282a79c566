package handlers_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
)

// announced works off the queue of landed blobs and says how many there were.
func (r *rig) announced(t testing.TB) int {
	t.Helper()
	messages := r.take(t, queue.Landed)
	for _, m := range messages {
		r.done(t, "IngestHour", m)
	}
	return len(messages)
}

// sweepSince is sweep as the host calls it: it says when the timer last fired, and
// that run was without an error.
func (r *rig) sweepSince(t testing.TB, last time.Time) {
	t.Helper()
	r.forget(t, table.Sweeps)
	if !last.IsZero() {
		tables := r.store.Tables
		ok(t, sweep.PutTurns(context.Background(), tables, cloudID, last, sweep.TurnCompare, sweep.TurnUndecided))
	}
	r.sweepAgain(t, last)
}

// sweepAgain is what the host does, whatever became of the run before.
func (r *rig) sweepAgain(t testing.TB, last time.Time) {
	t.Helper()
	body := fmt.Sprintf(`{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":%[1]q,"Next":%[2]q,"LastUpdated":%[1]q},"IsPastDue":false}},"Metadata":{}}`,
		last.Format(time.RFC3339Nano), r.Now().Add(5*time.Minute).Format(time.RFC3339Nano))
	if status, body := r.post("/Sweep", body); status != http.StatusOK {
		t.Fatalf("Sweep: %d %s", status, body)
	}
}

func TestSweepLanded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.land(t, hour22, rowsOf(hour22)...)
	r.putBlob(t, name.Container(), "_probe/1", nil)
	r.putBlob(t, name.Container(), "_heartbeat/2019/12/10/22.json", nil)
	r.putBlob(t, name.Container(), "notes.txt", nil)
	ok(t, r.store.Blobs.Create(t.Context(), "landing-of-somebody-else"))
	r.putBlob(t, "landing-of-somebody-else", name.Blob(), nil)
	t.Run("a blob whose event may be on its way is left alone", func(t *testing.T) {
		r.sweep(t)
		if n := r.announced(t); n != 0 {
			t.Errorf("%d announced", n)
		}
	})
	t.Run("a blob without a verdict is announced, others are not", func(t *testing.T) {
		r.advance(16 * time.Minute)
		r.sweep(t)
		if n := r.announced(t); n != 1 || r.hourRow(t, name).Verdict != hourlog.Unregistered {
			t.Errorf("%d announced", n)
		}
	})
	t.Run("an unregistered blob waits for its registration", func(t *testing.T) {
		r.sweep(t)
		if n := r.announced(t); n != 0 {
			t.Errorf("%d announced", n)
		}
		r.register(t)
		r.sweep(t)
		if n := r.announced(t); n != 1 || r.hourRow(t, name).Verdict != hourlog.Accepted {
			t.Errorf("%d announced, verdict %s", n, r.hourRow(t, name).Verdict)
		}
	})
	t.Run("a final verdict is the end of it", func(t *testing.T) {
		r.sweep(t)
		if n := r.announced(t); n != 0 {
			t.Errorf("%d announced", n)
		}
	})
}

func TestSweepDays(t *testing.T) {
	t.Parallel()
	r := registered(t)
	due := func(t *testing.T, want ...string) {
		t.Helper()
		r.sweep(t)
		if diff := cmp.Diff(want, r.take(t, queue.Days)); diff != "" {
			t.Errorf("queue (-want +got):\n%s", diff)
		}
	}
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour23, rowsOf(hour23)...)
	t.Run("a day that waits for hours is not queued", func(t *testing.T) { due(t) })
	t.Run("a day with a gap is queued after the deadline", func(t *testing.T) {
		r.advance(49 * time.Hour)
		due(t, dayMessage(theDay))
		r.advance(-49 * time.Hour)
	})
	r.ingest(t, hour00, rowsOf(hour00)...)
	t.Run("a complete day is queued, again and again until it is closed", func(t *testing.T) {
		due(t, dayMessage(theDay))
		due(t, dayMessage(theDay))
		r.done(t, "CloseDay", dayMessage(theDay))
		due(t)
	})
}

func TestSweepBatches(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.take(t, queue.Batches) // lost
	queued := func(t *testing.T, want ...string) {
		t.Helper()
		r.sweep(t)
		if diff := cmp.Diff(want, r.take(t, queue.Batches)); diff != "" {
			t.Errorf("queue (-want +got):\n%s", diff)
		}
	}
	t.Run("a batch whose message may be on its way is left alone", func(t *testing.T) { queued(t) })
	t.Run("a batch whose message was lost is queued", func(t *testing.T) {
		r.advance(16 * time.Minute)
		queued(t, batchMessage(theDay, 1))
	})
	t.Run("a batch that waits is left alone until its time and the grace are over", func(t *testing.T) {
		r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool {
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		r.lose(t, queue.Batches)
		r.advance(44 * time.Minute)
		queued(t)
		r.advance(2 * time.Minute)
		queued(t, batchMessage(theDay, 1))
	})
	t.Run("a revision whose answers are all there is no longer open", func(t *testing.T) {
		r.commerce.answer = nil
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		queued(t)
		if marks := r.ofDay(t, table.OpenDays); len(marks) != 0 {
			t.Errorf("marks %v", marks)
		}
	})
}

func TestSweepPoison(t *testing.T) {
	t.Parallel()
	r := registered(t)
	name := r.land(t, hour22, rowsOf(hour22)...)
	r.poison(t, queue.Landed, base64.StdEncoding.EncodeToString([]byte(`{"no":"event"}`)))
	r.poison(t, queue.Days, "not base64 at all")
	r.poison(t, queue.Batches, base64.StdEncoding.EncodeToString([]byte{0xff, 0x00}))
	r.sweep(t)
	t.Run("what failed for good is where an operator sees it", func(t *testing.T) {
		got := map[string]string{}
		for _, props := range r.rows(t, table.FailedMessages) {
			got[props["queue"].(string)] = props["text"].(string)
		}
		want := map[string]string{queue.Landed: `{"no":"event"}`, queue.Days: "not base64 at all", queue.Batches: "/wA="}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("FailedMessages (-want +got):\n%s", diff)
		}
		for queue := range want {
			if n := r.depth(t, queue+"-poison"); n != 0 {
				t.Errorf("%s-poison has %d messages", queue, n)
			}
		}
	})
	t.Run("a message that cannot be recorded stays", func(t *testing.T) {
		r.poison(t, queue.Days, "stays")
		r.through(func(op faultstore.Operation, do func() error) error {
			if op.Write && op.Name == table.FailedMessages {
				return errFault
			}
			return do()
		})
		if status, _ := r.post("/Sweep", `{"Data":{},"Metadata":{}}`); status != http.StatusInternalServerError {
			t.Errorf("status %d", status)
		}
		r.through(nil)
		if n := r.depth(t, queue.Days+"-poison"); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("what Sweep announces and fails for good rests for six hours", func(t *testing.T) {
		r.advance(16 * time.Minute)
		r.sweep(t)
		announced := r.take(t, queue.Landed)
		if len(announced) != 1 || !strings.Contains(announced[0], name.Blob()) {
			t.Fatalf("announced %v", announced)
		}
		r.poison(t, queue.Landed, base64.StdEncoding.EncodeToString([]byte(announced[0])))
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{0, 0}, {5 * time.Hour, 0}, {2 * time.Hour, 1}, {time.Hour, 0}, {6 * time.Hour, 1}} {
			r.advance(c.after)
			r.sweep(t)
			if got := len(r.take(t, queue.Landed)); got != c.want {
				t.Errorf("after another %s: %d messages, want %d", c.after, got, c.want)
			}
		}
		resent := func() queue.FailedMessage {
			m, err := queue.Failed(t.Context(), r.Tables, queue.Landed, announced[0])
			ok(t, err)
			return m
		}
		if m := resent(); m.Times != 1 || m.Resent != 2 || r.Now().Sub(m.LastResent) > time.Minute || m.Text == "" {
			t.Errorf("the row says %+v", m)
		}
		r.poison(t, queue.Landed, base64.StdEncoding.EncodeToString([]byte(announced[0])))
		r.sweep(t)
		if m := resent(); m.Times != 2 || m.Resent != 2 {
			t.Errorf("after it failed again the row says %+v", m)
		}
	})
}

// One part of Sweep that fails does not keep the others from running.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.complete(t)
	r.land(t, hour00+1) // nobody announced it
	for suffix, works := range map[string]string{
		landing.Container(cloudID): queue.Days, // blobs cannot be listed: days are queued
		table.OpenDays:             queue.Landed,
		"-poison":                  queue.Days,
	} {
		r.advance(25 * time.Hour) // old hours are looked at once a day
		r.through(func(op faultstore.Operation, do func() error) error {
			if strings.HasSuffix(op.Name, suffix) {
				return errFault
			}
			return do()
		})
		if status, _ := r.post("/Sweep", `{"Data":{},"Metadata":{}}`); status != http.StatusInternalServerError {
			t.Errorf("%s fails: status %d", suffix, status)
		}
		r.through(nil)
		if got := r.take(t, works); len(got) == 0 {
			t.Errorf("%s fails: nothing in %s", suffix, works)
		}
		r.take(t, queue.Landed)
		r.take(t, queue.Days)
	}
}
