package commerce_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/internal/devstack/commerce"
)

const otherResource = "/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourceGroups/rg1/providers/Microsoft.Storage/storageAccounts/files"

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

type resourceCosts struct {
	Amount    string
	Resources []struct {
		ResourceURI, Amount string
		Unpriced            int
		Meters              []struct{ MeterID, Unit, Quantity, Rate, Amount string }
	}
}

func getResources(s *service, month string) resourceCosts {
	s.tb.Helper()
	var out resourceCosts
	if err := json.Unmarshal([]byte(s.get("/v1/resource-costs?subscription="+payer+"&month="+month)), &out); err != nil {
		s.tb.Fatal(err)
	}
	return out
}

func TestResourceCosts(t *testing.T) {
	s := month(t)
	s.send(usage(nth(8), table, "1000000").on("2019-12-12").with("resourceUri", otherResource),
		usage(nth(9), baseVM, "50").on("2019-12-13").with("resourceUri", strings.ToUpper(otherResource)),
		usage(nth(10), baseVM, "-1").on("2019-12-14").with("resourceUri", otherResource+"2").with("kind", "correction").with("revision", 2).with("corrects", nth(3)))
	got := getResources(s, "2019-12")
	var lines []string
	for _, r := range got.Resources {
		lines = append(lines, fmt.Sprint(r.ResourceURI, " ", r.Amount, " ", r.Unpriced))
		for _, m := range r.Meters {
			lines = append(lines, fmt.Sprintf("%s %s %q %q", m.MeterID, m.Quantity, m.Rate, m.Amount))
		}
	}
	// The machine of the month has usage as tenants' and as infrastructure, and of a meter
	// without a price; a URI in other letters is of the same resource.
	want := []string{
		otherResource + " 25.4 0", table + ` 1000000 "0.000025" "25"`, baseVM + ` 50 "0.008" "0.4"`,
		resource + " 0.4 1", baseVM + ` 50 "0.008" "0.4"`, strange + ` 3.5 "" ""`, baseVM + ` 7 "0" "0"`,
		otherResource + "2 -0.008 0", baseVM + ` -1 "0.008" "-0.008"`,
	}
	if diff := cmp.Diff(want, lines); diff != "" || got.Amount != "25.792" {
		t.Errorf("all %s (-want +got):\n%s", got.Amount, diff)
	}
	t.Run("nothing used is nothing to show", func(t *testing.T) {
		if text := s.get("/v1/resource-costs?subscription=" + payer + "&month=2018-01"); text != `{"month":"2018-01","billingSubscriptionId":"`+payer+`","currency":"USD","resources":[],"amount":"0"}` {
			t.Error(text)
		}
	})
}

// TestLinesAddUp: days and resources to lines exactly, lines to the total in cents, and no
// line is more than half a cent off.
func TestLinesAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := start(t, commerce.Options{})
		meters := []string{baseVM, winVM, table, block, strange, blobTx}
		var records []fmt.Stringer
		for i := range rapid.IntRange(1, 12).Draw(rt, "records") {
			quantity := fmt.Sprintf("%d.%03d1", rapid.IntRange(0, 100_000).Draw(rt, "whole"), rapid.IntRange(0, 999).Draw(rt, "thousandths"))
			records = append(records, usage(nth(i), rapid.SampledFrom(meters).Draw(rt, "meter"), quantity).
				on(fmt.Sprintf("2019-12-%02d", rapid.IntRange(1, 31).Draw(rt, "day"))).
				with("resourceUri", otherResource+rapid.StringMatching("[a-c]").Draw(rt, "resource")))
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
		resources := getResources(s, "2019-12")
		for _, r := range resources.Resources {
			sum.Add(sum, rat(rt, r.Amount))
			for _, m := range r.Meters {
				if m.Amount != "" {
					exact.Sub(exact, rat(rt, m.Amount))
				}
			}
		}
		if exact.Sign() != 0 || sum.Cmp(rat(rt, costs.Amount)) != 0 || resources.Amount != costs.Amount {
			rt.Fatalf("days %s, resources %s, their sum %s; lines and meters of resources differ by %s", costs.Amount, resources.Amount, sum.FloatString(20), exact.FloatString(20))
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
