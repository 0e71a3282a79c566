package usagereport_test

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	own     = "09065051-cfe9-4fcf-b90c-87f2af292fc9" // the stack's
	subA    = "11111111-1111-4111-8111-111111111111"
	subB    = "22222222-2222-4222-8222-222222222222"
	subC    = "33333333-3333-4333-8333-333333333333" // of no tenant
	tenantA = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	tenantB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"

	tables    = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
	baseVM    = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	addresses = "f271a8a3-88c4-4d93-956a-063e1d2fa80b" // without a price
)

// priceList has a rate that changes in mid-month.
const priceList = `effective,meter_id,meter_name,unit,usd_rate,source_note
2017-01-01,` + tables + `,,,0.000025,
2017-01-01,` + baseVM + `,,,0.008,
2024-03-10,` + baseVM + `,,,0.009,
2017-01-01,` + addresses + `,,,,no published rate
`

func rateOf(meterID string, day usage.Day) string {
	switch {
	case meterID == tables:
		return "0.000025"
	case meterID == baseVM && day.String() >= "2024-03-10":
		return "0.009"
	case meterID == baseVM:
		return "0.008"
	}
	return ""
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func month(t testing.TB, text string) usage.Month {
	t.Helper()
	m, err := usage.ParseMonth(text)
	ok(t, err)
	return m
}

// scene is a stack in memory, and the rows that the test gave it.
type scene struct {
	closeddays.Stack
	reader *usagelines.Reader
	rows   []usage.Record
}

func newScene(t testing.TB) *scene {
	meters, err := meter.BuiltIn()
	ok(t, err)
	account := memstore.New()
	ok(t, account.Tables.Create(context.Background(), table.Names()...))
	ok(t, account.Blobs.Create(context.Background(), table.Containers()...))
	return &scene{
		Stack: closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
			Billing: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", Model: registration.PayAsYouUse, Infrastructure: []string{own},
			Tenants: map[string]string{subA: tenantA, subB: tenantB, own: tenantB}},
		reader: &usagelines.Reader{Ledger: &ledger.Ledger{Store: account.Tables}, Blobs: account.Blobs, Meters: meters},
	}
}

func (s *scene) use(t testing.TB, day, subscription, resource, meterID, tags, quantity string) {
	t.Helper()
	d, err := usage.ParseDay(day)
	ok(t, err)
	q, err := usage.ParseQuantity(quantity)
	ok(t, err)
	r := usage.Record{Hour: d.First() + 3, Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meterID, Tags: tags,
		ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + resource}}
	s.Use(r)
	s.rows = append(s.rows, r)
}

func (s *scene) closeAll(t testing.TB) {
	t.Helper()
	days := map[usage.Day]bool{}
	for _, r := range s.rows {
		if !days[r.Hour.Day()] {
			days[r.Hour.Day()] = true
			ok(t, s.Close(t.Context(), r.Hour.Day(), closeddays.Revision{}))
		}
	}
}

func (s *scene) options(t testing.TB, by string) usagereport.Options {
	t.Helper()
	list, err := prices.Read(strings.NewReader(priceList))
	ok(t, err)
	o := usagereport.Options{Month: month(t, "2024-03"), Prices: list, TempDir: t.TempDir(), Now: time.Date(2024, 4, 20, 0, 0, 0, 0, time.UTC),
		Registrations: []registration.History{{CloudID: cloudID, Registrations: []registration.Registration{{CloudID: cloudID, Name: "hamburg",
			EffectiveDay: "20240101", Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}}}}}
	o.By, err = usagereport.ParseDimensions(by)
	ok(t, err)
	return o
}

func report(t testing.TB, s *scene, o usagereport.Options) (*usagereport.Report, []usagereport.Row) {
	t.Helper()
	r, err := usagereport.Run(t.Context(), s.reader, o)
	ok(t, err)
	t.Cleanup(func() { ok(t, r.Close()) })
	var rows []usagereport.Row
	for row, err := range r.Rows() {
		ok(t, err)
		rows = append(rows, row)
	}
	return r, rows
}

func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	n, is := new(big.Rat).SetString(text)
	if !is {
		t.Fatalf("number %q", text)
	}
	return n
}

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
		if o.Compare != 0 {
			size = rat(t, r.Change.String())
		}
		if size.Abs(size); last != nil && size.Cmp(last) > 0 {
			t.Errorf("row %d is bigger than the one before", i)
		}
		last = size
	}
}

func quick(rows []usagereport.Row) string {
	var texts []string
	for _, r := range rows {
		text := fmt.Sprintf("%s %s", r.Tenant, r.State)
		for _, q := range []*usage.Quantity{r.Amount, r.AmountBefore, r.Change} {
			if q != nil {
				text += " " + q.String()
			}
		}
		if r.Percent != "" {
			text += " " + r.Percent + "%"
		}
		if r.Most != nil {
			text += " most " + r.Most.Meter + " " + r.Most.Change.String()
		}
		if r.Others > 0 {
			text += fmt.Sprintf(" others %d", r.Others)
		}
		texts = append(texts, strings.ReplaceAll(strings.ReplaceAll(text, tenantA, "A"), tenantB, "B"))
	}
	return strings.Join(texts, "\n")
}

