package commerce_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/internal/devstack/commerce"
)

type dailyCosts struct {
	Month, BillingSubscriptionID, Currency, Amount string
	Days, Amounts                                  []string
	Meters                                         []struct {
		MeterID, MeterName, Amount string
		Amounts                    []string
	}
}

func getCosts(s *service, month string) dailyCosts {
	s.tb.Helper()
	var out dailyCosts
	if err := json.Unmarshal([]byte(s.get("/v1/daily-costs?subscription="+payer+"&month="+month)), &out); err != nil {
		s.tb.Fatal(err)
	}
	return out
}

func TestDailyCosts(t *testing.T) {
	s := month(t)
	s.send(usage(nth(8), table, "1000000").on("2019-12-12"), usage(nth(9), m30, "1").on("2019-12-12").with("billingModel", "Capacity"))
	got := getCosts(s, "2019-12")
	if len(got.Days) != 22 || got.Days[0] != "2019-12-10" || got.Days[21] != "2019-12-31" {
		t.Fatalf("days %v", got.Days)
	}
	want := map[string]string{table: "25", baseVM: "0.4"}
	for _, m := range got.Meters {
		if want[m.MeterID] != m.Amount || len(m.Amounts) != len(got.Days) {
			t.Errorf("%+v", m)
		}
		delete(want, m.MeterID)
	}
	if len(want) > 0 || got.Meters[0].MeterID != table {
		t.Errorf("missing or out of order: %v", want)
	}
	if got.Amount != "25.4" || got.Amounts[0] != "0.3984" || got.Amounts[2] != "25" || got.Amounts[21] != "0.0016" || got.Amounts[1] != "0" {
		t.Errorf("%+v", got)
	}
	t.Run("nothing used is nothing to show", func(t *testing.T) {
		if text := s.get("/v1/daily-costs?subscription=" + payer + "&month=2018-01"); text != `{"month":"2018-01","billingSubscriptionId":"`+payer+`","currency":"USD","days":[],"meters":[],"amounts":[],"amount":"0"}` {
			t.Error(text)
		}
	})
}

// TestLinesAddUp: days to lines exactly, lines to the total in cents, and no
// line is more than half a cent off.
func TestLinesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := start(t, commerce.Options{})
		meters := []string{baseVM, winVM, table, block, strange, blobTx}
		var records []fmt.Stringer
		for i := range rapid.IntRange(1, 12).Draw(rt, "records") {
			quantity := fmt.Sprintf("%d.%03d1", rapid.IntRange(0, 100_000).Draw(rt, "whole"), rapid.IntRange(0, 999).Draw(rt, "thousandths"))
			records = append(records, usage(nth(i), rapid.SampledFrom(meters).Draw(rt, "meter"), quantity).
				on(fmt.Sprintf("2019-12-%02d", rapid.IntRange(1, 31).Draw(rt, "day"))))
		}
		s.send(records...)
		bill, costs := getBill(s, "?subscription="+payer+"&month=2019-12"), getCosts(s, "2019-12")
		exact, total := new(big.Rat), new(big.Rat)
		half := big.NewRat(1, 200)
		for _, l := range bill.Statements[0].Lines {
			if l.Rate == "" {
				if l.Amount != "" || l.Note == "" {
					rt.Fatalf("no price, and %+v", l)
				}
				continue
			}
			amount := rat(rt, l.Amount)
			product := new(big.Rat).Mul(rat(rt, l.Quantity), rat(rt, l.Rate))
			off := new(big.Rat).Sub(amount, product)
			if off.Abs(off).Cmp(half) > 0 {
				rt.Fatalf("%+v is off by %s", l, off.FloatString(10))
			}
			exact.Add(exact, product)
			total.Add(total, amount)
		}
		if diff := cmp.Diff(total.FloatString(2), bill.Statements[0].Total); diff != "" {
			rt.Fatalf("lines and total: %s", diff)
		}
		if exact.Cmp(rat(rt, costs.Amount)) != 0 {
			rt.Fatalf("days %s, lines %s", costs.Amount, exact.FloatString(20))
		}
		sum := new(big.Rat)
		for _, m := range costs.Meters {
			for _, a := range m.Amounts {
				sum.Add(sum, rat(rt, a))
			}
		}
		for _, a := range costs.Amounts {
			sum.Sub(sum, rat(rt, a))
		}
		if sum.Sign() != 0 {
			rt.Fatalf("meters and days differ by %s", sum.FloatString(20))
		}
	})
}

func rat(t *rapid.T, text string) *big.Rat {
	out, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return out
}
