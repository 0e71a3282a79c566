package handlers_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

// settle does what the host would do until nothing is open: it sweeps, closes
// and forwards, in an order that rnd chooses.
func (r *rig) settle(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	r.untilNothingIsOpen(t, rnd)
	r.verified(t)
}

func (r *rig) untilNothingIsOpen(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	for n := range 60 {
		marks, err := openday.List(t.Context(), r.Tables)
		ok(t, err)
		if r.rests(t, marks) {
			return
		}
		r.advance(2 * time.Hour << min(2*n, 4)) // soon for what waits an hour, later for what waits for days
		rnd.Shuffle(len(marks), func(i, j int) { marks[i], marks[j] = marks[j], marks[i] })
		for _, m := range marks {
			if m.Revision == 0 {
				r.done(t, "CloseDay", dayMessage(m.Day))
				continue
			}
			ids, _, err := outbox.OfRevision(t.Context(), r.Tables, m.CloudID, m.Day, m.Revision)
			ok(t, err)
			for _, id := range ids {
				r.done(t, "ForwardBatch", fmt.Sprintf(`{"cloudId":"%s","usageDay":"%s","revision":%d,"batch":%d}`, id.CloudID, id.Day, id.Revision, id.Number))
			}
		}
		r.sweep(t)
	}
	t.Fatal("something stays open for ever")
}

// rests reports whether nothing is open but days of which commerce declined a
// part.
func (r *rig) rests(t *testing.T, marks []openday.Entry) bool {
	t.Helper()
	for _, m := range marks {
		last, err := daybook.LastRevision(t.Context(), r.Tables, m.CloudID, m.Day)
		ok(t, err)
		if m.Revision > 0 || last == nil || !m.OnlyDeclined(last.Number) {
			return false
		}
	}
	return true
}

// verified checks every number from the bill back to the rows that landed, and that
// every line can be explained.
func (r *rig) verified(t *testing.T) {
	t.Helper()
	for _, f := range r.audit(t).Differences {
		t.Error(f)
	}
	if r.verifications++; r.verifications%explainEvery == 1 || soaks() {
		r.explained(t)
	}
}

// explainEvery is how often what is verified is explained, too: a bill is verified after
// many steps, and few of them bring lines that no other test has.
const explainEvery = 6

