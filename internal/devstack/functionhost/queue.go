package functionhost

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const (
	messageLease = 10 * time.Minute       // fixed in the real host
	minPolling   = 100 * time.Millisecond // host time
	fastestPoll  = 10 * time.Millisecond  // real time: a scaled clock must not hammer storage

	poisonSuffix = "-poison"
)

// messages is the queue that a listener serves.
type messages interface {
	receive(ctx context.Context, n, seconds int32) ([]*message, error)
	hide(ctx context.Context, m *message, seconds int32) error
	delete(ctx context.Context, m *message) error
}

// poison takes the messages that nobody could process.
type poison interface {
	addCreating(ctx context.Context, text string) error
}

// caller runs one invocation of a function.
type caller interface {
	call(ctx context.Context, fn *function, reason string, body []byte) (*response, error)
}

// queueListener receives from one queue and calls one function.
type queueListener struct {
	fn         *function
	queue      messages
	poison     poison // nil: the queue gets none
	poisonName string
	config     queueConfig
	invoker    caller
	gate       *gate
	clock      *clock
	log        *slog.Logger
	stats      *counters
	now        func() time.Time // as envelopes show it
}

// poisonQueueFor is the name of a queue's poison queue, or "" if it has none.
func poisonQueueFor(name string) string {
	if strings.HasSuffix(name, poisonSuffix) || len(name)+len(poisonSuffix) > 63 {
		return ""
	}
	return name + poisonSuffix
}

// run receives until ctx ends. Messages under way are not waited for: they hold
// the gate, and go on under work.
func (l *queueListener) run(ctx, work context.Context) {
	wait := backoff{max: l.config.maxPolling}
	slots := newSlots()
	for ctx.Err() == nil {
		if err := slots.atMost(ctx, l.config.newBatchThreshold); err != nil {
			return
		}
		batch, err := l.queue.receive(ctx, int32(l.config.batchSize), l.clock.seconds(messageLease))
		if err != nil && ctx.Err() == nil {
			// A queue that does not exist yet is nothing unusual.
			level := slog.LevelWarn
			if leaseLost(err) {
				level = slog.LevelDebug
			}
			l.log.Log(ctx, level, "receive messages", "function", l.fn.name, "error", err)
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
func (l *queueListener) process(ctx context.Context, m *message) {
	log := l.log.With("function", l.fn.name, "message", m.id, "dequeueCount", m.count)
	if m.count > l.config.maxDequeueCount {
		l.toPoison(ctx, log, m)
		return
	}
	body, err := l.body(m)
	if err != nil {
		log.Error("Message decoding has failed! Check MessageEncoding settings.", "error", err)
		l.stats.update(l.fn, func(s *FunctionStats) { s.Undecodable++ })
		l.toPoison(ctx, log, m)
		return
	}
	stop := l.keepLease(ctx, log, m)
	_, err = l.invoker.call(ctx, l.fn, "New queue message detected.", body)
	stop()
	switch {
	case errors.Is(err, errHostEnded):
	case err == nil:
		l.settle(log, "delete message", l.queue.delete(ctx, m))
	case l.poison == nil:
		// Releasing it would make a fast endless loop.
	case m.count >= l.config.maxDequeueCount:
		log.Warn("Message has reached MaxDequeueCount. Moving message to queue '"+l.poisonName+"'.", "maxDequeueCount", l.config.maxDequeueCount)
		l.toPoison(ctx, log, m)
	default:
		l.settle(log, "release message", l.queue.hide(ctx, m, l.clock.seconds(l.config.visibilityTimeout)))
	}
}

// body is the envelope of a message, or an error if its text is not base64.
func (l *queueListener) body(m *message) ([]byte, error) {
	content := []byte(m.text)
	if l.config.base64 {
		var err error
		if content, err = decodeBase64(m.text); err != nil {
			return nil, err
		}
	}
	return queueEnvelope(l.fn, content, m, l.now()), nil
}

func (l *queueListener) toPoison(ctx context.Context, log *slog.Logger, m *message) {
	if l.poison == nil {
		return
	}
	if err := l.poison.addCreating(ctx, m.text); err != nil {
		log.Error("move message to poison queue", "error", err)
		return
	}
	l.stats.update(l.fn, func(s *FunctionStats) { s.Poisoned++ })
	l.settle(log, "delete message", l.queue.delete(ctx, m))
}

// settle notes the outcome of the last operation on a message. A lost lease
// means that somebody else has the message, so it will be seen twice.
func (l *queueListener) settle(log *slog.Logger, what string, err error) {
	switch {
	case err == nil:
	case leaseLost(err):
		log.Debug(what, "error", err)
	default:
		log.Error(what, "error", err)
	}
}

// keepLease renews the lease on m at half time until stop is called. Stop
// returns once nobody else uses m.
func (l *queueListener) keepLease(ctx context.Context, log *slog.Logger, m *message) (stop func()) {
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
			err := l.queue.hide(renew, m, seconds)
			done()
			pause = half
			if err != nil {
				if leaseLost(err) {
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
	d := minPolling
	if b.exponent > 0 {
		percent := time.Duration(80 + rand.IntN(41))
		d += minPolling << (b.exponent - 1) * percent / 100
	}
	b.exponent++
	b.current = min(d, b.max)
	return b.current
}
