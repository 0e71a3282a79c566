package functionhost

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
	"stackusage/internal/devstack/functionhost/storage"
)

const (
	messageLease = 10 * time.Minute      // fixed in the real host
	fastestPoll  = 10 * time.Millisecond // real time: a scaled clock must not hammer storage

	poisonSuffix = "-poison"
)

// queueListener receives from one queue and calls one function.
type queueListener struct {
	fn       *app.Function
	queue    *storage.Queue
	poison   *storage.Queue // takes the messages that nobody could process
	config   app.Queues
	call     func(ctx context.Context, fn *app.Function, reason string, body []byte) error
	envelope func(fn *app.Function) envelope.Call
	gate     *gate
	clock    *clock
	log      *slog.Logger
	stats    *counters
}

// run receives until ctx ends. Messages under way are not waited for: they hold
// the gate, and go on under work.
func (l *queueListener) run(ctx, work context.Context) {
	wait := backoff{max: l.config.MaxPolling}
	slots := newSlots()
	for ctx.Err() == nil {
		if err := slots.atMost(ctx, l.config.NewBatchThreshold); err != nil {
			return
		}
		batch, err := l.queue.Receive(ctx, int32(l.config.BatchSize), l.clock.seconds(messageLease))
		if err != nil && ctx.Err() == nil {
			// A queue that does not exist yet is nothing unusual.
			level := slog.LevelWarn
			if storage.LeaseLost(err) {
				level = slog.LevelDebug
			}
			l.log.Log(ctx, level, "receive messages", "function", l.fn.Name, "error", err)
		}
		if len(batch) == 0 {
			pause := max(l.clock.real(wait.next()), fastestPoll)
			if err := sleep(ctx, pause); err != nil {
				return
			}
			continue
		}
		wait.reset()
		for _, m := range batch {
			if !l.gate.enter() {
				return // the host drains; the rest keep their lease
			}
			slots.add(1)
			go func() {
				defer l.gate.leave()
				defer slots.add(-1)
				l.process(work, m)
			}()
		}
	}
}

// process takes one message to its end: deleted, released or poisoned. If the
// host ends in between, the message keeps its lease and comes back after it.
func (l *queueListener) process(ctx context.Context, m *storage.Message) {
	log := l.log.With("function", l.fn.Name, "message", m.ID, "dequeueCount", m.Count)
	if m.Count > l.config.MaxDequeueCount {
		l.toPoison(ctx, log, m)
		return
	}
	content, err := base64.StdEncoding.DecodeString(spaces.Replace(m.Text))
	if err != nil {
		log.Error("Message decoding has failed! Check MessageEncoding settings.", "error", err)
		l.stats.update(l.fn, func(s *FunctionStats) { s.Undecodable++ })
		l.toPoison(ctx, log, m)
		return
	}
	stop := l.keepLease(ctx, log, m)
	err = l.call(ctx, l.fn, "New queue message detected.", l.envelope(l.fn).Queue(content, m.Message))
	stop()
	switch {
	case errors.Is(err, errHostEnded):
	case err == nil:
		l.settle(log, "delete message", l.queue.Delete(ctx, m))
	case m.Count >= l.config.MaxDequeueCount:
		log.Warn("Message has reached MaxDequeueCount. Moving message to queue '"+l.fn.Trigger.QueueName+poisonSuffix+"'.", "maxDequeueCount", l.config.MaxDequeueCount)
		l.toPoison(ctx, log, m)
	default:
		l.settle(log, "release message", l.queue.Hide(ctx, m, l.clock.seconds(l.config.VisibilityTimeout)))
	}
}

// spaces are what Convert.FromBase64String passes over.
var spaces = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "")

func (l *queueListener) toPoison(ctx context.Context, log *slog.Logger, m *storage.Message) {
	if err := l.poison.AddCreating(ctx, m.Text); err != nil {
		log.Error("move message to poison queue", "error", err)
		return
	}
	l.stats.update(l.fn, func(s *FunctionStats) { s.Poisoned++ })
	l.settle(log, "delete message", l.queue.Delete(ctx, m))
}

// settle notes the outcome of the last operation on a message. A lost lease
// means that somebody else has the message, so it will be seen twice.
func (l *queueListener) settle(log *slog.Logger, what string, err error) {
	switch {
	case err == nil:
	case storage.LeaseLost(err):
		log.Debug(what, "error", err)
	default:
		log.Error(what, "error", err)
	}
}

// keepLease renews the lease on m at half time until stop is called. Stop
// returns once nobody else uses m.
func (l *queueListener) keepLease(ctx context.Context, log *slog.Logger, m *storage.Message) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	seconds := l.clock.seconds(messageLease)
	half := time.Duration(seconds) * time.Second / 2
	var wg sync.WaitGroup
	wg.Go(func() {
		pause := half
		for sleep(ctx, pause) == nil {
			// Not under ctx: a renewal that is cut off would leave us with a receipt
			// that may or may not hold.
			renew, done := context.WithTimeout(context.WithoutCancel(ctx), half)
			err := l.queue.Hide(renew, m, seconds)
			done()
			pause = half
			if err != nil {
				if storage.LeaseLost(err) {
					log.Debug("renew lease", "error", err)
					return
				}
				log.Warn("renew lease", "error", err)
				pause = half / 4
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// backoff is the host's wait between polls that found nothing: from the minimum
// up to max, doubling, a fifth more or less at random.
type backoff struct {
	max      time.Duration
	current  time.Duration
	exponent int
}

func (b *backoff) reset() { b.exponent, b.current = 0, 0 }

func (b *backoff) next() time.Duration {
	if b.current == b.max {
		return b.max
	}
	d := app.MinPolling
	if b.exponent > 0 {
		percent := time.Duration(80 + rand.IntN(41))
		d += app.MinPolling << (b.exponent - 1) * percent / 100
	}
	b.exponent++
	b.current = min(d, b.max)
	return b.current
}
