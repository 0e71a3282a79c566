package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/shared/azurestore"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
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

// closeOnce is what CloseDay does with the ledger, once.
func closeOnce(l *ledger.Ledger, cloudID string, d usage.Day) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := l.BeginClose(ctx, cloudID, d)
		if errors.Is(err, ledger.ErrNotOpen) {
			return nil
		} else if err != nil {
			return err
		}
		if c.Last == nil && len(c.Counted) > 0 {
			if err := state(ctx, l, c); err != nil {
				return err
			}
		}
		_, err = l.FinishClose(ctx, c)
		return err
	}
}

// TestInterleavings runs two hours' commits and two closers of one usage day
// request by request in random order, with crashes before and after requests.
// Whatever happens, at rest no hour that counts is in no revision unless its
// day is still open: the next closer finds it.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	seeds := uint64(120)
	if testing.Short() {
		seeds = 20
	}
	plain, connection := open(t)
	l := reopen(t, connection, azurestore.Through(policyFunc(stopAtRequests)), azurestore.WithoutRetries())
	seen := map[string]int{}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			id := cloud(int(seed))
			random := rand.New(rand.NewPCG(seed, 0))
			play(t, random, hoursAndClosers(t, random, l, id))
			seen[checkAtRest(t, plain, id)]++
			// The next closer: what was left over by crashes is taken up.
			ok(t, closeOnce(plain, id, day(t, "20191210"))(context.Background()))
			seen["then "+checkAtRest(t, plain, id)]++
		})
	}
	// The random walks must reach the states that the invariant is about.
	for _, end := range []string{"closed", "open: hours came after the revision", "then closed", "then open: hours came after the revision"} {
		if seen[end] == 0 && !testing.Short() {
			t.Errorf("no walk ended %q: %v", end, seen)
		}
	}
	t.Log(seen)
}

// hoursAndClosers are two hours' commits and two closers of their usage day.
func hoursAndClosers(t *testing.T, random *rand.Rand, l *ledger.Ledger, cloudID string) []*actor {
	t.Helper()
	d := day(t, "20191210")
	var actors []*actor
	for i, compact := range []string{"2019121019", "2019121020"} {
		id, h := blobOf(cloudID, hour(t, compact), fmt.Sprintf("%016x", i))
		// After a crash the message comes again, or never.
		actors = append(actors, &actor{repeats: random.IntN(2), work: func(ctx context.Context) error {
			_, err := commit(ctx, l, id, h, d)
			return err
		}})
	}
	for range 2 {
		actors = append(actors, &actor{closes: true, repeats: 2, work: closeOnce(l, cloudID, d)})
	}
	return actors
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

// checkAtRest checks the invariant and says in what state the day is.
func checkAtRest(t *testing.T, l *ledger.Ledger, cloudID string) string {
	t.Helper()
	ctx := context.Background()
	d := day(t, "20191210")
	stated := ""
	for row, err := range l.Store.List(ctx, table.UsageDays, cloudID, "", "") {
		ok(t, err)
		if row.Key != "20191210_0001" {
			t.Errorf("the day has a revision %s", row.Key)
		}
		stated = row.Props["inputs"].(string)
	}
	counts, left := 0, 0
	for _, compact := range []string{"2019121019", "2019121020"} {
		h, err := l.CountedHour(ctx, ledger.HourID{CloudID: cloudID, Hour: hour(t, compact)})
		if errors.Is(err, table.ErrNotFound) {
			continue
		}
		ok(t, err)
		counts++
		if !strings.Contains(stated, compact+"_"+h.Counts) {
			left++
		}
	}
	open := marked(t, l, cloudID, d.Compact())
	switch {
	case strings.Count(stated, "_") > counts-left:
		t.Errorf("the revision states %s, of which %d count", stated, counts-left)
	case left > 0 && !open:
		t.Errorf("%d hours count, are in no revision, and their day is closed", left)
	case left > 0 && stated != "":
		// This test states days once: the day waits for its next revision.
		if c, err := l.BeginClose(ctx, cloudID, d); err != nil || c.States() {
			t.Errorf("the day looks stated: %+v, %v", c, err)
		}
		return "open: hours came after the revision"
	case open && stated != "":
		return "open: an input is undecided, or nobody looked"
	case open:
		return "open: not stated"
	case stated == "":
		return "untouched"
	}
	return "closed"
}
