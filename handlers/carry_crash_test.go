package handlers_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/shared/landing"
)

// sameBill plays on to the end: whatever failed, everything is carried once.
func sameBill(t *testing.T, got late) {
	t.Helper()
	got.settle(t, got.rnd)
	got.billed(t, wholeDay()...)
	if n := len(got.records(t)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	if rev := got.last(t, theDay); rev.Number != 2 || rev.Carried != 3 {
		t.Errorf("revision %+v", rev)
	}
}

func TestCarryCrashes(t *testing.T) {
	t.Parallel()
	prepared := func(t *testing.T) late {
		l := expired(t)
		ok(t, l.carry(t, theDay, december(12), "commerce was away"))
		return l
	}
	t.Run("while the day that carries is stated", func(t *testing.T) {
		t.Parallel()
		lateWriteFailed(t, prepared, func(l late) (int, string) { return l.call("CloseDay", dayMessage(theDay)) })
	})
	t.Run("while the day that it is carried to is stated", func(t *testing.T) {
		t.Parallel()
		lateWriteFailed(t, func(t *testing.T) late {
			l := prepared(t)
			l.done(t, "CloseDay", dayMessage(theDay))
			return l
		}, func(l late) (int, string) { return l.call("CloseDay", dayMessage(december(12))) })
	})
	t.Run("while the operator asks", func(t *testing.T) {
		t.Parallel()
		lateWriteFailed(t, expired, func(l late) (int, string) {
			if err := l.carry(t, theDay, december(12), "commerce was away"); err != nil {
				return http.StatusInternalServerError, err.Error()
			}
			return http.StatusOK, ""
		})
	})
}

// lateWriteFailed is eachWriteFailed for a late one.
func lateWriteFailed(t *testing.T, prepare func(*testing.T) late, step func(late) (int, string)) {
	t.Helper()
	var all sync.Map // by rig
	of := func(r *rig) late {
		l, _ := all.Load(r)
		return l.(late)
	}
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			l := prepare(t)
			all.Store(l.rig, l)
			return l.rig
		},
		func(r *rig) (int, string) { return step(of(r)) },
		func(t *testing.T, _, got *rig) { sameBill(t, of(got)) })
}

// Two closers, the second between any two requests of the first: of the day that
// carries; the same with an hour that came in between and makes its file another
// one; of the day that it is carried to.
func TestTwoClosersCarry(t *testing.T) {
	t.Parallel()
	added := []string{row(5, hour22, "2")}
	const same, other, open = "of the same day", "of the same day with an hour more", "of the open day"
	play := func(t *testing.T, at int, which string) (requests int, l late) {
		t.Helper()
		l = expired(t)
		ok(t, l.carry(t, theDay, december(12), "commerce was away"))
		var name landing.Name
		if which == other {
			name = l.land(t, hour00+4, added...)
		}
		beside := l.beside(t)
		l.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				if which == other {
					beside.done(t, "IngestHour", landedMessage(name))
				}
				if which != open {
					beside.done(t, "CloseDay", dayMessage(theDay))
				}
				beside.done(t, "CloseDay", dayMessage(december(12)))
			}
			return do()
		})
		status, body := l.call("CloseDay", dayMessage(theDay))
		l.through(nil)
		if status != http.StatusOK {
			t.Errorf("the first closer: %d %s", status, body)
		}
		return requests, l
	}
	requests, _ := play(t, 0, same)
	others := []string{same, other, open}
	for at := 1; at <= requests; at++ {
		for n := range soak(1, len(others)) { // by turns, else all at each
			which := others[(at+n)%len(others)]
			t.Run(fmt.Sprintf("before request %d of %d, one %s", at, requests, which), func(t *testing.T) {
				t.Parallel()
				_, l := play(t, at, which)
				l.settle(t, l.rnd)
				want := wholeDay()
				if which == other {
					if rev := l.last(t, theDay); rev.CarriedTo == "" { // the late hour has expired by itself
						l.carried(t, theDay, december(13), "the hour")
					}
					want = append(want, added)
				}
				l.billed(t, want...)
			})
		}
	}
}
