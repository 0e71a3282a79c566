package memory

import (
	"context"
	"errors"
	"maps"
	"time"

	"stackusage/agent/stackapi"
	"stackusage/agent/status"
)

// Troubles are the hours or files that failed.
type Troubles[K comparable] struct {
	memory *Memory
	of     map[K]status.Trouble
}

func newTroubles[K comparable](m *Memory, of map[K]status.Trouble) Troubles[K] {
	t := Troubles[K]{m, map[K]status.Trouble{}}
	for key, trouble := range of {
		if trouble != (status.Trouble{}) { // a null in the note
			trouble.Next = time.Time{}
			t.of[key] = trouble
		}
	}
	return t
}

// Failed notes a failure; waiting tells that it is the stack's "not yet" of a young hour.
func (t Troubles[K]) Failed(ctx context.Context, key K, err error, waiting bool) (is status.Trouble) {
	m := t.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.conf.Now().UTC()
	was, known := t.of[key]
	if !known || was.Waiting && !waiting {
		was = status.Trouble{Since: now}
	}
	var asked time.Duration
	if answer := (*stackapi.Error)(nil); errors.As(err, &answer) {
		asked = answer.RetryAfter
	}
	is = status.Trouble{Tries: was.Tries + 1, Since: was.Since, Text: err.Error(), Waiting: waiting}
	is.Next = now.Add(m.conf.Wait(is.Tries, now.Sub(is.Since), asked))
	t.of[key] = is
	m.keep(ctx)
	return is
}

// Fixed forgets a failure.
func (t Troubles[K]) Fixed(ctx context.Context, key K) {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	if _, was := t.of[key]; was {
		delete(t.of, key)
		t.memory.keep(ctx)
	}
}

// All is a copy.
func (t Troubles[K]) All() map[K]status.Trouble {
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	return maps.Clone(t.of)
}

// NextTry is when the first of them is tried again; zero for none.
func (t Troubles[K]) NextTry() (first time.Time) {
	for _, trouble := range t.All() {
		if first.IsZero() || trouble.Next.Before(first) {
			first = trouble.Next
		}
	}
	return first
}

// Fresh orders what is to be done: first what has not failed, in the order given,
// then what is to be tried again. What waits is left out. So what fails never holds
// up the rest.
func Fresh[K comparable, T any](t Troubles[K], all []T, key func(T) K) (todo []T) {
	failing, now := t.All(), t.memory.conf.Now()
	var again []T
	for _, one := range all {
		switch trouble, fails := failing[key(one)]; {
		case !fails:
			todo = append(todo, one)
		case reached(now, trouble.Next):
			again = append(again, one)
		}
	}
	return append(todo, again...)
}

// reached says whether a time has come. One that is further away than any wait was
// noted by a clock that has been set back since.
func reached(now, at time.Time) bool { return !now.Before(at) || at.Sub(now) > maxWait }

const maxWait = 31 * 24 * time.Hour // collect.checkAfter may be 30 days
