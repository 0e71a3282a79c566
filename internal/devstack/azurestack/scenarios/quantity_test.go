package scenarios_test

import (
	"testing"

	"stackusage/internal/devstack/azurestack/scenarios"
)

func TestAmount(t *testing.T) {
	for _, tc := range []struct {
		units, per int64
		want       string
	}{
		{0, 1, "0.0"},
		{2, 1, "2.0"},
		{20480, 10, "2048.0"},
		{1, 744, "0.0013440860215053763"},
		{90, 1 << 30, "8.3819031715393066E-08"},
		{16384, 1 << 30, "1.52587890625E-05"},
		{12345, 10000, "1.2345"},
		{1, 10000, "0.0001"},
	} {
		if got := scenarios.Amount(tc.units, tc.per); got != tc.want {
			t.Errorf("%d/%d: got %s, want %s", tc.units, tc.per, got, tc.want)
		}
	}
}
