package handlers_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// worked names the function that works off a queue.
var worked = map[string]string{queue.Landed: "IngestHour", queue.Days: "CloseDay", queue.Batches: "ForwardBatch"}

// play does what the host does until nothing is open: it works off the queues
// by work and sweeps by sweep, which says whether it looked at everything.
func (r *rig) play(t *testing.T, release func(), work func(function, text string), sweep func() (whole bool)) {
	t.Helper()
	for n := range 100 {
		r.advance(2 * time.Hour << min(2*n, 4)) // soon for what waits an hour, later for what waits for days
		release()
		did := 0
		for _, queue := range slices.Sorted(maps.Keys(worked)) {
			for _, text := range r.take(t, queue) {
				did++
				work(worked[queue], text)
			}
		}
		whole := sweep()
		marks, err := openday.List(t.Context(), r.Tables) // Sweep opens days, too
		ok(t, err)
		if whole && did == 0 && len(marks) == 0 && r.unjudged(t) == 0 && r.pending(t) == 0 {
			r.verified(t)
			return
		}
	}
	t.Fatalf("something stays open for ever: %v, %d files without a verdict, %d messages, %s after the start", r.rows(t, table.OpenDays), r.unjudged(t), r.pending(t), time.Duration(r.offset.Load()))
}

// unjudged counts the landed blobs that have no verdict, or one that is not
// carried out.
func (r *rig) unjudged(t *testing.T) (n int) {
	t.Helper()
	verdicts := map[string]hourlog.Hour{}
	for h, err := range hourlog.All(t.Context(), r.Tables, cloudID) {
		ok(t, err)
		verdicts[h.Blob] = h.Hour
	}
	ok(t, r.store.Blobs.List(t.Context(), landing.Container(cloudID), func(name string, _ time.Time) error {
		if h, there := verdicts[landing.Container(cloudID)+"/"+name]; !there || !h.Verdict.Final() || h.TakesOver() {
			n++
		}
		return nil
	}))
	return n
}

// pending counts the messages of all queues, poisoned ones too.
func (r *rig) pending(t *testing.T) (n int64) {
	t.Helper()
	names, err := queue.Names()
	ok(t, err)
	for _, name := range names {
		n += r.depth(t, name)
	}
	return n
}

// scene is a stack's first days: hours, one that comes late, a conflict that is
// decided, an outage of commerce, and a day that is closed again by hand. After
// each part all is billed exactly.
type scene struct {
	r      *rig
	bill   billing
	event  func(landing.Name)       // what BlobCreated sends
	send   func(queue, text string) // what the operator's tool sends
	settle func()
	begin  func() // of a part
}

func (s scene) play(t *testing.T) {
	t.Helper()
	counted := map[usage.Hour][]string{}
	land := func(h usage.Hour, rows ...string) landing.Name {
		name := s.r.land(t, h, rows...)
		s.event(name)
		return name
	}
	for _, part := range []struct {
		name string
		play func()
	}{
		{"hours", func() {
			for _, h := range allDay {
				counted[h] = rowsOf(h)
				land(h, counted[h]...)
			}
		}},
		{"a late hour", func() {
			counted[hour00+7] = []string{row(2, hour22, "0.0000000000000000000000001"), row(8, hour00+6, "7")}
			land(hour00+7, counted[hour00+7]...)
		}},
		{"a conflict", func() {
			name := land(hour23, row(1, hour22, "7.25"), row(9, hour22, "0.125"), row(9, hour22-24, "3"))
			s.settle()
			s.bill.billed(t, slices.Collect(maps.Values(counted))...)
			if v := s.r.hourRow(t, name).Verdict; v != hourlog.Conflict {
				t.Errorf("verdict %s", v)
			}
			s.begin()
			_, err := hourlog.AskTakeOver(t.Context(), s.r.Tables, hourID(name), because("the stack corrected its rows"))
			ok(t, err)
			s.send(queue.Landed, queue.LandedMessage(name))
			counted[hour23] = []string{row(1, hour22, "7.25"), row(9, hour22, "0.125"), row(9, hour22-24, "3")}
		}},
		{"an outage of commerce", func() {
			s.bill.fault(t, `{"next":4,"status":503,"retryAfter":7200}`)
			s.bill.fault(t, `{"next":2,"cut":"after"}`)
			counted[hour00+9] = []string{row(1, hour22, "11"), row(10, hour00+8, "0.5")}
			land(hour00+9, counted[hour00+9]...)
		}},
		{"a day that is stated again", func() {
			s.r.movePayer(t)
			_, err := daybook.AskRestate(t.Context(), s.r.Tables, cloudID, theDay, because("the payer changed"))
			ok(t, err)
			s.send(queue.Days, queue.DayMessage(cloudID, theDay))
		}},
	} {
		s.begin()
		part.play()
		s.settle()
		s.bill.billed(t, slices.Collect(maps.Values(counted))...)
		for _, name := range []string{table.OpenDays, table.FailedMessages} {
			if rows := s.r.rows(t, name); len(rows) > 0 {
				t.Errorf("%s: %v", name, rows)
			}
		}
		if t.Failed() {
			t.Fatalf("after %s", part.name)
		}
	}
	for key, line := range s.r.rows(t, table.UsageBatches) {
		if line["state"] != string(outbox.BatchDone) {
			t.Errorf("%s: %v", key, line)
		}
	}
}

