package usagereport_test

import (
	"fmt"
	"strings"
	"testing"

	"stackusage/internal/closeddays"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

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
	o.ByAmount = true // B is not shown, and moved most
	want = "A billed 12 8 4 +50.0% most Base VM Size Hours 4\n billed 9.004 16 -6.996 -43.7% others 3"
	if r, rows := report(t, s, o); quick(rows) != want || r.Mover == nil || r.Mover.Tenant != tenantB {
		t.Errorf("got\n%s\nwant\n%s\nmover %+v", quick(rows), want, r.Mover)
	}
}

// TestNoMover: of three meters that change alike, none is named.
func TestNoMover(t *testing.T) {
	s := newScene(t)
	s.use(t, "2024-03-05", subA, "a", baseVM, "", "500")       // 4
	s.use(t, "2024-03-05", subA, "a", tables, "", "120000")    // 3
	s.use(t, "2024-03-05", subA, "a", windowsVM, "", "100")    // 4.6
	s.use(t, "2024-02-05", subA, "a", windowsVM, "", "50")     // 2.3
	s.use(t, "2024-03-05", subB, "a", baseVM, "", "500")       // 4
	s.use(t, "2024-02-05", subB, "a", windowsVM, "", "100")    // 4.6
	s.use(t, "2024-02-05", subB, "a", addresses, "", "100000") // no price
	s.closeAll(t)
	o := s.options(t, "tenant")
	o.Compare = month(t, "2024-02")
	want := "A billed 11.6 2.3 9.3 +404.3%\nB billed 4 4.6 -0.6 -13.0% most Windows VM Size Hours -4.6"
	got, rows := report(t, s, o)
	if quick(rows) != want || got.Total[1].Unpriced != 1 || len(got.Unpriced) != 1 {
		t.Errorf("unpriced %d, %v; got\n%s\nwant\n%s", got.Total[1].Unpriced, got.Unpriced, quick(rows), want)
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
		{"2024-03-15", closeddays.Revision{Outcome: say(outcome.Rejected, outbox.CodeDecided)}},
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
	check(o, "36.009", "A billed 27.009", "A carriedIn 9", "A carriedAway 18", "B pending 36", "B declined 45", "B waived 54", "(not settled) reportingOff 63")
	o.Top = 1
	check(o, "36.009", "A billed 27.009", " billed 9 others 1", "A carriedAway 18", "B pending 36", "B declined 45", "B waived 54", "(not settled) reportingOff 63")
	o.Top = 0
	t.Run("by usage day, carried usage that no closed day bills is left", func(t *testing.T) {
		o.ByUsageDay = true
		check(o, "27.009", "A billed 27.009", "A carriedAway 18", "B pending 36", "B declined 45", "B waived 54", "(not settled) reportingOff 63")
		ok(t, s.Close(t.Context(), day("2024-04-02"), closeddays.Revision{}))
		check(o, "45.009", "A billed 45.009", "B pending 36", "B declined 45", "B waived 54", "(not settled) reportingOff 63")
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
