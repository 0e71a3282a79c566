package daybook_test

import ()

// The model of what keeps a day open while commerce declines a part of it. It
// explores every interleaving of closers, runs of Sweep, an hour, an operator who
// settles the day, and commerce, with crashes, over the order of writes that FinishRevision, CloseDay and AskSettle have:
//
//	FinishRevision  batches answered -> `declined` into the day's mark -> the revision's mark goes
//	CloseDay        mark -> last revision -> inputs -> insert revision -> revision's mark, batches -> day's mark goes, unless
//	                it changed or says that this very revision is declined
//
// How hours and closers get along is the matter of TestInterleavings: here a
// closer reads the inputs in one step.

// How a revision was answered.
const (
	unanswered = iota
	accepted
	declined
)

type modelRevision struct {
	inputs       uint8
	mark, listed bool // in OpenDays, in UsageBatches
	answer       int8
	waive        bool
}

type modelMark struct {
	there    bool
	declined uint8 // the revision that is; 0: none
	waive    bool  // an operator asks
}

type modelCloser struct {
	at       uint8
	mark     modelMark
	same     bool // the mark has the version that was read
	last     uint8
	inputs   uint8
	pending  bool
	mayCrash bool
}

const gone = 99 // a closer or a run of Sweep that is not there

type modelSweep struct {
	at       uint8
	revision uint8
	mayCrash bool
}

type modelState struct {
	n         uint8
	revisions [3]modelRevision
	mark      modelMark
	landed    uint8 // inputs
	counted   uint8
	hour      uint8
	hourCrash bool
	operator  uint8
	closers   [2]modelCloser
	sweeps    [2]modelSweep
}

// modelVariant leaves out one thing that the proof needs.
type modelVariant string

const (
	asItIs            modelVariant = ""
	revisionMarkFirst modelVariant = "the revision's mark goes before the day's says declined"
	noTag             modelVariant = "a closer deletes a mark that changed"
	noDeclined        modelVariant = "a closer does not look at declined"
)

func (s *modelState) touch(change func(*modelMark)) {
	change(&s.mark)
	s.mark.there = true
	s.changed()
}

// changed: who deletes a mark by its tag does not delete this one.
func (s *modelState) changed() {
	for i := range s.closers {
		s.closers[i].same = false
	}
}

// steps calls each with every state that may follow.
func (s modelState) steps(v modelVariant, each func(modelState)) {
	s.hourSteps(each)
	for i := range s.closers {
		s.closerSteps(v, i, each)
	}
	for i := range s.sweeps {
		s.sweepSteps(v, i, each)
	}
	for i := range s.n {
		if r := s.revisions[i]; r.listed && r.answer == unanswered {
			for _, answer := range []int8{accepted, declined} {
				t := s
				t.revisions[i].answer = answer
				each(t)
			}
		}
	}
	if last := s.last(); s.operator == 0 && last != nil && last.answer == declined {
		t := s
		t.operator = 1
		t.touch(func(m *modelMark) { m.waive = true })
		each(t)
	}
}

func (s *modelState) last() *modelRevision {
	if s.n == 0 {
		return nil
	}
	return &s.revisions[s.n-1]
}

func (s modelState) hourSteps(each func(modelState)) {
	t := s
	switch s.hour {
	case 0:
		t.landed |= 2
	case 2:
		t.counted |= 2
	case 1, 3:
		t.touch(func(*modelMark) {})
	default:
		return
	}
	t.hour++
	each(t)
	if s.hourCrash && s.hour > 0 {
		t = s
		t.hour, t.hourCrash = 0, false // its message comes again
		each(t)
	}
}

