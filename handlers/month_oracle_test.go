package handlers_test

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// oracle says what the bill must be, from the rows and what was said of the
// registration, with nothing of the app: its own reader, its own arithmetic.
type oracle struct {
	meters   map[string][]string // rows of the catalogue by meter
	tenants  map[string]string   // stack subscription -> directory tenant
	charged  []said              // the registration's subscription
	mapped   map[string][]said   // by tenant
	operator []said              // infrastructure subscriptions, comma separated
}

// said is what holds from a day on.
type said struct{ day, what string }

func newOracle(t *testing.T) *oracle {
	t.Helper()
	f, err := os.Open("../shared/meter/meters.csv")
	ok(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	ok(t, err)
	o := &oracle{meters: map[string][]string{}, mapped: map[string][]said{}}
	for _, row := range rows[1:] {
		o.meters[strings.ReplaceAll(strings.ToLower(row[0]), "-", "")] = row
	}
	return o
}

// on is what holds on a day: what was said for the latest day by then, and of days
// before the first what was said for the first.
func on(history []said, day string) string {
	what := ""
	for i, s := range history {
		if s.day <= day || i == 0 {
			what = s.what
		}
	}
	return what
}

func say(history []said, s said) []said {
	history = slices.DeleteFunc(slices.Clone(history), func(have said) bool { return have.day == s.day })
	history = append(history, s)
	slices.SortFunc(history, func(a, b said) int { return cmp.Compare(a.day, b.day) })
	return history
}

// charge is another subscription from a day on. Entries of later days that only say
// that what was goes on follow it.
func (o *oracle) charge(day, subscription string) {
	if on(o.charged, day) == subscription {
		return
	}
	was := o.charged
	now := say(was, said{day, subscription})
	for _, s := range was {
		if s.day > day && s.day > was[0].day && s.what == on(was, dayBefore(s.day)) {
			now = say(now, said{s.day, on(now, dayBefore(s.day))})
		}
	}
	o.charged = now
}

func dayBefore(day string) string {
	t, _ := time.Parse("20060102", day)
	return t.AddDate(0, 0, -1).Format("20060102")
}

// bill sums rows by day, payer, class, commerce's meter, meter and resource.
func (o *oracle) bill(t *testing.T, rows []string) map[string]string {
	t.Helper()
	sums := map[string]*big.Rat{}
	for _, text := range rows {
		var row struct {
			Properties struct {
				SubscriptionID, MeterID, UsageStartTime, InstanceData string
				Quantity                                              json.Number
			}
		}
		ok(t, json.Unmarshal([]byte(text), &row))
		p := row.Properties
		var instance map[string]struct{ ResourceURI string }
		ok(t, json.Unmarshal([]byte(p.InstanceData), &instance))
		day := p.UsageStartTime[:10]
		compact := strings.ReplaceAll(day, "-", "")
		payer := on(o.charged, compact)
		class, commerces := "unknown", ""
		m, known := o.meters[strings.ReplaceAll(strings.ToLower(p.MeterID), "-", "")]
		if known {
			class, commerces = m[4], m[6]
		}
		if strings.Contains(on(o.operator, compact), p.SubscriptionID) {
			if class, commerces = "admin", ""; known {
				commerces = m[7]
			}
		} else if history := o.mapped[o.tenants[p.SubscriptionID]]; len(history) > 0 && history[0].day <= compact {
			payer = cmp.Or(on(history, compact), payer)
		}
		q, good := new(big.Rat).SetString(p.Quantity.String())
		if !good {
			t.Fatal(text)
		}
		addTo(sums, lineKey(day, payer, class, commerces, p.MeterID, instance["Microsoft.Resources"].ResourceURI), q)
	}
	return nonzero(sums)
}

func lineKey(parts ...string) string { return strings.ToLower(strings.Join(parts, " ")) }

func addTo(sums map[string]*big.Rat, key string, q *big.Rat) {
	if sums[key] == nil {
		sums[key] = new(big.Rat)
	}
	sums[key].Add(sums[key], q)
}

func nonzero(sums map[string]*big.Rat) map[string]string {
	out := map[string]string{}
	for key, sum := range sums {
		if sum.Sign() != 0 {
			out[key] = sum.RatString()
		}
	}
	return out
}

// billedLines is what commerce has accepted, by the same parts.
func billedLines(t *testing.T, b billing) map[string]string {
	t.Helper()
	sums := map[string]*big.Rat{}
	for _, r := range rawRecords(t, b) {
		text := func(name string) string { s, _ := r[name].(string); return s }
		q, good := new(big.Rat).SetString(text("quantity"))
		if !good {
			t.Fatalf("%v", r)
		}
		addTo(sums, lineKey(text("usageDate"), text("billingSubscriptionId"), text("meterClass"), text("commerceMeterId"), text("meterId"), text("resourceUri")), q)
	}
	return nonzero(sums)
}
