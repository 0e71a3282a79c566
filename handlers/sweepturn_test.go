package handlers_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/queue"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
)

// TestSweepComesBackToATurnThatFailed: storage is busy whenever the turn of the
// registration comes, or the queue is, or the note of it is lost. The hour whose
// event got lost is announced as soon as it is not.
func TestSweepComesBackToATurnThatFailed(t *testing.T) {
	t.Parallel()
	busy := func(which func(faultstore.Operation) bool) faultstore.Hook {
		return func(op faultstore.Operation, do func() error) error {
			if which(op) {
				return errors.New("503 server busy")
			}
			return do()
		}
	}
	for name, front := range map[string]faultstore.Hook{
		"the landing storage":   busy(func(op faultstore.Operation) bool { return op.List && strings.HasPrefix(op.Name, "landing-") }),
		"the table of verdicts": busy(func(op faultstore.Operation) bool { return op.Name == table.UsageHours }),
		"the queue":             busy(func(op faultstore.Operation) bool { return op.Write && op.Name == queue.Landed }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registered(t)
			r.quiet(t)
			r.sweepSince(t, r.Now().Add(-time.Hour))
			r.take(t, queue.Landed)
			r.land(t, hour22, rowsOf(hour22)...) // an old hour, its event lost
			last, failed, found := r.Now().Add(-5*time.Minute), 0, 0
			run := func() {
				body := `{"Data":{"timer":{"ScheduleStatus":{"Last":"` + last.Format(time.RFC3339Nano) + `"}}},"Metadata":{}}`
				if status, _ := r.post("/Sweep", body); status != http.StatusOK {
					failed++
				}
				last = r.Now()
				r.advance(5 * time.Minute)
				found += len(r.take(t, queue.Landed))
			}
			// The turn of the day comes within 24 hours; storage is busy at its time.
			for range 24 * 12 {
				if all, _ := sweep.Turns(cloudID, last, r.Now()); all {
					r.through(front)
				}
				run()
				r.through(nil)
				if failed > 0 {
					break
				}
			}
			if failed != 1 || found != 0 {
				t.Fatalf("%d runs failed, %d announced", failed, found)
			}
			if run(); found != 1 {
				t.Errorf("announced %d times by the next run", found)
			}
			for range 3 {
				run()
			}
			if found != 1 {
				t.Errorf("announced %d times; the turn was done", found)
			}
		})
	}
}

// TestSweepNotesItsTurns: what a run did is noted with when it began, and one whose
// note is lost, or is reported as lost, does no harm.
func TestSweepNotesItsTurns(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		r := registered(t)
		r.quiet(t)
		r.land(t, hour22, rowsOf(hour22)...)
		r.through(func(op faultstore.Operation, do func() error) error {
			if !op.Write || op.Name != table.Sweeps {
				return do()
			}
			if stored {
				_ = do()
			}
			return errFault
		})
		body := `{"Data":{"timer":{}},"Metadata":{}}`
		if status, _ := r.post("/Sweep", body); status == http.StatusOK {
			t.Error("the run does not fail")
		}
		r.through(nil)
		began := r.Now()
		r.advance(time.Minute)
		for range 2 {
			if status, text := r.post("/Sweep", body); status != http.StatusOK {
				t.Fatalf("Sweep: %d %s", status, text)
			}
		}
		want := 2 // of the run that failed at its end, and of the next
		if stored {
			want = 1
		}
		if found := len(r.take(t, queue.Landed)); found != 1 && found != want {
			t.Errorf("stored %t: announced %d times, want %d", stored, found, want)
		}
		tables := r.store.Tables
		done, err := sweep.ReadTurns(t.Context(), tables, cloudID)
		ok(t, err)
		if len(r.rows(t, table.Sweeps)) != 3 || done[sweep.TurnCompare].After(table.UTC(began)) == stored {
			t.Errorf("stored %t: %v, began %s", stored, done, began)
		}
	}
}
