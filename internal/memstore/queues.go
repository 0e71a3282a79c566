package memstore

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Queues holds messages as the Functions host reads them: base64.
type Queues struct {
	mu     sync.Mutex
	queues map[string][]*queued // a queue that exists is not nil
}

// queued is a message; nobody else sees it before its time.
type queued struct {
	raw     string
	visible time.Time
}

// NewQueues makes a store without queues.
func NewQueues() *Queues { return &Queues{queues: map[string][]*queued{}} }

// Create makes the queues that do not exist.
func (q *Queues) Create(ctx context.Context, names ...string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		if q.queues[name] == nil {
			q.queues[name] = []*queued{}
		}
	}
	return ctx.Err()
}

// Enqueue puts a message on a queue, visible after delay (whole seconds).
func (q *Queues) Enqueue(ctx context.Context, queue, text string, delay time.Duration) error {
	return q.put(ctx, queue, base64.StdEncoding.EncodeToString([]byte(text)), delay)
}

// PutRaw puts a message on a queue as it is, like others than the app do.
func (q *Queues) PutRaw(ctx context.Context, queue, raw string) error {
	return q.put(ctx, queue, raw, 0)
}

func (q *Queues) put(ctx context.Context, queue, raw string, delay time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queues[queue] == nil {
		return fmt.Errorf("enqueue on %s: no such queue", queue)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.queues[queue] = append(q.queues[queue], &queued{raw, time.Now().Add(delay.Truncate(time.Second))})
	return nil
}

// Clear deletes all messages of a queue, hidden ones too.
func (q *Queues) Clear(ctx context.Context, queue string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queues[queue] = []*queued{}
	return ctx.Err()
}

// Depth is how many messages a queue holds, hidden ones too; 0 if there is no queue.
func (q *Queues) Depth(ctx context.Context, queue string) (int64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(len(q.queues[queue])), ctx.Err()
}

// Drain takes so many messages at a time and hides them from others for so long.
const (
	drainBatch = 8
	drainLease = 10 * time.Second
)

// Drain hands the text of each visible message of a queue to take and deletes the
// message when take returns nil. A missing queue is empty.
func (q *Queues) Drain(ctx context.Context, queue string, take func(text string) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		leased := q.lease(queue)
		if len(leased) == 0 {
			return nil
		}
		for _, m := range leased {
			text := m.raw
			if plain, err := base64.StdEncoding.DecodeString(text); err == nil && utf8.Valid(plain) {
				text = string(plain)
			}
			if err := take(text); err != nil {
				return err
			}
			q.mu.Lock()
			q.queues[queue] = slices.DeleteFunc(q.queues[queue], func(other *queued) bool { return other == m })
			q.mu.Unlock()
		}
	}
}

func (q *Queues) lease(queue string) (leased []*queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, m := range q.queues[queue] {
		if len(leased) < drainBatch && !now.Before(m.visible) {
			m.visible = now.Add(drainLease)
			leased = append(leased, m)
		}
	}
	return leased
}
