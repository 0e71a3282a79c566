package settlement_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/usage"
)

const (
	billing    = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	stackOne   = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	stackTwo   = "11111111-cfe9-4fcf-b90c-87f2af292fc9"
	stackOwn   = "22222222-cfe9-4fcf-b90c-87f2af292fc9"
	contosoDir = "dbab3982-796f-4d03-9908-044c08aef8a2"
	fabrikam   = "5f3c1d2e-796f-4d03-9908-044c08aef8a2"
)

func day10(t testing.TB) usage.Day {
	t.Helper()
	day, err := usage.ParseDay("20191210")
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// looked is an input and what its header says; hours from the end of the day.
type looked struct {
	input                string
	collected, tenantsAt time.Duration
	dated, stale         bool
	tenants              map[string]string
	own                  []string
}

func (l looked) header(end time.Time) daily.PartialHeader {
	h := daily.PartialHeader{CollectedAt: end.Add(l.collected), TenantsStale: l.stale, Tenants: l.tenants, ProviderSubscriptions: l.own}
	if l.dated {
		h.TenantsAt = end.Add(l.tenantsAt)
	}
	return h
}

// settled goes through the headers and asks for the subscriptions.
func settled(t testing.TB, before settlement.Settlement, revision int, inputs []looked, used ...string) settlement.Settlement {
	t.Helper()
	s := settlement.NewSettler(before, revision)
	for _, in := range inputs {
		s.Observe(in.input, in.header(before.UsageDay.End()))
	}
	if len(before.Parts) == 0 {
		s.By(1, "c", []settlement.SettledPart{{BillingSubscriptionID: billing, Infrastructure: []string{stackOwn}, Mappings: map[string]string{}}})
	}
	for _, id := range used {
		s.Tenant(strings.ReplaceAll(id, "-", ""))
	}
	return s.Settle()
}

func TestTheNearestObservationSettlesATenant(t *testing.T) {
	named := func(tenant string) map[string]string { return map[string]string{stackOne: tenant} }
	const h = time.Hour
	for name, tt := range map[string]struct {
		inputs []looked
		want   string
	}{
		"nobody names it":                      {[]looked{{input: "a", tenants: map[string]string{stackTwo: fabrikam}}}, ""},
		"in any spelling":                      {[]looked{{input: "a", tenants: map[string]string{strings.ToUpper(strings.ReplaceAll(stackOne, "-", "")): strings.ToUpper(contosoDir)}}}, contosoDir},
		"a tenant that is no GUID is none":     {[]looked{{input: "a", tenants: named("x")}, {input: "b", collected: 9 * h, tenants: named(contosoDir)}}, contosoDir},
		"the nearest":                          {[]looked{{input: "a", collected: -2 * h, tenants: named(fabrikam)}, {input: "b", collected: h, tenants: named(contosoDir)}, {input: "c", collected: 240 * h, tenants: named(fabrikam)}}, contosoDir},
		"before the end and after it alike":    {[]looked{{input: "a", collected: h, tenants: named(fabrikam)}, {input: "b", collected: -h, tenants: named(contosoDir)}}, contosoDir},
		"by the map's own time":                {[]looked{{input: "a", collected: 0, dated: true, tenantsAt: -5 * h, tenants: named(fabrikam)}, {input: "b", collected: 99 * h, dated: true, tenantsAt: h, tenants: named(contosoDir)}}, contosoDir},
		"a stale map that is dated counts":     {[]looked{{input: "a", collected: 9 * h, tenants: named(fabrikam)}, {input: "b", collected: 9 * h, dated: true, stale: true, tenantsAt: -h, tenants: named(contosoDir)}}, contosoDir},
		"a stale map without a date is last":   {[]looked{{input: "a", stale: true, tenants: named(fabrikam)}, {input: "b", collected: 1e5 * h, tenants: named(contosoDir)}}, contosoDir},
		"and better than nothing":              {[]looked{{input: "a", stale: true, tenants: named(contosoDir)}}, contosoDir},
		"a map of the same moment: first hour": {[]looked{{input: "2019121001_b", tenants: named(contosoDir)}, {input: "2019121002_a", tenants: named(fabrikam)}}, contosoDir},
		"a clock far away does not turn round": {[]looked{{input: "a", collected: -1 << 62, tenants: named(fabrikam)}, {input: "b", collected: 1 << 61, tenants: named(contosoDir)}}, contosoDir},
		"a nanosecond decides":                 {[]looked{{input: "a", collected: -h - 1, tenants: named(fabrikam)}, {input: "b", collected: h, tenants: named(contosoDir)}}, contosoDir},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				s := settled(t, settlement.Settlement{UsageDay: day10(t)}, 1, tt.inputs, stackOne)
				if got := s.Subscriptions[stackOne]; got.Tenant != tt.want || got.Revision != 1 {
					t.Errorf("settled %+v, want %q", got, tt.want)
				}
				slices.Reverse(tt.inputs) // the order of reading decides nothing
			}
		})
	}
}

