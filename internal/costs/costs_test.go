package costs_test

import (
	"testing"

	"stackusage/internal/costs"
)

func TestCost(t *testing.T) {
	prices, err := costs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prices.Prices {
		if got := prices.Cost(costs.Counts{p.Meter: 3 * p.Per}); got.FloatString(9) != prices.Cost(costs.Counts{p.Meter: p.Per}.Times(3)).FloatString(9) || got.Sign() <= 0 {
			t.Errorf("%s: %s", p.Meter, got.FloatString(9))
		}
	}
	if got := prices.Cost(costs.Counts{costs.BlobWrites: 20_000}.Plus(costs.Counts{costs.BlobWrites: 10_000}, costs.Counts{costs.Executions: 1_000_000})).FloatString(2); got != "0.55" {
		t.Errorf("30,000 writes and a million executions cost %s", got)
	}
}