// TestBillEqualsUsage drives hours in any order, late, twice and with other
// rows, which an operator lets take over, keeps out or leaves undecided, while
// commerce misbehaves and, from the middle on, takes these days no more, so that
// the operator carries them forward; and compares the bill with the sum of the
// rows that count after every step.
func TestBillEqualsUsage(t *testing.T) {
	var superseded, carried, redriven atomic.Int64
	t.Cleanup(func() {
		if redriven.Load() < 5 {
			t.Errorf("only %d rows were redriven", redriven.Load())
		}
		if carried.Load() < 5 {
			t.Errorf("only %d revisions were carried forward", carried.Load())
		}
		if superseded.Load() < 5 {
			t.Errorf("only %d files took another's place", superseded.Load())
		}
	})
	for seed := range uint64(soak(4, 12)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			r := registered(t)
			r.Settings.ReopenDelay = 6 * time.Hour
			var late atomic.Bool
			bill := newBillingWith(t, r, standin.Options{LatenessLimit: lateness, Now: func() time.Time {
				if late.Load() {
					return december(20).Start()
				}
				return december(11).Start()
			}})
			taken := map[usage.Hour][]string{}     // the rows that count
			mended := map[usage.Hour][]string{}    // rows of theirs that were refused, as they were sent again
			rejoins := map[usage.Hour][][]string{} // rows of files that counted once
			for step := range 15 {
				late.Store(seed%2 == 1 && step > 5)
				h := hour22 + usage.Hour(rnd.IntN(12))
				rows := taken[h]
				_, counted := taken[h]
				switch {
				case counted && rnd.IntN(3) == 0: // the same file again
				case len(rejoins[h]) > 0 && rnd.IntN(3) == 0:
					rows = rejoins[h][rnd.IntN(len(rejoins[h]))]
				default:
					rows = nil
					for range rnd.IntN(5) {
						n, back := rnd.IntN(4), usage.Hour(rnd.IntN(8))
						rows = append(rows, row(n, h-back, fmt.Sprintf("%d.%0*d", rnd.IntN(50), 1+rnd.IntN(20), rnd.IntN(1000))))
					}
					if rnd.IntN(2) == 0 {
						rows = append(rows, row(5, h, "-1"), `{}`) // refused
					}
				}
				name := r.ingest(t, h, rows...)
				r.done(t, "IngestHour", landedMessage(name))
				switch verdict := r.hourRow(t, name).Verdict; {
				case !counted:
					taken[h] = append([]string{}, rows...)
				case (verdict == hourlog.Conflict || verdict == hourlog.Voided) && rnd.IntN(3) > 0:
					r.supersede(t, name)
					rejoins[h] = append(rejoins[h], taken[h])
					taken[h] = append([]string{}, rows...)
					delete(mended, h)
					superseded.Add(1)
				case verdict == hourlog.Conflict && rnd.IntN(2) == 0:
					_, err := hourlog.KeepOut(t.Context(), r.Tables, hourID(name), because("no"))
					ok(t, err)
				}
				if text := row(rnd.IntN(4), h-1, "0.125"); rnd.IntN(2) == 0 && r.redriveOne(t, h, text) {
					mended[h] = append(mended[h], text)
					redriven.Add(1)
				}
				switch rnd.IntN(5) {
				case 0:
					bill.fault(t, `{"next":1,"status":503,"retryAfter":1}`)
				case 1:
					bill.fault(t, `{"next":1,"cut":"after"}`)
				case 2:
					bill.fault(t, `{"next":1,"dropResults":1}`)
				case 3:
					bill.fault(t, `{"next":1,"cut":"before"}`)
				}
				if step%3 == 2 {
					r.advance(48 * time.Hour) // days with hours missing close
					r.settle(t, rnd)
					carried.Add(r.carryAll(t, rnd))
					bill.billed(t, append(slices.Collect(maps.Values(mended)), accepted(taken)...)...)
					if t.Failed() {
						t.Fatalf("after step %d", step)
					}
				}
			}
		})
	}
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.ReopenDelay = 6 * time.Hour
	bill := newBilling(t, r)
	rnd := rand.New(rand.NewPCG(1, 1))
	r.complete(t)
	r.settle(t, rnd)
	first := bill.records(t)

	t.Run("a late row becomes a correction of its line alone", func(t *testing.T) {
		r.ingest(t, hour00+7, row(1, hour22, "0.0000000000000000000000001"))
		r.settle(t, rnd)
		records := bill.records(t)
		if len(records) != len(first)+1 {
			t.Fatalf("%d records; want one more than %d", len(records), len(first))
		}
		for _, c := range records {
			if c.Revision == 2 && (c.Kind != "correction" || c.Quantity != "0.0000000000000000000000001") {
				t.Errorf("%+v", c)
			}
		}
		checkChains(t, records)
	})
	t.Run("a complete day closes again at most once in the delay", func(t *testing.T) {
		closes := func(what string, want int) {
			t.Helper()
			r.done(t, "CloseDay", dayMessage(theDay))
			revisions := r.ofDay(t, "UsageDays")
			if len(revisions) != want {
				t.Fatalf("%s: %d revisions, want %d", what, len(revisions), want)
			}
			for _, m := range r.take(t, queue.Batches) { // nothing but the delay keeps it from closing
				r.done(t, "ForwardBatch", m)
			}
		}
		r.advance(r.Settings.ReopenDelay)
		r.take(t, queue.Batches)
		before := len(r.ofDay(t, "UsageDays"))
		r.ingest(t, hour00+8, row(1, hour22, "1"))
		closes("after the delay", before+1)
		r.ingest(t, hour00+9, row(1, hour22, "1"))
		closes("at once", before+1)
		r.advance(r.Settings.ReopenDelay - 2*time.Minute)
		r.ingest(t, hour00+13, row(1, hour22, "1"))
		closes("before the delay is over", before+1)
		r.advance(3 * time.Minute)
		closes("after it, for both hours", before+2)
		r.settle(t, rnd)
	})
	t.Run("a record that commerce refused is stated anew by the next revision", func(t *testing.T) {
		bill.fault(t, `{"rejectMeter":"`+tableMeter+`"}`)
		r.ingest(t, hour00+10, row(7, hour22, "5"))
		r.settle(t, rnd)
		bill.calm(t)
		r.ingest(t, hour00+11, row(7, hour22, "2"))
		r.settle(t, rnd)
		got := bill.sums(t)["2019-12-10 /subscriptions/"+subscription+"/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa007"]
		if got != "7" {
			t.Errorf("billed %s; want 7, the refused 5 and the late 2", got)
		}
		checkChains(t, bill.records(t))
	})
	t.Run("a change of the charged subscription does not reach a closed day by a late row", func(t *testing.T) {
		r.movePayer(t)
		r.ingest(t, hour00+12, row(1, hour22, "0"))
		r.advance(2 * time.Hour)
		r.done(t, "CloseDay", dayMessage(theDay))
		if last := r.revision(t); last.BillingSubscriptionID != payer || last.Change != r.version(t)-1 {
			t.Errorf("settled by %+v, want the old payer", last)
		}
	})
	t.Run("Sweep has it restated, which reverses the old lines and states new ones", func(t *testing.T) {
		want := bill.sums(t)
		r.sweep(t)
		r.settle(t, rnd)
		if diff := cmp.Diff(want, bill.sums(t)); diff != "" {
			t.Errorf("the sum over both payers (-before +after):\n%s", diff)
		}
		if got := paid(t, bill)["2019-12-10 "+payer]; got != "0" {
			t.Errorf("the old payer is left with %s; want 0", got)
		}
	})
}
