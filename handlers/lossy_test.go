package handlers_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"stackusage/shared/sweep"
)

// message is what makes a queue message a distinct one. The same text means
// something else in another part of a scene, and when it is to come later.
type message struct {
	part        int
	queue, text string
	later       bool
}

// lossy is queues that lose the first of each distinct message: it is reported
// as sent and is nowhere. Others wait their delay by the app's clock.
type lossy struct {
	sweep.Queues
	rig *rig

	honest bool // loses none

	lock    sync.Mutex
	part    int
	offered map[message]int
	dropped map[message]int
	waiting map[message]time.Time // sent with a delay, until when
}

func newLossy(r *rig) *lossy {
	l := &lossy{Queues: r.Queues, rig: r, offered: map[message]int{}, dropped: map[message]int{}, waiting: map[message]time.Time{}}
	r.Queues = l
	return l
}

func (l *lossy) Enqueue(ctx context.Context, queue, text string, delay time.Duration) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	m := message{l.part, queue, text, delay > 0}
	if l.offered[m]++; l.offered[m] == 1 && !l.honest {
		l.dropped[m]++
		return nil
	}
	if delay > 0 {
		l.waiting[m] = l.rig.Now().Add(delay)
		return nil
	}
	return l.Queues.Enqueue(ctx, queue, text, 0)
}

// release puts the messages whose time has come on their queues.
func (l *lossy) release(t *testing.T) {
	t.Helper()
	l.lock.Lock()
	defer l.lock.Unlock()
	for m, until := range l.waiting {
		if !l.rig.Now().Before(until) {
			delete(l.waiting, m)
			ok(t, l.Queues.Enqueue(t.Context(), m.queue, m.text, 0))
		}
	}
}
