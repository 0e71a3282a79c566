package functionhost_test

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestQueueLease(t *testing.T) {
	t.Parallel()

	t.Run("the lease is renewed while a function runs long", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("-1", ""), "F": onQueue("work", "")})
		r.opts.TimeScale = 150 // a lease of four seconds
		r.send("work", b64("sleep:6s"))
		r.start()
		if got := r.finished("F", 1); got.Succeeded != 1 || got.Invocations != 1 {
			t.Errorf("%+v", got)
		}
		r.eventually("an empty queue", func() bool { return r.left("work") == 0 })
		if n := len(r.requests()); n != 1 {
			t.Errorf("called %d times", n)
		}
	})
	t.Run("when the host dies the lease passes and the message comes again", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("-1", ""), "F": onQueue("work", "")})
		r.opts.TimeScale = 150 // a lease of four seconds
		r.send("work", b64("sleep:3s"))
		r.start()
		r.eventually("the first call", func() bool { return len(r.requests()) == 1 })
		r.KillHost()
		died := time.Now()
		r.start()
		if got := r.finished("F", 1); got.Succeeded != 1 {
			t.Errorf("%+v", got)
		}
		if got := r.dequeueCounts(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("dequeue counts of the calls: %v", got)
		}
		if back := r.requests()[1].At.Sub(died); back < 500*time.Millisecond {
			t.Errorf("the message was back after %v, within its lease", back)
		}
	})
	t.Run("a crash of the handler releases its messages at once", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", ""), "F": onQueue("work", "")})
		r.send("work", b64("sleep:2s"))
		r.start()
		r.eventually("the first call", func() bool { return len(r.requests()) == 1 })
		r.KillHandler()
		r.eventually("the second call", func() bool { return len(r.requests()) == 2 })
		if got := r.dequeueCounts(); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("dequeue counts of the calls: %v", got)
		}
	})
	t.Run("a message that was taken away is no error", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", ""), "F": onQueue("work", "")})
		r.send("work", b64("sleep:500ms"))
		r.start()
		r.eventually("the call", func() bool { return len(r.requests()) == 1 })
		_, err := r.queue("work").ClearMessages(context.Background(), nil)
		must(t, err)
		r.finished("F", 1)
		must(t, r.Stop(context.Background()))
		record := r.log.find("delete message")
		if record == nil || record["level"] != "DEBUG" {
			t.Errorf("log record %v", record)
		}
	})
}
