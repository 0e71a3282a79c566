package usagereport_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/internal/closeddays"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
	"stackusage/shared/usagesums"
)

func cacheIn(t testing.TB, dir string) *usagesums.Cache {
	t.Helper()
	c, err := usagesums.In(dir, 1<<30)
	ok(t, err)
	return c
}

// answer is a report as a text: every number, text and count of it.
func answer(t failer, s *scene, o usagereport.Options) string {
	t.Helper()
	r, err := usagereport.Run(t.Context(), s.reader, o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var text strings.Builder
	enc := json.NewEncoder(&text)
	for row, err := range r.Rows() {
		if err != nil {
			t.Fatal(err)
		}
		_ = enc.Encode(row)
		if row.Days != nil {
			_ = enc.Encode(row.Days)
		}
	}
	_ = enc.Encode([]any{r.Lines, r.Total, r.Unpriced, r.Coverage, r.Unread})
	return text.String()
}

type failer interface {
	testing.TB
}

// randomScene is a month of two days of February and three of March whose revisions are
// accepted, declined, pending, waived, carried, not reported and reversed by chance.
func randomScene(t testing.TB, rt *rapid.T) *scene {
	s := newScene(t)
	days := []usage.Day{}
	for _, text := range []string{"2024-02-27", "2024-02-28", "2024-03-05", "2024-03-09", "2024-03-10", "2024-04-01"} {
		d, err := usage.ParseDay(text)
		ok(t, err)
		days = append(days, d)
	}
	number := rapid.StringMatching(`(0|[1-9][0-9]{0,5})(\.[0-9]{1,25})?`)
	waiting := map[usage.Day]bool{}
	closedDays := map[usage.Day]bool{}
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		day := days[rapid.IntRange(0, len(days)-2).Draw(rt, "day")]
		if waiting[day] {
			continue
		}
		switch rapid.IntRange(0, 7).Draw(rt, "step") {
		case 0, 1, 2, 3:
			s.use(t, day.String(), rapid.SampledFrom([]string{own, subA, subB, subC}).Draw(rt, "sub"), rapid.SampledFrom([]string{"web01", "WEB01", "db", "x/y"}).Draw(rt, "resource"),
				rapid.SampledFrom([]string{tables, baseVM, addresses}).Draw(rt, "meter"), rapid.SampledFrom([]string{"", "null", `{"dept":"it"}`, `{"Dept":"hr"}`, `[1]`, longTags}).Draw(rt, "tags"),
				number.Draw(rt, "quantity"))
		case 4:
			if len(s.rows) == 0 {
				continue
			}
			s.TakeBack(day, func(r usage.Record) bool { return strings.HasSuffix(r.ResourceURI, "db") })
		case 5:
			ok(t, s.Close(t.Context(), day, closeddays.Revision{ReportingOff: true}))
			closedDays[day] = true
		case 6:
			if closedDays[day] {
				later := days[rapid.IntRange(0, len(days)-1).Draw(rt, "to")]
				if later > day && !waiting[later] {
					ok(t, s.Close(t.Context(), day, closeddays.Revision{CarryTo: later}))
				}
			}
		case 7:
			waiting[day] = closeRandomly(t, rt, s, day, waiting[day])
			closedDays[day] = true
		}
	}
	for _, day := range days {
		if !waiting[day] {
			waiting[day] = closeRandomly(t, rt, s, day, false)
		}
	}
	return s
}

func closeRandomly(t testing.TB, rt *rapid.T, s *scene, day usage.Day, _ bool) (waits bool) {
	statuses := rapid.SliceOfN(rapid.SampledFrom([]string{outcome.Accepted, outcome.Accepted, outcome.Duplicate, outcome.Rejected, "decided", outcome.Expired, outcome.Conflict, "", "waived"}), 4, 4).Draw(rt, "outcomes")
	ok(t, s.Close(t.Context(), day, closeddays.Revision{Waive: statuses[0] == "waived", Outcome: func(n int, r daily.Record) outcome.Result {
		switch status := statuses[n%len(statuses)]; status {
		case "":
			waits = true
			return outcome.Result{}
		case "waived":
			return outcome.Result{Status: outcome.Accepted}
		case "decided":
			return outcome.Result{Status: outcome.Rejected, Code: outbox.CodeDecided}
		default:
			return outcome.Result{Status: status, Quantity: "0.5"}
		}
	}}))
	return waits
}