func (s modelState) closerSteps(v modelVariant, i int, each func(modelState)) {
	c := s.closers[i]
	if c.at == gone {
		return
	}
	t := s
	me := &t.closers[i]
	again := func() {
		*me = modelCloser{mayCrash: c.mayCrash}
		each(t)
	}
	if c.at > 0 && c.mayCrash {
		t.closers[i] = modelCloser{}
		each(t)
		t = s
	}
	switch c.at {
	case 0:
		if !s.mark.there {
			return
		}
		me.at, me.mark, me.same = 1, s.mark, true
		each(t)
	case 1:
		me.at, me.last = 2, s.n
		each(t)
	case 2:
		me.at, me.inputs, me.pending = 3, s.counted, s.landed != s.counted
		each(t)
	case 3:
		s.closerDecides(i, each)
	case 4: // the revision's mark, then its batches
		t.revisions[c.last-1].mark = t.revisions[c.last-1].mark || !t.revisions[c.last-1].listed
		me.at = 5
		each(t)
	case 5:
		t.revisions[c.last-1].listed, me.at = true, 6
		each(t)
	case 6:
		last := s.revisions[c.last-1]
		open := c.pending || last.inputs != c.inputs || c.mark.waive && !s.settled(c.last)
		isDeclined := c.mark.declined == c.last && v != noDeclined
		if !open && !isDeclined && (c.same || v == noTag) {
			t.mark = modelMark{}
			t.changed()
		}
		again()
	}
}

// settled: one of the first n revisions answers the operator.
func (s *modelState) settled(n uint8) bool {
	for _, r := range s.revisions[:n] {
		if r.waive {
			return true
		}
	}
	return false
}

// closerDecides: there is something to state, or not, or commerce owes answers.
// Whether a repeat is due is a matter of time: both may be.
func (s modelState) closerDecides(i int, each func(modelState)) {
	c := s.closers[i]
	var last modelRevision
	if c.last > 0 {
		last = s.revisions[c.last-1]
	}
	same := c.last > 0 && last.inputs == c.inputs
	asked := c.mark.waive && !s.settled(c.last)
	t := s
	if same && !asked {
		t.closers[i].at = 4
		if last.listed {
			t.closers[i].at = 6
		}
		each(t)
		if c.mark.declined != c.last {
			return
		}
		t = s
	}
	if c.last > 0 && last.answer == unanswered || c.last == 0 && c.inputs == 0 {
		if c.last > 0 && !last.listed { // listBatches
			t.closers[i].at = 4
		} else {
			t.closers[i] = modelCloser{mayCrash: c.mayCrash}
		}
		each(t)
		return
	}
	if int(s.n) == len(s.revisions) {
		return
	}
	if s.n == c.last {
		r := modelRevision{inputs: c.inputs, waive: asked && same}
		t.closers[i].at = 4
		if r.waive { // it has no batches
			r.listed, r.answer, t.closers[i].at = true, accepted, 6
		}
		t.revisions[s.n] = r
		t.n++
		t.closers[i].last++
	} else {
		t.closers[i] = modelCloser{mayCrash: c.mayCrash}
	}
	each(t)
}

func (s modelState) sweepSteps(v modelVariant, i int, each func(modelState)) {
	w := s.sweeps[i]
	if w.at == gone {
		return
	}
	t := s
	me := &t.sweeps[i]
	if w.at > 0 && w.mayCrash {
		*me = modelSweep{}
		each(t)
		t = s
	}
	mark := func() {
		if r := s.revisions[w.revision-1]; r.answer == declined && s.mark.declined < w.revision {
			t.touch(func(m *modelMark) { m.declined = w.revision })
		}
	}
	unmark := func() { t.revisions[w.revision-1].mark = false }
	switch w.at {
	case 0:
		for n := range s.n {
			if r := s.revisions[n]; r.mark && r.listed && r.answer != unanswered {
				t = s
				*me = modelSweep{1, n + 1, w.mayCrash}
				each(t)
			}
		}
		return
	case 1:
		if v == revisionMarkFirst {
			unmark()
		} else {
			mark()
		}
		me.at = 2
	case 2:
		if v == revisionMarkFirst {
			mark()
		} else {
			unmark()
		}
		*me = modelSweep{mayCrash: w.mayCrash}
	}
	each(t)
}
