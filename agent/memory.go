package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// memoryNote keeps the memory for agents that are started anew for each round.
const memoryNote = "memory.json"

// memory is what an agent knows of hours and files beside what the spool shows: what
// failed and when it is tried again, how the stack is asked, and which hours are
// asked for once more. Without it nothing is lost; what failed is tried at once.
type memory struct {
	mu sync.Mutex

	Hours  map[usage.Hour]*status.Trouble `json:"hours,omitempty"`  // due, and not collected
	Files  map[string]*status.Trouble     `json:"files,omitempty"`  // sealed, and not stored
	Parts  *parts                         `json:"parts,omitempty"`  // nil: the stack is asked for all subscribers at once
	Checks map[usage.Hour]*check          `json:"checks,omitempty"` // collected, and to be asked for once more

	kept   time.Time // when the note was written
	unkept bool      // there is more than it has
}

// again is the wait after the n-th failure in a row: doubled for each one, less up
// to half by chance, at least what was asked for. What has failed for days is tried
// a few times a day.
func (s Settings) again(n int, failing, asked time.Duration) time.Duration {
	d, most := s.pause(), max(s.interval(), min(24*time.Hour, failing/4))
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	d -= rand.N(d/2 + 1)
	return max(d, min(asked, most))
}

// failed notes a failure in one of the memory's maps.
func failed[K comparable](a *Agent, ctx context.Context, of *map[K]*status.Trouble, key K, err error, waiting bool) status.Trouble {
	a.memory.mu.Lock()
	t := (*of)[key]
	now := a.Now().UTC()
	if t == nil || t.Waiting && !waiting {
		t = &status.Trouble{Since: now}
	}
	t.Tries++
	t.Text, t.Waiting = err.Error(), waiting
	var asked time.Duration
	if answer := (*stackapi.Error)(nil); errors.As(err, &answer) {
		asked = answer.RetryAfter
	}
	t.Next = now.Add(a.Settings.again(t.Tries, now.Sub(t.Since), asked))
	if *of == nil {
		*of = map[K]*status.Trouble{}
	}
	(*of)[key] = t
	is := *t
	a.memory.mu.Unlock()
	a.keepMemory(ctx)
	return is
}

// mended forgets a failure.
func mended[K comparable](a *Agent, ctx context.Context, of map[K]*status.Trouble, key K) {
	a.memory.mu.Lock()
	_, was := of[key]
	delete(of, key)
	a.memory.mu.Unlock()
	if was {
		a.keepMemory(ctx)
	}
}

// reached says whether a time has come. One that is further away than any wait was
// noted by a clock that has been set back since.
func reached(now, at time.Time) bool { return !now.Before(at) || at.Sub(now) > maxWait }

const maxWait = 31 * 24 * time.Hour // collect.checkAfter may be 30 days

// fresh orders what is to be done: first what has not failed, in the order given,
// then what is to be tried again. What waits is left out. So what fails never holds
// up the rest.
func fresh[K comparable, T any](a *Agent, all []T, of map[K]*status.Trouble, key func(T) K) (todo []T) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	var again []T
	for _, one := range all {
		switch t := of[key(one)]; {
		case t == nil:
			todo = append(todo, one)
		case reached(a.Now(), t.Next):
			again = append(again, one)
		}
	}
	return append(todo, again...)
}

// nextTry is when the first of them is tried again; zero for none.
func nextTry[K comparable](a *Agent, of map[K]*status.Trouble) (first time.Time) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	for _, t := range of {
		if first.IsZero() || t.Next.Before(first) {
			first = t.Next
		}
	}
	return first
}

func (a *Agent) keepMemory(ctx context.Context) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	a.memory.kept, a.memory.unkept = time.Now(), !a.keepNote(ctx, memoryNote, &a.memory)
}

// keepEvery is how often the memory is written for what a kill may take: while an
// agent catches up with years, it would be most of the work.
const keepEvery = 5 * time.Second

// keepMemorySoon is keepMemory now and then; always is for the end of a round.
func (a *Agent) keepMemorySoon(ctx context.Context, changed, always bool) {
	a.memory.mu.Lock()
	a.memory.unkept = a.memory.unkept || changed
	due := a.memory.unkept && (always || time.Since(a.memory.kept) > keepEvery)
	a.memory.mu.Unlock()
	if due {
		a.keepMemory(ctx)
	}
}

