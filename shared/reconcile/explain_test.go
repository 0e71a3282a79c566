package reconcile_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/reconcile"
	"stackusage/shared/usage"
)

func quantity(t testing.TB, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// tenth is 2019-12-10T00:00Z.
var tenth = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC))

// short is a line in one text.
func short(l reconcile.Line) string {
	text := fmt.Sprintf("%s: %s", l.Day, l.Stack)
	for _, c := range l.Causes {
		text += fmt.Sprintf("; %s %s", c.Kind, c.Quantity)
		if c.Delay != nil {
			text += fmt.Sprintf(" %dh at %s", *c.Delay, c.Reported)
		}
	}
	return fmt.Sprintf("%s; unexplained %s; bill %s", text, l.Unexplained, l.Bill)
}

func shorts(lines []reconcile.Line) (texts []string) {
	for _, l := range lines {
		texts = append(texts, short(l))
	}
	return texts
}

// TestDelays is computed by hand: rows of 23:00 and before with delays of 0, 1, 2,
// 5 and 30 hours, two of them alike.
func TestDelays(t *testing.T) {
	a := reconcile.NewAccount()
	next := tenth + 24
	row := func(used, reported usage.Hour, q string) {
		a.Row(used, reported, quantity(t, q))
		a.Bill(used.Day(), quantity(t, q))
	}
	row(next-1, next-1, "1")      // in the hour itself
	row(next-1, next, "2")        // an hour after, across midnight
	row(next-1, next, "2")        // the same again: rows add
	row(next-2, next-1, "4")      // an hour after, on the day
	row(next-2, next, "0.1")      // two hours after
	row(next-1, next+4, "0.2")    // five
	row(next-2, next+3, "0.0002") // five, too
	row(next-1, next+29, "16")    // thirty: on the day after the next
	row(tenth-1, tenth, "32")     // of the day before
	row(next, next+1, "64")
	a.Refused(next-3, quantity(t, "-8"))
	want := []string{
		"2019-12-10: 29; quarantined 8; usedEarlier -32 1h at 2019-12-10T00:00Z; " +
			"reportedLater 4 1h at 2019-12-11T00:00Z; reportedLater 0.1 2h at 2019-12-11T00:00Z; " +
			"reportedLater 0.2002 5h at 2019-12-11T03:00Z to 2019-12-11T04:00Z; reportedLater 16 30h at 2019-12-12T05:00Z; unexplained 0; bill 25.3002",
		"2019-12-11: 68.3002; usedEarlier -4 1h at 2019-12-11T00:00Z; usedEarlier -0.1 2h at 2019-12-11T00:00Z; " +
			"usedEarlier -0.2002 5h at 2019-12-11T03:00Z to 2019-12-11T04:00Z; unexplained 0; bill 64",
		"total: 97.3002; quarantined 8; usedEarlier -32 1h at 2019-12-10T00:00Z; reportedLater 16 30h at 2019-12-12T05:00Z; unexplained 0; bill 89.3002",
	}
	if diff := cmp.Diff(want, shorts(a.Draw(tenth.Day(), tenth.Day()+1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsLeftOverIsUnexplained(t *testing.T) {
	a := reconcile.NewAccount()
	a.Row(tenth, tenth+1, quantity(t, "5"))
	a.Bill(tenth.Day(), quantity(t, "4.9999999999999999999999999"))
	want := []string{"2019-12-10: 5; unexplained -0.0000000000000000000000001; bill 4.9999999999999999999999999"}
	if diff := cmp.Diff(want, shorts(a.Draw(tenth.Day(), tenth.Day()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReclassified(t *testing.T) {
	t.Run("what one line lacks and the other has is named", func(t *testing.T) {
		a := reconcile.NewAccount()
		a.Row(tenth, tenth+1, quantity(t, "5"))
		a.BillAdmin(tenth.Day(), quantity(t, "5"))
		want := []string{"2019-12-10: 5; reclassified -5; unexplained 0; bill 0", "2019-12-10: 0; reclassified 5; unexplained 0; bill 5"}
		if diff := cmp.Diff(want, shorts(a.Draw(tenth.Day(), tenth.Day()))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("but not another quantity", func(t *testing.T) {
		a := reconcile.NewAccount()
		a.Row(tenth, tenth+1, quantity(t, "5"))
		a.BillAdmin(tenth.Day(), quantity(t, "6"))
		want := []string{"2019-12-10: 5; unexplained -5; bill 0", "2019-12-10: 0; unexplained 6; bill 6"}
		if diff := cmp.Diff(want, shorts(a.Draw(tenth.Day(), tenth.Day()))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// sums is what the test adds up by itself, in fractions.
type sums map[string]*big.Rat

func (s sums) add(key string, q usage.Quantity, sign int64) {
	if s[key] == nil {
		s[key] = new(big.Rat)
	}
	r, _ := new(big.Rat).SetString(q.String())
	s[key].Add(s[key], r.Mul(r, big.NewRat(sign, 1)))
}

func (s sums) is(key string, q usage.Quantity) bool {
	r, _ := new(big.Rat).SetString(q.String())
	if s[key] == nil {
		return r.Sign() == 0
	}
	return s[key].Cmp(r) == 0
}

// TestCausesAlwaysAddUp makes rows with random delays, some refused, and random
// other causes; adds them up by itself; and wants each number, each delay, and
// every difference explained to the last digit.
func TestCausesAlwaysAddUp(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		a := reconcile.NewAccount()
		from := tenth.Day()
		to := from + usage.Day(rnd.IntN(4))
		want := sums{}
		within := func(d usage.Day) bool { return d >= from && d <= to }
		for range 1 + rnd.IntN(60) {
			used := tenth - 40 + usage.Hour(rnd.IntN(24*6))
			after := []usage.Hour{0, 1, 1, 1, 2, 5, 30, usage.Hour(rnd.IntN(100))}[rnd.IntN(8)]
			reported := used + after
			q := quantity(t, fmt.Sprintf("%d.%de-%d", rnd.IntN(1000), rnd.Uint64(), rnd.IntN(18)))
			for _, on := range []string{reported.Day().String(), "total"} {
				if on != "total" || within(reported.Day()) {
					want.add(on+" stack", q, 1)
				}
			}
			if rnd.IntN(10) == 0 {
				a.Refused(reported, q)
				continue
			}
			a.Row(used, reported, q)
			a.Bill(used.Day(), q)
			want.add(used.Day().String()+" bill", q, 1)
			if within(used.Day()) {
				want.add("total bill", q, 1)
			}
			if used.Day() != reported.Day() {
				want.add(fmt.Sprintf("%s usedEarlier %d", reported.Day(), after), q, -1)
				want.add(fmt.Sprintf("%s reportedLater %d", used.Day(), after), q, 1)
			}
		}
		for range rnd.IntN(5) {
			d := from - 1 + usage.Day(rnd.IntN(6))
			kind := []reconcile.Kind{reconcile.NotClosed, reconcile.Rejected, reconcile.CarriedIn, reconcile.NotReversed}[rnd.IntN(4)]
			q := quantity(t, fmt.Sprintf("-%d.%d", rnd.IntN(9), rnd.Uint32()))
			a.Enter(d, kind, q)
			a.Bill(d, q)
			want.add(d.String()+" bill", q, 1)
			if within(d) {
				want.add("total bill", q, 1)
			}
		}
		for _, l := range a.Draw(from, to) {
			left := l.Bill.Sub(l.Stack)
			for _, c := range l.Causes {
				left = left.Sub(c.Quantity)
				if c.Delay != nil && l.Day != reconcile.Total && !want.is(fmt.Sprintf("%s %s %d", l.Day, c.Kind, *c.Delay), c.Quantity) {
					t.Errorf("seed %d: %s", seed, short(l))
				}
			}
			if left.Sign() != 0 || l.Unexplained.Sign() != 0 || !want.is(l.Day+" stack", l.Stack) || !want.is(l.Day+" bill", l.Bill) {
				t.Errorf("seed %d: left %s: %s", seed, left, short(l))
			}
		}
	}
}
