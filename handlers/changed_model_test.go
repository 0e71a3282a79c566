package handlers_test

import "testing"

// The model of how a recorded change of a registration reaches a closed day. It
// explores every interleaving of an operator who records two changes, closers, runs
// of Sweep and a late hour, with a crash at each step, in the order of their reads
// and writes:
//
//	CloseDay  registration -> mark -> last revision -> insert revision (number taken: begin anew) -> mark goes, if it is the one read
//	Sweep     registration -> last revision -> request into the mark, unless one waits there
//
// What it proves: when all of them have come to rest, and Sweep has run until it
// asks for nothing, the day is settled by the last change.

type changedCloser struct {
	at        int8 // 0: not begun
	version   int8 // of the registration that it read
	revisions int8 // that it saw
	asked     bool // a request waits for an answer, as it saw the mark
	same      bool // the mark is the one that it read
	mayCrash  bool
}

type changedSweep struct {
	at       int8
	version  int8
	change   int8 // that the last revision was settled by
	closed   bool
	mayCrash bool
}

type changedDay struct {
	version   int8 // changes that are recorded
	revisions int8
	settled   int8 // the change that the last revision was settled by
	change    int8 // the number that it records: all that Sweep sees
	open      bool
	asked     bool // a request of scope `registration` that no revision has answered
	late      bool // the late hour is still to come
	closers   [2]changedCloser
	sweeps    [2]changedSweep
}

const ended = 99

// changedVariant leaves out one thing that the proof needs.
type changedVariant string

const (
	changedAsItIs   changedVariant = ""
	numberOfNow     changedVariant = "a closer records the number of now, not of the registration that it read"
	sweepAsksOnce   changedVariant = "who records a change asks, and Sweep does not look at the number"
	everythingStays changedVariant = "a request does not have the registration's part settled anew"
)

func (s *changedDay) touch(change func()) {
	change()
	s.open = true
	for i := range s.closers {
		s.closers[i].same = false
	}
}

func (s changedDay) steps(v changedVariant, each func(changedDay)) {
	if s.version < 3 {
		t := s
		t.version++
		if v == sweepAsksOnce && t.revisions > 0 {
			t.touch(func() { t.asked = true })
		}
		each(t)
	}
	if s.late {
		t := s
		t.late = false
		t.touch(func() {})
		each(t)
	}
	for i := range s.closers {
		s.closerStep(v, i, each)
	}
	if v != sweepAsksOnce {
		for i := range s.sweeps {
			s.sweepStep(i, each)
		}
	}
}

func (s changedDay) closerStep(v changedVariant, i int, each func(changedDay)) {
	t := s
	c := &t.closers[i]
	switch c.at {
	case 0:
		c.version = s.version
	case 1:
		if !s.open {
			c.at = ended
			each(t)
			return
		}
		c.asked, c.same = s.asked, true
	case 2:
		c.revisions = s.revisions
	case 3:
		if s.revisions != c.revisions {
			c.at = 0
			each(t)
			return
		}
		t.revisions++
		if s.revisions == 0 || c.asked && v != everythingStays {
			t.settled, t.change = c.version, c.version
			if v == numberOfNow {
				t.change = s.version
			}
		}
		if c.asked {
			t.asked = false
		}
	case 4:
		if c.same && !s.asked {
			t.open = false
		}
		c.at = ended
		each(t)
		return
	default:
		return
	}
	c.at++
	each(t)
	if c.mayCrash {
		t = s
		t.closers[i] = changedCloser{} // its message comes again
		each(t)
	}
}

func (s changedDay) sweepStep(i int, each func(changedDay)) {
	t := s
	w := &t.sweeps[i]
	switch w.at {
	case 0:
		w.version = s.version
	case 1:
		w.closed, w.change = s.revisions > 0, s.change
	case 2:
		if w.closed && w.change < w.version && !s.asked {
			t.touch(func() { t.asked = true })
		}
		w.at = ended
		each(t)
		return
	default:
		return
	}
	w.at++
	each(t)
	if w.mayCrash {
		t = s
		t.sweeps[i].at = ended
		each(t)
	}
}

// rest lets Sweep and CloseDay run one after the other until nothing changes, as
// they do once an hour; it reports whether the day is settled by the last change.
func (s changedDay) rest(v changedVariant) bool {
	one := func(step func(changedDay, func(changedDay)), over func(changedDay) bool) {
		for !over(s) {
			step(s, func(t changedDay) { s = t })
		}
	}
	for range 6 {
		if v != sweepAsksOnce {
			s.sweeps = [2]changedSweep{{}, {at: ended}}
			one(func(s changedDay, each func(changedDay)) { s.sweepStep(0, each) }, func(s changedDay) bool { return s.sweeps[0].at == ended })
		}
		s.closers = [2]changedCloser{{}, {at: ended}}
		one(func(s changedDay, each func(changedDay)) { s.closerStep(v, 0, each) }, func(s changedDay) bool { return s.closers[0].at == ended })
	}
	return s.settled == s.version && !s.open
}

// exploreChanged visits every state once, and returns how many there are, and one that
// does not come to the right end.
func exploreChanged(v changedVariant) (states int, wrong *changedDay) {
	start := changedDay{version: 1, open: true, late: true}
	start.closers[0].mayCrash, start.sweeps[0].mayCrash = true, true
	seen := map[changedDay]bool{}
	stack := []changedDay{start}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		last := true
		s.steps(v, func(t changedDay) { last = false; stack = append(stack, t) })
		if last && !s.rest(v) {
			return len(seen), &s
		}
	}
	return len(seen), nil
}

func TestModelOfChangesAndClosedDays(t *testing.T) {
	t.Parallel()
	states, wrong := exploreChanged(changedAsItIs)
	if wrong != nil || states < 10_000 {
		t.Errorf("of %d states one does not end settled by the last change: %+v", states, wrong)
	}
	for _, v := range []changedVariant{numberOfNow, sweepAsksOnce, everythingStays} {
		if states, wrong := exploreChanged(v); wrong == nil {
			t.Errorf("%d states do not notice that %s", states, v)
		}
	}
}
