package daybook_test

import (
	"fmt"
	"testing"
)

// wrong says what is wrong with a state; empty if nothing is.
func (s *modelState) wrong() string {
	last := s.last()
	if last == nil {
		return ""
	}
	if last.answer != accepted && !s.mark.there && !last.mark {
		return fmt.Sprintf("revision %d is answered %d, and nothing is open", s.n, last.answer)
	}
	if last.answer == declined && !last.mark && s.mark.declined != s.n {
		return fmt.Sprintf("revision %d is declined, and the day's mark does not say so", s.n)
	}
	for _, c := range s.closers {
		if c.at > 0 && c.at != gone {
			return ""
		}
	}
	if s.hour == 4 && !s.mark.there && last.inputs != s.counted {
		return "an hour counts, is in no revision, and nothing is open"
	}
	return ""
}

// cast is who takes part beside the operator and commerce.
type cast struct {
	closers, sweeps int
	hour            bool // one comes late
}

func exploreModel(v modelVariant, c cast) (states int, wrong string) {
	first := modelState{landed: 1, counted: 1, mark: modelMark{there: true}, hour: 4}
	first.closers[0].mayCrash, first.sweeps[0].mayCrash = true, true
	if c.hour {
		first.hour, first.hourCrash = 0, true
	}
	if c.closers < 2 {
		first.closers[1].at = gone
	}
	if c.sweeps < 2 {
		first.sweeps[1].at = gone
	}
	seen := map[modelState]bool{first: true}
	todo := []modelState{first}
	for len(todo) > 0 && wrong == "" {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		wrong = s.wrong()
		s.steps(v, func(t modelState) {
			if !seen[t] {
				seen[t] = true
				todo = append(todo, t)
			}
		})
	}
	return len(seen), wrong
}

// TestDeclinedModel: in no state is a part of a day declined while nothing is
// open; and each part of the order is needed for that.
func TestDeclinedModel(t *testing.T) {
	t.Parallel()
	for _, c := range []cast{{1, 1, true}, {2, 1, false}, {1, 2, false}} {
		states, wrong := exploreModel(asItIs, c)
		if wrong != "" || states < 1_000 {
			t.Errorf("%+v: %d states: %s", c, states, wrong)
		}
		t.Logf("%+v: %d states", c, states)
	}
	for _, v := range []modelVariant{revisionMarkFirst, noTag, noDeclined} {
		if n, wrong := exploreModel(v, cast{2, 1, false}); wrong == "" {
			t.Errorf("%s: nothing is wrong in %d states", v, n)
		}
	}
}
