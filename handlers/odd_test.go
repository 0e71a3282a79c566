package handlers_test

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestWhatIsAcceptedIsBilled: a row that counts must not be refused for its
// form by commerce afterwards.
func TestWhatIsAcceptedIsBilled(t *testing.T) {
	t.Parallel()
	r := registered(t)
	bill := newBilling(t, r)
	plain := row(1, hour22, "1")
	with := func(old, new string) string {
		t.Helper()
		if !strings.Contains(plain, old) {
			t.Fatalf("%s has no %s", plain, old)
		}
		return strings.Replace(plain, old, new, 1)
	}
	rows := []string{
		with(`\"location\":\"northwest\"`, `\"location\":\"\"`),
		with(`\"location\":\"northwest\"`, `\"location\":\"null\"`),
		with(`,\"location\":\"northwest\"`, ``),
		with(`\"tags\":\"\"`, `\"tags\":\"null\"`),
		with(`\"tags\":\"\"`, `\"tags\":\"{\\\"a\\\":\\\"<&>\\u0001\\\"}\"`),
		with(`\"tags\":\"\"`, `\"tags\":\"`+strings.Repeat("x", 20_000)+`\"`),
		with(`\"additionalInfo\":\"\"`, `\"additionalInfo\":\"`+strings.Repeat("ä", 10_000)+`\"`),
		with(`\"additionalInfo\":\"\"`, `\"additionalInfo\":{\"ServiceType\":\"Standard_D2\"}`),
		with(tableMeter, "0b4fcb5efbdb5fd3837cff562e918fbb"),
		with(tableMeter, strings.ToUpper(strings.ReplaceAll(tableMeter, "-", ""))),
		with(`"quantity":1`, `"quantity":"0e99"`),
		with(`"quantity":1`, `"quantity":1e20`),
		with(`"quantity":1`, `"quantity":1e-40`),
		with("/resourceGroups/rg/", "/resourceGroups/Gruppe ünï/"),
		with("/subscriptions/"+subscription, "/subscriptions/11111111-2222-4333-8444-555555555555"),
	}
	r.ingest(t, hour22+1, rows...)
	r.ingest(t, hour22)
	r.ingest(t, hour00)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	day := r.onlyOfDay(t, "UsageDays")
	if day["rows"] != int64(len(rows)) {
		t.Errorf("%v of %d rows count; quarantine: %v", day["rows"], len(rows), r.rows(t, "Quarantine"))
	}
	for key, line := range r.rows(t, "DailyUsage") {
		if line["outcome"] != "Accepted" {
			t.Errorf("%s: %v %v: %v", key, line["outcome"], line["outcomeCode"], line["outcomeMessage"])
		}
	}
	if n := int64(len(bill.records(t))); n != day["records"] {
		t.Errorf("%d records billed of %v", n, day["records"])
	}
}
