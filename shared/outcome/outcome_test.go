package outcome_test

import (
	"testing"

	"stackusage/shared/outcome"
	"stackusage/shared/usage"
)

func TestBilled(t *testing.T) {
	sent, err := usage.ParseSum("5")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status, stored string
		want           string // of the bill; empty: an error
		taken, inBill  bool
	}{
		{"Accepted", "", "5", true, true},
		{"Duplicate", "", "5", true, true},
		{"Conflict", "7", "7", false, true},
		{"Conflict", "-0.5", "-0.5", false, true},
		{"Conflict", "", "", false, true},
		{"Conflict", "x", "", false, true},
		{"Rejected", "7", "0", false, false},
		{"Expired", "", "0", false, false},
		{"accepted", "", "", false, false},
		{"", "", "", false, false},
	} {
		got, err := outcome.Billed(c.status, sent, c.stored)
		if err == nil && got.String() != c.want || err != nil && c.want != "" {
			t.Errorf("%s, stored %q: %s, %v; want %q", c.status, c.stored, got, err, c.want)
		}
		if outcome.Taken(c.status) != c.taken || outcome.InBill(c.status) != c.inBill {
			t.Errorf("%s: taken %t, in the bill %t", c.status, outcome.Taken(c.status), outcome.InBill(c.status))
		}
	}
}
