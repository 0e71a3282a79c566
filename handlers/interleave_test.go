package handlers_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// scenario is what happens at once to the usage day of a rig.
type scenario func(t *testing.T, random *rand.Rand) (*rig, billing, []*actor)

// apart makes a scenario of what happens to a rig that is registered.
func apart(of func(t *testing.T, r *rig, random *rand.Rand) []*actor) scenario {
	return func(t *testing.T, random *rand.Rand) (*rig, billing, []*actor) {
		r := registered(t)
		bill := newBilling(t, r)
		return r, bill, of(t, r, random)
	}
}

// TestInterleavings runs invocations of IngestHour and CloseDay, and commands of an
// operator, request by request in random order, killed before and after requests.
// Whatever happens, at rest the last revision of each day is made of the inputs that
// count, or the day is open. Then Sweep takes up what was left over, and all that
// counts is billed.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	t.Cleanup(func() { // the walks must reach what the invariant is about
		if seen["closed"] == 0 || seen["open"] == 0 {
			t.Errorf("ends %v", seen)
		}
	})
	for name, of := range map[string]scenario{
		"hours": apart(hoursAtOnce), "take over": apart(takeOverAtOnce), "exclude": apart(excludeAtOnce),
		"restate": apart(restateAtOnce), "carry": carryAtOnce, "end": apart(endAtOnce),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(soak(3, 100)) {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					t.Parallel()
					random := rand.New(rand.NewPCG(seed, 5))
					r, bill, actors := of(t, random)
					r.through(stopAtRequests)
					play(random, actors)
					r.through(nil)
					end := r.atRest(t)
					mu.Lock()
					seen[end]++
					mu.Unlock()
					r.daysPass(t)
					r.settle(t, random)
					if end := r.atRest(t); end != "closed" {
						t.Errorf("in the end the day is %s", end)
					}
					bill.billed(t, r.countedRows(t)...)
					r.answeredOnce(t, name == "take over")
				})
			}
		})
	}
}

// hoursAtOnce are three hours, one without rows, and closers that do not wait.
func hoursAtOnce(t *testing.T, r *rig, random *rand.Rand) []*actor {
	r.advance(100 * time.Hour)
	actors := r.closers(dayMessage(theDay), dayMessage(theDay))
	for _, a := range actors {
		a.repeats = 5
	}
	actors = append(actors, &actor{again: true, repeats: 6, work: r.invokes("ForwardBatch", batchMessage(theDay, 1))})
	for _, h := range allDay {
		var rows []string
		if h != hour00 {
			rows = rowsOf(h)
		}
		actors = append(actors, &actor{repeats: random.IntN(2), work: r.invokes("IngestHour", landedMessage(r.land(t, h, rows...)))})
	}
	return actors
}

// takeOverAtOnce is an operator who lets another file of an hour take its place, and
// now and then takes that back.
func takeOverAtOnce(t *testing.T, r *rig, random *rand.Rand) []*actor {
	r.complete(t)
	second := r.ingest(t, hour23, row(2, hour22, "40"), row(9, hour22-24, "1"))
	if random.IntN(2) == 0 {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	}
	actors := append(r.closers(dayMessage(theDay), dayMessage(theDay), dayMessage(theDay-1)),
		once(func(ctx context.Context) {
			_, err := hourlog.AskTakeOver(ctx, r.Tables, hourID(second), because("it is right"))
			unexpected(t, err, reasoned.ErrDecided)
			r.invokes("IngestHour", landedMessage(second))(ctx)
		}))
	if random.IntN(4) == 0 {
		actors = append(actors, once(func(ctx context.Context) {
			_, err := hourlog.KeepOut(ctx, r.Tables, hourID(second), because("it is wrong"))
			unexpected(t, err, reasoned.ErrDecided)
		}))
	}
	return actors
}

// excludeAtOnce is an operator who takes an hour out, and an hour that comes late.
func excludeAtOnce(t *testing.T, r *rig, random *rand.Rand) []*actor {
	name := r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour23, rowsOf(hour23)...)
	last := r.land(t, hour00, rowsOf(hour00)...)
	r.advance(100 * time.Hour)
	if random.IntN(2) == 0 {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	}
	return append(r.closers(dayMessage(theDay), dayMessage(theDay)),
		once(r.invokes("IngestHour", landedMessage(last))),
		once(func(ctx context.Context) {
			_, err := hourlog.Exclude(ctx, r.Tables, hourID(name), because("it is wrong"), false)
			unexpected(t, err, reasoned.ErrDecided)
		}))
}

