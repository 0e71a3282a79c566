package usagereport_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// group is what the test itself makes of a row of usage.
func group(by string, r usage.Record, compare bool) string {
	subscription := r.SubscriptionID
	var texts []string
	for d := range strings.SplitSeq(by, ",") {
		switch d {
		case "meter":
			if texts = append(texts, r.MeterID); subscription == own {
				texts[len(texts)-1] += " admin"
			}
		case "subscription":
			texts = append(texts, subscription)
		case "tenant":
			texts = append(texts, map[string]string{subA: tenantA, subB: tenantB, own: "(infrastructure)"}[subscription])
			if subscription == subC {
				texts[len(texts)-1] = "(no tenant)"
			}
		case "resource":
			texts = append(texts, strings.ToLower(r.ResourceURI))
		case "day":
			text := r.Hour.Day().String()
			if compare {
				text = text[8:]
			}
			texts = append(texts, text)
		case "registration":
			texts = append(texts, "hamburg")
		case "tag:Dept":
			texts = append(texts, map[string]string{"": "(no tag)", "null": "(no tag)", `{"dept":"it"}`: "it", `{"Dept":"it","x":"y"}`: "it", `{"DEPT":"(no tag)"}`: `"(no tag)"`,
				`{"x":"y"}`: "(no tag)", `[1]`: "(unreadable)", `{"dept":1}`: "(unreadable)", `{"dept":"a","Dept":"b"}`: "(unreadable)", longTags: "(unreadable)"}[r.Tags])
		}
	}
	return strings.Join(texts, " ")
}

var longTags = `{"dept":"` + strings.Repeat("x", 16<<10) + `"}`

func shownGroup(by string, r usagereport.Row) string {
	var texts []string
	for d := range strings.SplitSeq(by, ",") {
		text := map[string]string{"meter": r.MeterID, "subscription": r.Subscription, "tenant": r.Tenant, "resource": strings.ToLower(r.Resource), "day": r.Day, "registration": r.Registration, "tag:Dept": r.Tags["Dept"]}[d]
		if d == "meter" && strings.HasSuffix(r.Meter, "(admin)") {
			text += " admin"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

// filled is a scene of random rows in two months.
func filled(t testing.TB, rows int) *scene {
	s := newScene(t)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(all ...string) string { return all[random.IntN(len(all))] }
	for range rows {
		day := fmt.Sprintf("2024-%02d-%02d", 2+random.IntN(2), 1+random.IntN(29))
		s.use(t, day, pick(own, subA, subB, subC), pick("web01", "WEB01", "db", "x"), pick(tables, baseVM, addresses),
			pick("", "null", `{"dept":"it"}`, `{"Dept":"it","x":"y"}`, `{"DEPT":"(no tag)"}`, `{"x":"y"}`, `[1]`, `{"dept":1}`, `{"dept":"a","Dept":"b"}`, longTags),
			fmt.Sprintf("%d.%024d", random.IntN(1000), 1+random.Int64()))
	}
	s.closeAll(t)
	return s
}

// TestSumsOfRows: groups, quantities and amounts are those that the test adds up from the
// rows, in fractions, for every choice of dimensions.
func TestSumsOfRows(t *testing.T) {
	s := filled(t, 600)
	for _, by := range []string{"meter", "tenant", "subscription", "resource", "day", "registration", "tag:Dept", "tenant,meter", "day,tag:Dept,resource,meter"} {
		for _, compare := range []bool{false, true} {
			for _, priced := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s compare %v priced %v", by, compare, priced), func(t *testing.T) {
					o := s.options(t, by)
					dims := by
					if compare {
						o.Compare = month(t, "2024-02")
					}
					if !priced {
						o.Prices = nil
						if !slices.Contains(o.By, "meter") {
							dims += ",meter"
						}
					}
					quantities, amounts := map[string]*[2]big.Rat{}, map[string]*[2]big.Rat{}
					total := new([2]big.Rat)
					for _, r := range s.rows {
						which := map[string]int{"2024-03": 0, "2024-02": 1}[r.Hour.Day().String()[:7]]
						if which == 1 && !compare {
							continue
						}
						g := group(dims, r, compare)
						if quantities[g] == nil {
							quantities[g] = new([2]big.Rat)
						}
						q := rat(t, r.Quantity.String())
						quantities[g][which].Add(&quantities[g][which], q)
						rate := rateOf(r.MeterID, r.Hour.Day())
						if r.SubscriptionID == own {
							rate = "0"
						}
						if rate == "" || !priced {
							continue
						}
						if amounts[g] == nil {
							amounts[g] = new([2]big.Rat)
						}
						a := new(big.Rat).Mul(q, rat(t, rate))
						amounts[g][which].Add(&amounts[g][which], a)
						total[which].Add(&total[which], a)
					}
					got, rows := report(t, s, o)
					for _, row := range rows {
						g := shownGroup(dims, row)
						if row.State != usagereport.Billed || quantities[g] == nil {
							t.Errorf("row %+v of group %q", row, g)
							continue
						}
						same(t, g+" quantity", strings.Contains(dims, "meter"), row.Quantity, &quantities[g][0])
						same(t, g+" quantity before", compare && strings.Contains(dims, "meter"), row.QuantityBefore, &quantities[g][1])
						if amounts[g] == nil {
							amounts[g] = new([2]big.Rat)
							same(t, g+" amount", false, row.Amount, nil)
						} else {
							same(t, g+" amount", true, row.Amount, &amounts[g][0])
							same(t, g+" amount before", compare, row.AmountBefore, &amounts[g][1])
						}
						if compare {
							change := new(big.Rat).Sub(&amounts[g][0], &amounts[g][1])
							if row.Amount == nil {
								change.Sub(&quantities[g][0], &quantities[g][1])
							}
							same(t, g+" change", row.Amount != nil || strings.Contains(dims, "meter"), row.Change, change)
						}
						delete(quantities, g)
					}
					if len(quantities) > 0 {
						t.Errorf("no rows of %v", quantities)
					}
					for i := range total {
						same(t, "total", true, &got.Total[i].Amount, &total[i])
					}
					inOrder(t, o, rows)
				})
			}
		}
	}
}

func same(t *testing.T, what string, there bool, got *usage.Quantity, want *big.Rat) {
	t.Helper()
	if (got != nil) != there {
		t.Errorf("%s: %v", what, got)
	} else if got != nil && rat(t, got.String()).Cmp(want) != 0 {
		t.Errorf("%s: %s, want %s", what, got, want.FloatString(40))
	}
}

// inOrder checks that the biggest is first, of rows with an amount.
func inOrder(t *testing.T, o usagereport.Options, rows []usagereport.Row) {
	t.Helper()
	if o.By[0] == "day" {
		if !slices.IsSortedFunc(rows, func(a, b usagereport.Row) int {
			if a.Amount == nil || b.Amount == nil {
				return 0
			}
			return strings.Compare(a.Day, b.Day)
		}) {
			t.Error("days are not in order")
		}
		return
	}
	var last *big.Rat
	for i, r := range rows {
		if r.Amount == nil {
			if i+1 < len(rows) && rows[i+1].Amount != nil {
				t.Errorf("row %d without an amount is before one with it", i)
			}
			continue
		}
		size := rat(t, r.Amount.String())
		if o.Compare != 0 && !o.ByAmount {
			size = rat(t, r.Change.String())
		}
		if size.Abs(size); last != nil && size.Cmp(last) > 0 {
			t.Errorf("row %d is bigger than the one before", i)
		}
		last = size
	}
}