// TestEveryMessageIsLostOnce: all that a lost message costs is time, whichever
// it is: Sweep finds what it was about.
func TestEveryMessageIsLostOnce(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.ReopenDelay = 6 * time.Hour
	s := scene{r: r, bill: newBilling(t, r)}
	l := newLossy(r)
	events := map[string]bool{}
	s.begin = func() { l.part++ }
	s.send = func(queue, text string) { ok(t, l.Enqueue(t.Context(), queue, text, 0)) }
	s.event = func(name landing.Name) {
		events[landedMessage(name)] = true
		s.send(queue.Landed, landedMessage(name))
	}
	s.settle = func() {
		r.play(t, func() { l.release(t) }, func(function, text string) { r.done(t, function, text) }, func() bool { r.sweep(t); return true })
		if len(l.waiting) > 0 {
			r.advance(25 * time.Hour)
			l.release(t)
			for _, text := range r.take(t, queue.Batches) {
				r.done(t, "ForwardBatch", text) // long answered
			}
		}
	}
	s.play(t)

	kinds := map[string]int{}
	for m, times := range l.offered {
		if l.dropped[m] != 1 {
			t.Errorf("%+v was dropped %d times", m, l.dropped[m])
		}
		// What was to come later, and an event, Sweep sends in other words.
		if times < 2 && !m.later && !events[m.text] {
			t.Errorf("%+v never came", m)
		}
		kinds[fmt.Sprint(m.queue, " later:", m.later, " event:", events[m.text])]++
	}
	for _, kind := range []string{"usage-landed later:false event:true", "usage-landed later:false event:false",
		"usage-days later:false event:false", "usage-batches later:false event:false", "usage-batches later:true event:false"} {
		if kinds[kind] == 0 {
			t.Errorf("no message of the kind %s was lost: %v", kind, kinds)
		}
	}
}

// TestMessagesLostAtWork: whoever works at a message dies at any of its storage
// requests, once it is done or before, and the message is gone.
func TestMessagesLostAtWork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(soak(2, 8)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 11))
			r := registered(t)
			r.Settings.ReopenDelay = 6 * time.Hour
			s := scene{r: r, bill: newBilling(t, r)}
			l := newLossy(r)
			l.honest = true
			deaths, left := 0, 0
			dies := func(most int, work func()) (died bool) {
				if left == 0 || rnd.IntN(4) == 0 {
					work()
					return false
				}
				var lock sync.Mutex
				at, stored, requests := 1+rnd.IntN(most), rnd.IntN(2) == 0, 0
				r.through(func(op faultstore.Operation, do func() error) error {
					lock.Lock()
					requests++
					now := requests
					lock.Unlock()
					if now < at {
						return do()
					}
					if now == at && stored {
						_ = do()
					}
					return errFault
				})
				work()
				r.through(nil)
				if requests < at {
					return false
				}
				deaths, left = deaths+1, left-1
				return true
			}
			s.begin = func() { left = 12 } // then storage is well, or nothing would ever end
			s.send = func(queue, text string) { ok(t, r.store.Queues.Enqueue(t.Context(), queue, text, 0)) }
			s.event = func(name landing.Name) { s.send(queue.Landed, landedMessage(name)) }
			s.settle = func() {
				r.play(t, func() { l.release(t) },
					func(function, text string) { dies(14, func() { r.call(function, text) }) },
					func() bool { return !dies(30, func() { r.post("/Sweep", `{"Data":{},"Metadata":{}}`) }) })
			}
			s.play(t)
			if deaths < 20 {
				t.Errorf("only %d deaths", deaths)
			}
		})
	}
}