// restateAtOnce is an operator who wants a closed day stated again, and an hour that
// comes late.
func restateAtOnce(t *testing.T, r *rig, _ *rand.Rand) []*actor {
	r.complete(t)
	r.done(t, "CloseDay", dayMessage(theDay))
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	late := r.land(t, hour00+3, row(7, hour22, "8"))
	return append(r.closers(dayMessage(theDay), dayMessage(theDay)),
		once(r.invokes("IngestHour", landedMessage(late))),
		once(func(ctx context.Context) {
			_, err := daybook.AskRestate(ctx, r.Tables, cloudID, theDay, because("look again"))
			unexpected(t, err)
		}))
}

// carryAtOnce is an operator who has another day bill what expired, and an hour that
// comes late.
func carryAtOnce(t *testing.T, random *rand.Rand) (*rig, billing, []*actor) {
	l := expired(t)
	actors := append(l.closers(dayMessage(theDay), dayMessage(december(14)), dayMessage(december(14))), once(func(ctx context.Context) {
		_, err := daybook.AskCarry(ctx, l.Tables, cloudID, theDay, december(14), lateness, reasoned.Decision{By: "olga", Reason: "commerce was away", At: *l.clock.Load()})
		unexpected(t, err, daybook.ErrNotCarried)
	}))
	if random.IntN(2) == 0 {
		actors = append(actors, once(l.invokes("IngestHour", landedMessage(l.land(t, hour00+3, row(7, hour00+2, "8"))))))
	}
	return l.rig, l.billing, actors
}

// atRest checks the invariant and says whether the usage day is closed.
func (r *rig) atRest(t *testing.T) string {
	t.Helper()
	tables := r.store.Tables
	for _, d := range []usage.Day{theDay - 1, theDay, theDay + 1, december(14)} {
		counts := r.carriedTo(t, tables, d)
		rows := int64(0)
		for row, err := range tables.List(t.Context(), table.DayInputs, cloudID+"_"+d.Compact(), "", "") {
			ok(t, err)
			if strings.HasPrefix(row.Key, "carry_") {
				continue
			}
			hour, sha16, _ := strings.Cut(row.Key, "_")
			h, err := usage.ParseCompactHour(hour)
			ok(t, err)
			standing, err := hourlog.AcceptedHour(t.Context(), tables, hourlog.ID{CloudID: cloudID, Hour: h})
			if errors.Is(err, table.ErrNotFound) {
				continue
			}
			ok(t, err)
			if standing.Counts == sha16 {
				counts, rows = append(counts, row.Key), rows+row.Props["rows"].(int64)
			}
		}
		slices.Sort(counts)
		_, err := tables.Get(t.Context(), table.OpenDays, cloudID, d.Compact())
		open := err == nil
		last, err := daybook.LastRevision(t.Context(), tables, cloudID, d)
		ok(t, err)
		want := strings.Join(counts, ",")
		switch {
		case open && d == theDay:
			return "open"
		case open:
		case last == nil && rows > 0:
			t.Errorf("day %s is not stated, has inputs that count, %s, and is not open", d, want)
		case last != nil && last.Inputs != want:
			t.Errorf("day %s is stated with %s, of which %s counts, and is not open", d, last.Inputs, want)
		}
	}
	return "closed"
}

// carriedTo are the carries of the usage day's revisions into another day.
func (r *rig) carriedTo(t *testing.T, tables table.Store, d usage.Day) (keys []string) {
	t.Helper()
	for revision, err := range daybook.Revisions(t.Context(), tables, cloudID, theDay) {
		ok(t, err)
		if revision.CarriedTo == d.Compact() && revision.Carried > 0 {
			keys = append(keys, fmt.Sprintf("carry_%s_%04d_%s", theDay.Compact(), revision.Number, revision.SHA256[:16]))
		}
	}
	return keys
}

// countedRows are the rows of the files that count.
func (r *rig) countedRows(t *testing.T) (rows [][]string) {
	t.Helper()
	for key, h := range r.rows(t, table.UsageHours) {
		_, name, _ := strings.Cut(key, "/")
		if strings.Contains(name, "_") && h["verdict"] == string(hourlog.Accepted) {
			container, blob, _ := strings.Cut(h["blob"].(string), "/")
			body, _, err := r.store.Blobs.Open(t.Context(), container, blob)
			ok(t, err)
			gz, err := gzip.NewReader(body)
			ok(t, err)
			text, err := io.ReadAll(gz)
			ok(t, err)
			body.Close()
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			rows = append(rows, lines[1:len(lines)-1])
		}
	}
	return rows
}
