package handlers_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stackusage/internal/faultstore"
)

// errKilled ends an actor where a killed process would end.
var errKilled = errors.New("the process was killed")

// actor is an invocation of the app, or a command of an operator, in a goroutine of
// its own that stops before each storage request until the scheduler lets it go on.
type actor struct {
	work    func(ctx context.Context)
	crashes int  // how often it may still be killed
	repeats int  // how often its message may still come
	again   bool // its message comes again also after a success
	ready   bool // waits before a request

	step  chan order
	state chan bool // true: stopped before a request; false: ended
}

type order int

const (
	proceed order = iota
	killBefore
	killAfter // the request is sent, and nobody learns the answer
)

type actorKey struct{}

// stopAtRequests is the hook by which actors stop.
func stopAtRequests(op faultstore.Operation, do func() error) error {
	a, ours := op.Context.Value(actorKey{}).(*actor)
	if !ours {
		return do()
	}
	a.state <- true
	switch <-a.step {
	case killBefore:
		return errKilled
	case killAfter:
		_ = do()
		return errKilled
	}
	return do()
}

// begin starts the actor's work and waits for its first stop.
func (a *actor) begin() {
	go func() {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), actorKey{}, a))
		defer cancel()
		a.work(ctx)
		a.state <- false
	}()
	a.ready = <-a.state
}

// invokes is an invocation of a function by a message, as the host makes it.
func (r *rig) invokes(function, message string) func(ctx context.Context) {
	return func(ctx context.Context) {
		req := httptest.NewRequest(http.MethodPost, "/"+function, strings.NewReader(envelopeOf(message))).WithContext(ctx)
		r.router.ServeHTTP(httptest.NewRecorder(), req)
	}
}

// play runs actors request by request in random order, each killed at most once,
// until all have ended.
func play(random *rand.Rand, actors []*actor) {
	calm := 15 + 40*random.IntN(2) // some walks kill often, some seldom
	for _, a := range actors {
		a.crashes, a.step, a.state = 1, make(chan order), make(chan bool)
	}
	for _, a := range actors {
		a.begin()
	}
	for {
		var able []*actor
		for _, a := range actors {
			if a.ready {
				able = append(able, a)
			}
		}
		if len(able) == 0 {
			return
		}
		a := able[random.IntN(len(able))]
		o, killed := proceed, false
		if a.crashes > 0 && random.IntN(calm) == 0 {
			a.crashes--
			o, killed = killBefore+order(random.IntN(2)), true
		}
		a.step <- o
		a.ready = <-a.state
		for killed && a.ready { // a killed process sends nothing more
			a.step <- killBefore
			a.ready = <-a.state
		}
		if !a.ready && a.repeats > 0 && (killed || a.again) {
			a.repeats--
			a.begin()
		}
	}
}

// closers are invocations of CloseDay whose messages come again.
func (r *rig) closers(messages ...string) (actors []*actor) {
	for _, message := range messages {
		actors = append(actors, &actor{again: true, repeats: 2, work: r.invokes("CloseDay", message)})
	}
	return actors
}

// once is a command or an invocation, which is repeated only if it was killed.
func once(work func(ctx context.Context)) *actor { return &actor{repeats: 1, work: work} }

// unexpected fails on an error that no race explains.
func unexpected(t *testing.T, err error, expected ...error) {
	t.Helper()
	for _, e := range append(expected, errKilled) {
		if errors.Is(err, e) {
			return
		}
	}
	if err != nil {
		t.Error(err)
	}
}
