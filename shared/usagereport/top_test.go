package usagereport_test

import (
	"reflect"
	"testing"

	"stackusage/shared/usage"
)

// TestFiguresOfDays: the days of a row add up to the row, also of the others.
func TestFiguresOfDays(t *testing.T) {
	s := filled(t, 600)
	for _, by := range []string{"meter", "tenant", "resource", "tag:Dept", "subscription,resource"} {
		o := s.options(t, by)
		o.PerDay, o.Top = true, 3
		_, rows := report(t, s, o)
		for _, r := range rows {
			var amount usage.Quantity
			for i, d := range r.Days {
				if d.Amount != nil {
					amount = amount.Add(*d.Amount)
				}
				if i > 0 && r.Days[i-1].Day >= d.Day {
					t.Errorf("%s: days %v", by, r.Days)
				}
			}
			if r.Amount == nil != (amount.Sign() == 0) && r.Amount != nil && r.Amount.Sign() != 0 || r.Amount != nil && !r.Amount.Equal(amount) {
				t.Errorf("%s: row %+v, its days %s", by, r.Amount, amount)
			}
		}
		if len(rows) > 3 && (rows[3].Others == 0 || rows[3].Days == nil) {
			t.Errorf("%s: others %+v", by, rows[3])
		}
	}
}

// TestTop: the biggest rows are those of a report of all, and one row stands for the rest.
func TestTop(t *testing.T) {
	s := filled(t, 400)
	for _, by := range []string{"meter", "resource,meter", "day", "tag:Dept,resource"} {
		for _, compare := range []bool{false, true} {
			o := s.options(t, by)
			if compare {
				o.Compare = month(t, "2024-02")
			}
			_, all := report(t, s, o)
			o.Top = 4
			_, rows := report(t, s, o)
			n := min(4, len(all))
			if !reflect.DeepEqual(rows[:n], all[:n]) {
				t.Errorf("%s: got\n%+v\nwant\n%+v", by, rows[:n], all[:n])
			}
			if len(all) <= 4 {
				continue
			}
			var amount usage.Quantity
			var lines int64
			for _, r := range all[4:] {
				if lines += r.Lines; r.Amount != nil {
					amount = amount.Add(*r.Amount)
				}
			}
			others := rows[4]
			if len(rows) != 5 || others.Others != int64(len(all)-4) || others.Lines != lines || others.Amount != nil && !others.Amount.Equal(amount) || others.Amount == nil && amount.Sign() != 0 {
				t.Errorf("%s: others %+v, want %d rows, %d lines, %s", by, others, len(all)-4, lines, amount)
			}
		}
	}
}