// recallMemory reads what an earlier run kept, and lets all that failed be tried at
// once, as whoever starts an agent may have mended something. Hours before the first
// one are forgotten: the configuration does not want them any more.
func (a *Agent) recallMemory(ctx context.Context) {
	a.recallNote(ctx, memoryNote, &a.memory)
	old := func(h usage.Hour, _ *status.Trouble) bool { return h < a.Settings.First }
	maps.DeleteFunc(a.memory.Hours, old)
	maps.DeleteFunc(a.memory.Hours, func(_ usage.Hour, t *status.Trouble) bool { return t == nil })
	maps.DeleteFunc(a.memory.Files, func(_ string, t *status.Trouble) bool { return t == nil })
	maps.DeleteFunc(a.memory.Checks, func(_ usage.Hour, c *check) bool { return c == nil })
	for _, t := range slices.Concat(slices.Collect(maps.Values(a.memory.Hours)), slices.Collect(maps.Values(a.memory.Files))) {
		t.Next = time.Time{}
	}
	a.offerAll = true
}

// oldNotReady is from which age on "not yet" is no answer: a stack that does not tell
// the current UTC day tells an hour after a day at the latest.
const oldNotReady = 48 * time.Hour

// hourFailed notes that an hour was not collected, and why. That the stack does not
// tell a young hour yet is no failure.
func (a *Agent) hourFailed(ctx context.Context, h usage.Hour, err error) (failure error) {
	waiting := errors.Is(err, stackapi.ErrNotReady) && a.Now().Sub(h.End()) < oldNotReady
	t := failed(a, ctx, &a.memory.Hours, h, err, waiting)
	at := []any{slog.String("hour", h.String()), slog.String("error", err.Error()), slog.Int("tries", t.Tries), slog.Time("nextTry", t.Next)}
	if waiting {
		a.Log.InfoContext(ctx, "the stack does not tell the hour yet", at...)
		return nil
	}
	a.Log.ErrorContext(ctx, "an hour cannot be collected, the others go on", at...)
	return fmt.Errorf("hour %s: %w", h, err)
}

// parts says that the stack is asked subscriber by subscriber, as it is too slow to
// answer for all at once.
type parts struct {
	Since  time.Time `json:"since"`
	Probed time.Time `json:"probed"` // when it was last asked for all
}

// probeEvery is how long a stack that is too slow is not asked for all at once.
const probeEvery = 24 * time.Hour

// inParts says whether the stack is asked subscriber by subscriber now.
func (a *Agent) inParts() bool {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	p := a.memory.Parts
	return p != nil && a.Now().Sub(p.Probed).Abs() < probeEvery
}

// probed notes that a stack that was too slow for all at once still is.
func (a *Agent) probed(ctx context.Context) {
	a.memory.mu.Lock()
	was := a.memory.Parts != nil
	a.memory.mu.Unlock()
	if was {
		a.setParts(ctx, true)
	}
}

// setParts notes how the stack has answered.
func (a *Agent) setParts(ctx context.Context, inParts bool) {
	a.memory.mu.Lock()
	was, now := a.memory.Parts, a.Now().UTC()
	if inParts {
		a.memory.Parts = &parts{Since: now, Probed: now}
		if was != nil {
			a.memory.Parts.Since = was.Since
		}
	} else {
		a.memory.Parts = nil
	}
	a.memory.mu.Unlock()
	switch {
	case inParts && was == nil:
		a.Log.WarnContext(ctx, "the stack is asked subscriber by subscriber from now on, and once a day for all at once", slog.Duration("every", probeEvery))
	case !inParts && was != nil:
		a.Log.InfoContext(ctx, "the stack answers for all subscribers at once again; the hours since are checked", slog.Time("since", was.Since))
	}
	if inParts || was != nil {
		a.keepMemory(ctx)
	}
}

// soonest is the earlier of two times of which either may be zero for never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return cmp.Or(a, b)
	}
	if b.Before(a) {
		return b
	}
	return a
}
