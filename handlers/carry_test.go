package handlers_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// lateness is how long after its end the commerce of these tests takes a day.
const lateness = 72 * time.Hour

// late is an app whose commerce takes no day for ever, by a clock of its own.
type late struct {
	*rig
	billing
	rnd   *rand.Rand
	clock *atomic.Pointer[time.Time]
}

// at sets commerce's clock to a day of December 2019.
func (l late) at(day, hour int) time.Time {
	now := time.Date(2019, 12, day, hour, 0, 0, 0, time.UTC)
	l.clock.Store(&now)
	return now
}

func december(day int) usage.Day {
	return usage.HourOf(time.Date(2019, 12, day, 0, 0, 0, 0, time.UTC)).Day()
}

func newLate(t *testing.T) late {
	t.Helper()
	l := late{rig: registered(t), rnd: rand.New(rand.NewPCG(5, 5)), clock: new(atomic.Pointer[time.Time])}
	l.Settings.ReopenDelay = 6 * time.Hour
	l.at(11, 2)
	l.billing = newBillingWith(t, l.rig, standin.Options{LatenessLimit: lateness, Now: func() time.Time { return *l.clock.Load() }})
	return l
}

// expired is an app whose usage day commerce did not take any more: it was away
// until the 14th.
func expired(t *testing.T) late {
	t.Helper()
	l := newLate(t)
	l.at(14, 8)
	l.complete(t)
	l.untilNothingIsOpen(t, l.rnd)
	if records := l.records(t); len(records) > 0 {
		t.Fatalf("commerce took %v", records)
	}
	return l
}

// carry asks, by commerce's clock, for a day to be carried forward.
func (l late) carry(t testing.TB, day, to usage.Day, reason string) error {
	t.Helper()
	_, err := daybook.AskCarry(t.Context(), l.Tables, cloudID, day, to, lateness, reasoned.Decision{By: "olga", Reason: reason, At: *l.clock.Load()})
	return err
}

// carried asks and settles.
func (l late) carried(t *testing.T, day, to usage.Day, reason string) {
	t.Helper()
	ok(t, l.carry(t, day, to, reason))
	l.settle(t, l.rnd)
}

// on lists the records that commerce took for a usage day.
func (l late) on(t *testing.T, day usage.Day) (records []billedRecord) {
	t.Helper()
	for _, r := range l.records(t) {
		if r.UsageDate == day.String() {
			records = append(records, r)
		}
	}
	return records
}

func (l late) last(t *testing.T, day usage.Day) daybook.Revision {
	t.Helper()
	last, err := daybook.LastRevision(t.Context(), l.Tables, cloudID, day)
	ok(t, err)
	if last == nil {
		t.Fatalf("%s was never stated", day)
	}
	return *last
}

func wholeDay() [][]string {
	return [][]string{rowsOf(hour22), rowsOf(hour23), rowsOf(hour00)}
}