func TestWhatIsSettledStays(t *testing.T) {
	at := func(input string, tenant string, collected time.Duration, own ...string) looked {
		return looked{input: input, collected: collected, tenants: map[string]string{stackOne: tenant, stackOwn: fabrikam}, own: own}
	}
	first := []looked{at("a", contosoDir, 4, stackOwn), at("b", fabrikam, 9, stackOwn)}
	before := settled(t, settlement.Settlement{UsageDay: day10(t)}, 1, first, stackOne, stackOwn)
	if before.Findings() != 0 {
		t.Errorf("findings of the first revision: %+v", before)
	}
	later := append(slices.Clone(first), at("c", fabrikam, 7, stackTwo, stackOwn), at("d", fabrikam, 2), at("e", contosoDir, 1, stackOwn))
	after := settled(t, before, 2, later, stackOne, stackOwn, stackTwo)
	end := day10(t).End()
	want := settlement.Settlement{
		UsageDay: day10(t), Change: 1, Catalogue: "c", Parts: before.Parts,
		Inputs: []settlement.SettledInput{{Input: "a", Revision: 1}, {Input: "b", Revision: 1}, {Input: "c", Revision: 2}, {Input: "d", Revision: 2}, {Input: "e", Revision: 2}},
		Subscriptions: map[string]settlement.SettledSubscription{
			stackOne: {Tenant: contosoDir, ObservedAt: end.Add(4), Input: "a", Revision: 1},
			stackOwn: {Tenant: fabrikam, ObservedAt: end.Add(4), Input: "a", Revision: 1},
			stackTwo: {Revision: 2},
		},
		Differs: []settlement.Observation{{Subscription: stackOne, Tenant: fabrikam, ObservedAt: end.Add(2), Input: "d"}},
		Seen: []settlement.SeenInfrastructure{
			{Subscriptions: []string{stackTwo, stackOwn}, Hash: registration.ListHash([]string{stackOwn, stackTwo}), Input: "c"},
			{Subscriptions: []string{}, Hash: registration.ListHash(nil), Input: "d"},
		},
	}
	slices.SortFunc(want.Seen, func(a, b settlement.SeenInfrastructure) int { return strings.Compare(a.Hash, b.Hash) })
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text, err := after.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := settlement.DecodeSettlement(text)
	want.Format = settlement.SettlementFormat
	if diff := cmp.Diff(want, again); diff != "" || err != nil {
		t.Errorf("read back (-want +got)\n%s%v", diff, err)
	}
	for name, bad := range map[string]string{"no JSON": "x", "another format": strings.Replace(string(text), "settlement/1", "settlement/2", 1), "no parts": `{"format":"stackusage-settlement/1"}`} {
		if _, err := settlement.DecodeSettlement([]byte(bad)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestAnyObservations compares the rule with one that is written from the format
// page alone: it reads the headers' JSON, and reckons in fractions.
func TestAnyObservations(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		end := day10(t).End()
		var inputs []looked
		for i := range 1 + rnd.IntN(6) {
			l := looked{input: fmt.Sprintf("20191210%02d_%016x", rnd.IntN(24), i), dated: rnd.IntN(2) == 0, stale: rnd.IntN(2) == 0, tenants: map[string]string{}}
			l.collected, l.tenantsAt = time.Duration(rnd.IntN(7)-3)*1e9, time.Duration(rnd.IntN(7)-3)*1e9
			for _, id := range []string{stackOne, stackTwo} {
				if rnd.IntN(3) > 0 {
					l.tenants[id] = []string{contosoDir, fabrikam, "", "nobody"}[rnd.IntN(4)]
				}
			}
			inputs = append(inputs, l)
		}
		slices.SortFunc(inputs, func(a, b looked) int { return strings.Compare(a.input, b.input) })
		s := settled(t, settlement.Settlement{UsageDay: day10(t)}, 1, inputs, stackOne, stackTwo)
		for _, id := range []string{stackOne, stackTwo} {
			if got, want := s.Subscriptions[id].Tenant, nearestOf(t, inputs, end, id); got != want {
				t.Fatalf("seed %d: %s is of %q, want %q\n%+v", seed, id, got, want, inputs)
			}
		}
	}
}

func nearestOf(t testing.TB, inputs []looked, end time.Time, id string) (tenant string) {
	t.Helper()
	seconds := func(text any) *big.Rat {
		at, err := time.Parse(time.RFC3339Nano, text.(string))
		if err != nil {
			t.Fatal(err)
		}
		return new(big.Rat).SetFrac64(at.Sub(end).Nanoseconds(), 1e9)
	}
	var best []*big.Rat
	for _, in := range inputs {
		text, err := json.Marshal(in.header(end))
		if err != nil {
			t.Fatal(err)
		}
		var h map[string]any
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		named, _ := h["tenants"].(map[string]any)[id].(string)
		if len(named) != 36 {
			continue
		}
		at, dated := h["tenantsAt"]
		if !dated {
			at = h["collectedAt"]
		}
		last := new(big.Rat)
		if !dated && h["tenantsStale"] == true {
			last.SetInt64(1)
		}
		this := []*big.Rat{last, new(big.Rat).Abs(seconds(at)), seconds(at)}
		// The inputs come in order: of two that are the same the first stays.
		if best == nil || slices.CompareFunc(this, best, (*big.Rat).Cmp) < 0 {
			best, tenant = this, named
		}
	}
	return tenant
}