// TestBiggestMovers is computed by hand.
func TestBiggestMovers(t *testing.T) {
	s := newScene(t)
	s.use(t, "2024-02-05", subA, "a", baseVM, "", "1000")  // 8
	s.use(t, "2024-03-05", subA, "a", baseVM, "", "1500")  // 12
	s.use(t, "2024-02-05", subB, "a", baseVM, "", "2000")  // 16
	s.use(t, "2024-03-05", subB, "a", baseVM, "", "1000")  // 8
	s.use(t, "2024-03-05", subB, "b", tables, "", "40000") // 1
	s.use(t, "2024-03-05", own, "b", baseVM, "", "40000")  // free
	s.use(t, "2024-03-05", subC, "b", baseVM, "", "0.5")   // 0.004
	s.closeAll(t)
	o := s.options(t, "tenant")
	o.Compare = month(t, "2024-02")
	want := strings.Join([]string{
		"B billed 9 16 -7 -43.8% most Base VM Size Hours -8",
		"A billed 12 8 4 +50.0% most Base VM Size Hours 4",
		"(no tenant) billed 0.004 0 0.004 most Base VM Size Hours 0.004",
		"(infrastructure) billed 0 0 0",
	}, "\n")
	if _, rows := report(t, s, o); quick(rows) != want {
		t.Errorf("got\n%s\nwant\n%s", quick(rows), want)
	}
	o.Top = 1
	want = "B billed 9 16 -7 -43.8% most Base VM Size Hours -8\n billed 12.004 8 4.004 +50.1% others 3"
	if _, rows := report(t, s, o); quick(rows) != want {
		t.Errorf("got\n%s\nwant\n%s", quick(rows), want)
	}
}

// TestStates: what is not simply billed is apart, and only what is in the bill is in the
// total. Carried usage is of the day that bills it or, by usage day, of the day of its use.
func TestStates(t *testing.T) {
	s := newScene(t)
	s.use(t, "2024-02-28", subA, "a", baseVM, "", "1000") // carried from February: 9 on 12 March
	s.use(t, "2024-03-20", subA, "a", baseVM, "", "2000") // carried to April
	s.use(t, "2024-03-11", subA, "a", baseVM, "", "3000") // accepted: 27
	s.use(t, "2024-03-12", subA, "a", baseVM, "", "1")    // 0.009
	s.use(t, "2024-03-13", subB, "a", baseVM, "", "4000") // 36, without an outcome
	s.use(t, "2024-03-14", subB, "a", baseVM, "", "5000") // 45, declined
	s.use(t, "2024-03-15", subB, "a", baseVM, "", "6000") // 54, settled as declined
	s.use(t, "2024-03-16", subB, "a", baseVM, "", "7000") // 63, never reported
	day := func(text string) usage.Day { d, err := usage.ParseDay(text); ok(t, err); return d }
	say := func(status, code string) func(int, daily.Record) outcome.Result {
		return func(int, daily.Record) outcome.Result { return outcome.Result{Status: status, Code: code} }
	}
	for _, c := range []struct {
		day string
		how closeddays.Revision
	}{
		{"2024-02-28", closeddays.Revision{Outcome: say(outcome.Expired, "")}},
		{"2024-02-28", closeddays.Revision{CarryTo: day("2024-03-12")}},
		{"2024-03-11", closeddays.Revision{}},
		{"2024-03-12", closeddays.Revision{}},
		{"2024-03-13", closeddays.Revision{Outcome: say("", "")}},
		{"2024-03-14", closeddays.Revision{Outcome: say(outcome.Rejected, "Odd")}},
		{"2024-03-15", closeddays.Revision{Outcome: say(outcome.Rejected, ledger.CodeDecided)}},
		{"2024-03-16", closeddays.Revision{ReportingOff: true}},
		{"2024-03-20", closeddays.Revision{Outcome: say(outcome.Expired, "")}},
		{"2024-03-20", closeddays.Revision{CarryTo: day("2024-04-02")}},
	} {
		ok(t, s.Close(t.Context(), day(c.day), c.how))
	}
	check := func(o usagereport.Options, total string, want ...string) {
		t.Helper()
		got, rows := report(t, s, o)
		if quick(rows) != strings.Join(want, "\n") || got.Total[0].Amount.String() != total {
			t.Errorf("total %s, rows\n%s\nwant %s\n%s", got.Total[0].Amount, quick(rows), total, strings.Join(want, "\n"))
		}
	}
	o := s.options(t, "tenant")
	check(o, "36.009", "A billed 27.009", "A carriedIn 9", "A carriedAway 18", "B pending 36", "B declined 45", "B waived 54", "(no tenant) reportingOff 63")
	t.Run("by usage day, carried usage that no closed day bills is left", func(t *testing.T) {
		o.ByUsageDay = true
		check(o, "27.009", "A billed 27.009", "A carriedAway 18", "B pending 36", "B declined 45", "B waived 54", "(no tenant) reportingOff 63")
		ok(t, s.Close(t.Context(), day("2024-04-02"), closeddays.Revision{}))
		check(o, "45.009", "A billed 45.009", "B pending 36", "B declined 45", "B waived 54", "(no tenant) reportingOff 63")
		o.Month = month(t, "2024-02")
		check(o, "9", "A billed 9")
	})
	t.Run("open days are named", func(t *testing.T) {
		got, _ := report(t, s, s.options(t, "tenant"))
		c := got.Coverage[0].Months[0]
		if c.Days != 31 || c.Closed != 7 || len(c.Never) != 24 || c.Never[0].String() != "2024-03-01" {
			t.Errorf("%+v", c)
		}
	})
}

func TestParseDimensions(t *testing.T) {
	for text, want := range map[string]string{
		"":             `dimension "": want meter, subscription, tenant, resource, day, registration or tag:NAME`,
		"tenants":      `dimension "tenants": want meter,`,
		"tag:":         "want the name of a tag",
		"meter, meter": `dimension "meter": named twice`,
	} {
		if _, err := usagereport.ParseDimensions(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
