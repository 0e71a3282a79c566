package usagelines_test

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

const (
	cloudID      = "b31316d4-de02-43a4-903d-eb74f8258b01"
	subscription = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	tenant       = "3c1d9d6e-36d9-4d3c-9c0a-0d6f3b1f1a01"
	tableMeter   = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
)

var first = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)).Day()

type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func ok(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is a stack in memory, its reader, and sums that the test makes by itself.
type scene struct {
	closeddays.Stack
	t       failer
	account *memstore.Account
	reader  *usagelines.Reader

	used  sums            // by day of usage and resource: rows
	parts map[string]sums // by what became of it: by billed day, day of usage and resource
}

type sums map[string]*big.Rat

func (s sums) of(key string) *big.Rat {
	if s[key] == nil {
		s[key] = new(big.Rat)
	}
	return s[key]
}

func (s sums) add(key string, n *big.Rat) { s.of(key).Add(s.of(key), n) }

func rat(q usage.Quantity) *big.Rat {
	r, _ := new(big.Rat).SetString(q.String())
	return r
}

func newScene(t failer, dir string) *scene {
	meters, err := meter.BuiltIn()
	ok(t, err)
	account := memstore.New()
	ok(t, account.Tables.Create(context.Background(), table.Names()...))
	ok(t, account.Blobs.Create(context.Background(), table.Containers()...))
	s := &scene{t: t, account: account, used: sums{}, parts: map[string]sums{"billed": {}, "away": {}}}
	s.Stack = closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: dir,
		Billing: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", Model: registration.PayAsYouUse, Tenants: map[string]string{subscription: tenant}}
	s.reader = &usagelines.Reader{Tables: account.Tables, Blobs: account.Blobs, Meters: meters}
	return s
}

func (s *scene) use(day usage.Day, resource, quantity string) {
	q, err := usage.ParseQuantity(quantity)
	ok(s.t, err)
	uri := "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/" + resource
	s.Use(usage.Record{Shown: usage.Shown{SubscriptionID: subscription, ResourceURI: uri, MeterID: tableMeter}, Hour: day.First(), Quantity: q})
	s.used.add(key(day, day, uri), rat(q))
}

func key(billed, used usage.Day, uri string) string {
	return fmt.Sprint(billed, " ", used, " ", uri[strings.LastIndex(uri, "/")+1:])
}

// lines reads the days, and adds up.
func (s *scene) lines(q usagelines.Query) (total, billed, away, waived, pending, declined, unreported sums) {
	s.t.Helper()
	total, billed, away, waived, pending, declined, unreported = sums{}, sums{}, sums{}, sums{}, sums{}, sums{}, sums{}
	for l, err := range s.reader.Lines(context.Background(), q) {
		ok(s.t, err)
		k := key(l.Day.Day, l.UsedOn(), l.ResourceURI)
		all := new(big.Rat)
		for into, q := range map[*sums]usage.Quantity{&billed: l.Billed, &away: l.CarriedAway, &waived: l.Waived, &pending: l.Pending, &declined: l.Declined, &unreported: l.Unreported} {
			into.add(k, rat(q))
			all.Add(all, rat(q))
		}
		if total.add(k, rat(l.Total)); all.Cmp(rat(l.Total)) != 0 {
			s.t.Fatalf("%s: parts of %s, total %s", k, all.FloatString(30), l.Total)
		}
		if l.Tenant != tenant {
			s.t.Fatalf("tenant %q", l.Tenant)
		}
	}
	return
}

func (s *scene) same(what string, want, got sums) {
	s.t.Helper()
	for k := range want {
		got.of(k)
	}
	for k, n := range got {
		if n.Cmp(want.of(k)) != 0 {
			s.t.Fatalf("%s of %s: %s, want %s", what, k, n.FloatString(30), want.of(k).FloatString(30))
		}
	}
}

// closeRandomly closes a day with outcomes that are drawn, and keeps its own account of
// what commerce has.
func (s *scene) closeRandomly(rt *rapid.T, day, to usage.Day) {
	statuses := rapid.SliceOfN(rapid.SampledFrom([]string{outcome.Accepted, outcome.Accepted, outcome.Duplicate, outcome.Rejected, outcome.Expired, outcome.Conflict}), 4, 4).Draw(rt, "outcomes")
	if to != 0 { // what is left of each line of the day is usage of the other day
		left := sums{}
		for k, n := range s.used {
			left.add(k, n)
		}
		for _, part := range s.parts {
			for k, n := range part {
				left.add(k, new(big.Rat).Neg(n))
			}
		}
		for k, n := range left {
			if rest, of := strings.CutPrefix(k, day.String()); of {
				s.parts["away"].add(k, n)
				s.used.add(to.String()+rest, n)
			}
		}
	}
	ok(s.t, s.Close(context.Background(), day, closeddays.Revision{CarryTo: to, Outcome: func(n int, r daily.Record) outcome.Result {
		result := outcome.Result{Status: statuses[n%len(statuses)], Quantity: "0.5"}
		used := r.UsageDate
		if r.CarriedFrom != 0 {
			used = r.CarriedFrom
		}
		switch k := key(r.UsageDate, used, r.ResourceURI); {
		case outcome.Taken(result.Status):
			s.parts["billed"].add(k, rat(r.Quantity))
		case result.Status == outcome.Conflict:
			s.parts["billed"].add(k, big.NewRat(1, 2))
		}
		return result
	}}))
}

// TestLinesAreWhatCommerceHas: whatever is accepted, declined, in conflict or carried
// on, a line has what commerce accepted of it on the day, what was carried from it and
// what is left, by sums that the test makes from rows and outcomes.
func TestLinesAreWhatCommerceHas(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		s := newScene(rt, dir)
		closed := map[usage.Day]bool{}
		anyDay := rapid.IntRange(0, 2)
		number := rapid.StringMatching(`(0|[1-9][0-9]{0,5})(\.[0-9]{1,25})?`)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			day := first + usage.Day(anyDay.Draw(rt, "day"))
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0, 1:
				s.use(day, rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "resource"), number.Draw(rt, "quantity"))
				delete(closed, day)
			case 2:
				s.closeRandomly(rt, day, 0)
				closed[day] = true
			case 3:
				if to := day + usage.Day(rapid.IntRange(1, 2).Draw(rt, "later")); closed[day] {
					s.closeRandomly(rt, day, to)
					delete(closed, to)
				}
			}
		}
		for day := range usage.Day(5) {
			s.closeRandomly(rt, first+day, 0)
		}
		total, billed, away, waived, _, _, _ := s.lines(usagelines.Query{CloudID: cloudID, First: first, Last: first + 5})
		s.same("total", s.used, total)
		s.same("billed", s.parts["billed"], billed)
		s.same("carried away", s.parts["away"], away)
		s.same("waived", sums{}, waived)

		byUsage := sums{}
		for k, n := range s.parts["billed"] {
			byUsage.add(strings.Fields(k)[1], n)
		}
		for day := range usage.Day(3) {
			_, billed, _, _, _, _, _ := s.lines(usagelines.Query{CloudID: cloudID, First: first + day, Last: first + day, ByUsageDay: true})
			sum := new(big.Rat)
			for _, n := range billed {
				sum.Add(sum, n)
			}
			if sum.Cmp(byUsage.of((first + day).String())) != 0 {
				rt.Fatalf("used on %s and billed: %s, want %s", first+day, sum, byUsage.of((first + day).String()))
			}
		}
	})
}
