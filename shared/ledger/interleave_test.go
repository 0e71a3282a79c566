package ledger_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/shared/ledger"
)

// errCrash ends an actor where a killed process would end.
var errCrash = errors.New("the process was killed")

// actor is one invocation, in a goroutine of its own that stops before each
// storage request until the scheduler lets it go on.
type actor struct {
	work    func(ctx context.Context) error
	crashes int  // how often it may still crash
	repeats int  // how often its message may still come
	closes  bool // a closer: its message comes again also after a success
	ready   bool // waits before a request, or before it begins

	step  chan order
	state chan bool // true: stopped before a request; false: ended
}

type order int

const (
	proceed order = iota
	crashBefore
	crashAfter // the request is sent, and nobody learns the answer
)

type actorKey struct{}

// stopAtRequests is the policy by which actors stop.
func stopAtRequests(req *policy.Request) (*http.Response, error) {
	a, ours := req.Raw().Context().Value(actorKey{}).(*actor)
	if !ours {
		return req.Next()
	}
	a.state <- true
	switch <-a.step {
	case crashBefore:
		return nil, errCrash
	case crashAfter:
		if _, err := req.Next(); err != nil {
			return nil, err
		}
		return nil, errCrash
	}
	return req.Next()
}

// begin starts the actor's work and waits for its first stop.
func (a *actor) begin(t testing.TB) {
	go func() {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), actorKey{}, a))
		defer cancel()
		if err := a.work(ctx); err != nil && !errors.Is(err, errCrash) && !errors.Is(err, ledger.ErrOtherCloser) {
			t.Error(err)
		}
		a.state <- false
	}()
	a.ready = <-a.state
}

// play runs actors request by request in random order, each with one crash at
// most, until all have ended.
func play(t *testing.T, random *rand.Rand, actors []*actor) {
	t.Helper()
	calm := 7 + 20*random.IntN(2) // some walks crash often, some seldom
	for _, a := range actors {
		a.crashes, a.step, a.state = 1, make(chan order), make(chan bool)
	}
	for _, a := range actors {
		a.begin(t)
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
		o, crashed := proceed, false
		if a.crashes > 0 && random.IntN(calm) == 0 {
			a.crashes--
			o, crashed = crashBefore+order(random.IntN(2)), true
		}
		a.step <- o
		a.ready = <-a.state
		for crashed && a.ready { // a killed process sends nothing more
			a.step <- crashBefore
			a.ready = <-a.state
		}
		if !a.ready && a.repeats > 0 && (crashed || a.closes) {
			a.repeats--
			a.begin(t)
		}
	}
}