func TestCarryForward(t *testing.T) {
	t.Parallel()
	l := expired(t)
	t.Run("days that are not open are refused, and what is not stated", func(t *testing.T) {
		for name, err := range map[string]error{
			"into the day itself": l.carry(t, theDay, theDay, "x"),
			"into an earlier day": l.carry(t, theDay, december(9), "x"),
			"into a day to come":  l.carry(t, theDay, december(15), "x"),
		} {
			if !errors.Is(err, daybook.ErrNotCarried) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := l.carry(t, december(9), december(12), "x"); !errors.Is(err, table.ErrNotFound) {
			t.Errorf("a day that was never stated: %v", err)
		}
		if err := l.carry(t, theDay, december(12), ""); err == nil {
			t.Error("a request without a reason")
		}
		if mark := l.only(t, table.OpenDays); mark["declined"] != int64(3) || mark["restate"] != nil {
			t.Errorf("open: %v", mark)
		}
	})
	t.Run("the open day bills it, for the day of the usage, with the reason", func(t *testing.T) {
		l.carried(t, theDay, december(12), "commerce was away")
		l.billed(t, wholeDay()...)
		records := l.on(t, december(12))
		if len(records) != 3 {
			t.Fatalf("%d records, want 3", len(records))
		}
		for _, r := range records {
			if r.Kind != "carryForward" || r.CarriedFrom != "2019-12-10" || r.Reason != "commerce was away" || r.Revision != 1 {
				t.Errorf("%+v", r)
			}
		}
		rev := l.last(t, theDay)
		if rev.Number != 2 || rev.Records != 0 || rev.Batches != 0 || rev.CarriedTo != "20191212" || rev.Carried != 3 || rev.Reason != "commerce was away" || rev.By != "olga" {
			t.Errorf("revision %+v", rev)
		}
		if rev := l.last(t, december(12)); rev.Rows != 0 || rev.InputCount != 1 || !strings.HasPrefix(rev.Inputs, "carry_20191210_0002_") {
			t.Errorf("revision of the open day %+v", rev)
		}
	})
	t.Run("it is carried once", func(t *testing.T) {
		if err := l.carry(t, theDay, december(12), "commerce was away"); !errors.Is(err, daybook.ErrNotCarried) {
			t.Errorf("again: %v", err)
		}
		if err := l.carry(t, theDay, december(13), "another day"); !errors.Is(err, daybook.ErrNotCarried) {
			t.Errorf("to another day: %v", err)
		}
	})
	t.Run("stating either day again states no difference", func(t *testing.T) {
		before := len(l.records(t))
		for _, day := range []usage.Day{theDay, december(12)} {
			_, err := daybook.AskRestate(t.Context(), l.Tables, cloudID, day, because("to be sure"))
			ok(t, err)
			l.settle(t, l.rnd)
			if rev := l.last(t, day); rev.Records != 0 || rev.Carried != 0 {
				t.Errorf("revision %+v", rev)
			}
		}
		if n := len(l.records(t)); n != before {
			t.Errorf("%d records, want %d", n, before)
		}
	})
	t.Run("a late hour expires alone, and is carried to a day that was stated", func(t *testing.T) {
		added := []string{row(1, hour22, "0.0000000000000000000000001"), row(8, hour22, "4")}
		l.ingest(t, hour00+3, added...)
		l.settle(t, l.rnd)
		if rev := l.last(t, theDay); rev.Records != 2 {
			t.Errorf("revision %+v", rev)
		}
		l.billed(t, wholeDay()...)
		l.carried(t, theDay, december(12), "an hour came late")
		l.billed(t, append(wholeDay(), added)...)
		var kinds []string
		for _, r := range l.on(t, december(12)) {
			if r.Revision > 1 {
				kinds = append(kinds, fmt.Sprint(r.Kind, " ", r.Quantity, " ", r.Reason))
			}
		}
		slices.Sort(kinds)
		if want := "[carryForward 4 an hour came late correction 0.0000000000000000000000001 an hour came late]"; fmt.Sprint(kinds) != want {
			t.Errorf("got %v, want %v", kinds, want)
		}
	})
	t.Run("usage that is taken back after it was carried is carried too", func(t *testing.T) {
		empty := l.ingest(t, hour00+3)
		l.supersede(t, empty)
		l.settle(t, l.rnd)
		l.carried(t, theDay, december(13), "the stack took it back")
		l.billed(t, wholeDay()...)
		for _, r := range l.on(t, december(13)) {
			if r.Kind != "carryForward" || !strings.HasPrefix(r.Quantity, "-") {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("the open day's own hours are billed beside it", func(t *testing.T) {
		own := []string{row(1, hour00+24+5, "3"), row(2, hour00+24+5, "2")}
		l.ingest(t, hour00+24+6, own...)
		l.settle(t, l.rnd)
		l.billed(t, append(wholeDay(), own)...)
	})
}

// A carry that expires in its turn is carried on, and is still of its first day.
func TestACarryOfACarry(t *testing.T) {
	t.Parallel()
	l := expired(t)
	own := rowsOf(december(12).First() + 5)
	l.ingest(t, december(12).First()+5, own...)
	ok(t, l.carry(t, theDay, december(12), "commerce was away"))
	l.at(17, 0) // and is away again
	l.settle(t, l.rnd)
	l.billed(t)
	l.carried(t, december(12), december(16), "again")
	l.billed(t, append(wholeDay(), own)...)
	days := map[string]int{}
	for _, r := range l.on(t, december(16)) {
		days[r.CarriedFrom]++
	}
	if len(days) != 2 || days["2019-12-10"] != 3 || days["2019-12-12"] != 3 {
		t.Errorf("carried from %v", days)
	}
	t.Run("beside a carry from the first day itself", func(t *testing.T) {
		more := []string{row(1, hour22, "0.5")}
		l.ingest(t, hour00+2, more...)
		l.settle(t, l.rnd)
		l.carried(t, theDay, december(16), "an hour came late")
		l.billed(t, append(wholeDay(), own, more)...)
	})
}

// What changes how a line is charged after it was carried reverses nothing that
// the open day states, and states the rest anew.
func TestACarryKeepsItsRouting(t *testing.T) {
	t.Parallel()
	l := expired(t)
	ok(t, l.carry(t, theDay, december(12), "commerce was away"))
	l.done(t, "CloseDay", dayMessage(theDay))
	l.movePayer(t)
	l.settle(t, l.rnd)
	for _, r := range rawRecords(t, l.billing) {
		if r["billingSubscriptionId"] != payer {
			t.Errorf("charged to %v", r["billingSubscriptionId"])
		}
	}
	_, err := daybook.AskRestate(t.Context(), l.Tables, cloudID, theDay, because("the contract moved"))
	ok(t, err)
	l.settle(t, l.rnd)
	l.carried(t, theDay, december(13), "the contract moved")
	l.billed(t, wholeDay()...)
	payers := model{}
	for _, r := range rawRecords(t, l.billing) {
		payers.add(r["billingSubscriptionId"].(string), "", r["quantity"].(string))
	}
	if got := payers.text()[" "+payer]; got != "0" {
		t.Errorf("the old payer is left with %s", got)
	}
}

// carryAll carries forward what expired, each day to one that commerce takes,
// and says how many revisions that made.
func (r *rig) carryAll(t *testing.T, rnd *rand.Rand) (n int64) {
	t.Helper()
	days, err := daybook.DeclinedDays(t.Context(), r.Tables, cloudID)
	ok(t, err)
	for _, d := range days {
		if d.Carried != nil {
			continue
		}
		n++
		_, err := daybook.AskCarry(t.Context(), r.Tables, cloudID, d.Day, december(18+rnd.IntN(3)), lateness, reasoned.Decision{By: "olga", Reason: fmt.Sprint("reason ", rnd.IntN(100)), At: december(20).Start()})
		ok(t, err)
	}
	if n > 0 {
		r.settle(t, rnd)
	}
	return n
}
