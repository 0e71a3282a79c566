// Package storagefaults stands between a program and its storage and makes
// writes go wrong on purpose: an HTTP proxy in front of the storage emulator. It
// knows how requests to Azure Storage look, and nothing of what they mean.
//
//	program --> Proxy --> storage
//	              |
//	            Faults: per kind of write, what happens to the next one
//
// A write can fail in two ways: it is not stored, or it is stored and reported
// as failed. Either happens once, so that the client's own retry meets what the
// first try left, or on every retry, so that what called the client has to deal
// with it. Besides, the program can be killed just before a write or just after.
//
// What happens to the n-th write of a kind follows from the seed, the kind and
// n, however the kinds interleave. Every kind meets every fault first, in an
// order that the seed shuffles, and random ones from then on.
package storagefaults

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
)

// Action is what happens to a write.
type Action string

// What can happen to a write. The zero value lets it pass.
const (
	Pass           Action = ""
	NotStored      Action = "not stored"          // once
	NotStoredEver  Action = "not stored, ever"    // and on every retry
	Unreported     Action = "stored, failed"      // stored, but reported as failed once
	UnreportedEver Action = "stored, failed ever" // and on every retry
	KillBefore     Action = "killed before"       // the program, and nothing is stored
	KillAfter      Action = "killed after"        // the program, once it is stored
)

// Actions lists the faults in the order of reports.
func Actions() []Action {
	return []Action{NotStored, NotStoredEver, Unreported, UnreportedEver, KillBefore, KillAfter}
}

// Counts says what happened to the writes of one kind.
type Counts struct {
	Seen  int // until Stop; retries included
	Given map[Action]int
}

// Faults decides what happens to writes and counts it. Several proxies may share
// one. Safe for concurrent use.
type Faults struct {
	seed  uint64
	light bool

	mu     sync.Mutex
	off    bool
	outage bool
	kinds  map[string]*kind
}

// New makes faults that follow from seed.
func New(seed uint64) *Faults {
	return &Faults{seed: seed, kinds: map[string]*kind{}}
}

// Light makes every kind meet two of the faults only, for a short test. Call it
// before the first write.
func (f *Faults) Light() { f.light = true }

// Stop ends all faults; writes pass from now on.
func (f *Faults) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// Outage makes storage refuse all writes for as long as it is on. They are not
// counted: what one retries, another gives up.
func (f *Faults) Outage(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outage = on
}

func (f *Faults) refuses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outage && !f.off
}

// Counts returns what happened so far, by kind of write ("table X insert").
func (f *Faults) Counts() map[string]Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]Counts, len(f.kinds))
	for name, k := range f.kinds {
		given := make(map[Action]int, len(k.given))
		for a, n := range k.given {
			given[a] = n
		}
		out[name] = Counts{k.seen, given}
	}
	return out
}

// kind is one kind of write.
type kind struct {
	rng   *rand.Rand
	todo  []Action // what is still to happen before chance takes over
	seen  int
	given map[Action]int
}

// Chances of a write that has met every fault, in thousandths.
var chances = []struct {
	action     Action
	thousandth int
}{
	{NotStored, 15}, {NotStoredEver, 6}, {Unreported, 15}, {UnreportedEver, 6}, {KillBefore, 2}, {KillAfter, 2},
}

// newKind plans a kind. What is not stored comes first: such a write has to be
// repeated, and so there is another one for the kill that comes after it. Whether
// more will follow nobody knows.
func (f *Faults) newKind(name string) *kind {
	h := fnv.New64a()
	h.Write([]byte(name))
	k := &kind{rng: rand.New(rand.NewPCG(f.seed, h.Sum64())), given: map[Action]int{}}
	first := []Action{KillBefore, NotStored, NotStoredEver}
	then := []Action{Unreported, UnreportedEver}
	for _, s := range [][]Action{first, then} {
		k.rng.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
	}
	k.todo = append(append(first, KillAfter, Pass), then...)
	if f.light {
		k.todo = []Action{Actions()[k.rng.IntN(3)*2], Actions()[k.rng.IntN(3)*2+1]}
	}
	return k
}

// next draws what happens to the next write of a kind.
func (f *Faults) next(name string) Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off {
		return Pass
	}
	if f.kinds[name] == nil {
		f.kinds[name] = f.newKind(name)
	}
	k := f.kinds[name]
	k.seen++
	if len(k.todo) > 0 {
		a := k.todo[0]
		k.todo = k.todo[1:]
		return a
	}
	n := k.rng.IntN(1000)
	for _, c := range chances {
		if n -= c.thousandth; n < 0 {
			return c.action
		}
	}
	return Pass
}

// given counts what was really done.
func (f *Faults) given(name string, a Action) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds[name].given[a]++
}

// missed takes back what could not be done, as a kill that met no process: it
// is due at the next write.
func (f *Faults) missed(name string, a Action) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.kinds[name]
	k.todo = append([]Action{a}, k.todo...)
}

// style draws how a failure looks: an HTTP status, or 0 for a cut connection.
func (f *Faults) style(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []int{500, 503, 0}[f.kinds[name].rng.IntN(3)]
}