// TestCachedAsRead: whatever became of usage, by every dimension, a report of what is in
// the cache is the report of what is read, to the last digit and the last count.
func TestCachedAsRead(t *testing.T) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		s := randomScene(t, rt)
		cache := cacheIn(t, filepath.Join(t.TempDir(), fmt.Sprint(n)))
		o := s.options(t, rapid.SampledFrom([]string{"meter", "tenant", "subscription", "resource", "day", "registration", "tag:Dept", "tenant,meter", "tag:dept,resource", "resource,meter,day"}).Draw(rt, "by"))
		o.ByUsageDay = rapid.Bool().Draw(rt, "by usage day")
		o.PerDay = rapid.Bool().Draw(rt, "per day")
		o.Top = rapid.IntRange(0, 3).Draw(rt, "top")
		if rapid.Bool().Draw(rt, "compare") {
			o.Compare = month(t, "2024-02")
		}
		if rapid.Bool().Draw(rt, "no prices") {
			o.Prices = nil
		}
		o.Only = usagereport.Filter{Subscription: rapid.SampledFrom([]string{"", "", subA, own}).Draw(rt, "subscription"),
			Tenant:   rapid.SampledFrom([]string{"", "", tenantA, "(infrastructure)", "(no tenant)", "(not settled)"}).Draw(rt, "tenant"),
			Resource: rapid.SampledFrom([]string{"", "", "web01", "DB", "/subscriptions/" + subA + "/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/WEB01"}).Draw(rt, "resource"),
			Meter:    rapid.SampledFrom([]string{"", "", baseVM, "Base VM Size Hours (admin)"}).Draw(rt, "meter")}
		read := answer(t, s, o)
		asked := oracle(t, s, o)
		if got := counted(t, s, o); !reflect.DeepEqual(asked, got) {
			rt.Fatalf("lines say\n%v\nthe report says\n%v", asked, got)
		}
		o.Cache = cache
		for _, what := range []string{"first read with a cache", "second"} {
			if got := answer(t, s, o); got != read {
				rt.Fatalf("%s:\n%s\nwithout a cache\n%s", what, got, read)
			}
		}
		o.CachedOnly = true
		r, err := usagereport.Run(t.Context(), s.reader, o)
		ok(t, err)
		for _, u := range r.Unread {
			if !u.Open {
				rt.Fatalf("%s is unread though it was read, and is not open", u.Day)
			}
		}
		ok(t, r.Close())
		if len(r.Unread) == 0 && answer(t, s, o) != read {
			rt.Fatal("what is cached alone differs")
		}
	})
}

// TestFill: what is left is named, and is there once the cache is filled.
func TestFill(t *testing.T) {
	s := filled(t, 200)
	o := s.options(t, "resource")
	read := answer(t, s, o)
	o.Cache, o.CachedOnly = cacheIn(t, t.TempDir()), true
	r, rows := report(t, s, o)
	if len(rows) != 0 || len(r.Unread) != r.Coverage[0].Months[0].Closed || r.Unread[0].Open || r.Unread[0].Registration != "hamburg" {
		t.Errorf("%d rows, unread %v", len(rows), r.Unread)
	}
	var told []int
	ok(t, usagereport.Fill(t.Context(), s.reader, o, func(done, total int) { told = append(told, done, total) }))
	if n := len(r.Unread); len(told) != 2*n+2 || told[0] != 0 || told[1] != n || told[2*n] != n {
		t.Errorf("progress %v", told)
	}
	if got := answer(t, s, o); got != read {
		t.Errorf("got %s\nwant %s", got, read)
	}
}

// TestWhatIsCachedIsNotTrusted: a file of another revision, or one that is damaged, is as
// good as none.
func TestWhatIsCachedIsNotTrusted(t *testing.T) {
	s := filled(t, 100)
	dir := t.TempDir()
	for _, by := range []string{"resource", "meter"} {
		o := s.options(t, by)
		read := answer(t, s, o)
		o.Cache = cacheIn(t, dir)
		answer(t, s, o)
		files, err := filepath.Glob(filepath.Join(dir, "*.sums"))
		ok(t, err)
		if len(files) == 0 {
			t.Fatal("nothing is cached")
		}
		text, err := os.ReadFile(files[0])
		ok(t, err)
		for i := 0; i < len(text); i += 1 + len(text)/60 {
			broken := append([]byte(nil), text...)
			broken[i] ^= 1
			if i%2 == 0 {
				broken = broken[:i]
			}
			ok(t, os.WriteFile(files[0], broken, 0o600))
			if got := answer(t, s, o); got != read {
				t.Fatalf("byte %d: got %s\nwant %s", i, got, read)
			}
		}
	}
	t.Run("a new revision", func(t *testing.T) {
		o := s.options(t, "meter")
		o.Cache = cacheIn(t, dir)
		day := s.rows[0].Hour.Day()
		s.use(t, day.String(), subA, "new", baseVM, "", "77")
		ok(t, s.Close(t.Context(), day, closeddays.Revision{}))
		o.Cache = nil
		read := answer(t, s, o)
		o.Cache = cacheIn(t, dir)
		if got := answer(t, s, o); got != read {
			t.Errorf("got %s\nwant %s", got, read)
		}
	})
	if old, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(old) > 0 {
		t.Errorf("left: %v", old)
	}
}
