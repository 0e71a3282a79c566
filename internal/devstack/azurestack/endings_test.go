package azurestack_test

import (
	"strings"
	"testing"

	"stackusage/internal/devstack/azurestack"
)

func TestListingsEndInTurn(t *testing.T) {
	s := newScenario(t, azurestack.Options{Endings: []string{azurestack.EndAbsent, azurestack.EndNull, azurestack.EndEmpty, azurestack.EndPage}})
	got := map[string]int{}
	for _, hour := range []string{"2024-03-02T08:00:00Z", "2024-03-02T09:00:00Z", "2024-03-02T10:00:00Z", "2024-03-02T11:00:00Z"} {
		body := get(s, usage(adminPath, hour)).Body.String()
		_, tail, found := strings.Cut(body, `"nextLink":`)
		switch {
		case !found:
			got[azurestack.EndAbsent]++
		case tail == "null}":
			got[azurestack.EndNull]++
		case tail == `""}`:
			got[azurestack.EndEmpty]++
		default:
			got[azurestack.EndPage]++
		}
		if found && len(tail) < 10 {
			continue
		}
		if rows, pages := all(t, s, usage(adminPath, hour)); len(rows) == 0 || pages == 2 != found {
			t.Errorf("hour %s: %d rows on %d pages, after %.80s", hour, len(rows), pages, tail)
		}
	}
	mustEqual(t, map[string]int{"absent": 1, "null": 1, "empty": 1, "page": 1}, got)
}

func TestADeletedSubscriptionIsServedAndNotListed(t *testing.T) {
	gone := newScenario(t, azurestack.Options{}).Subscriptions()[1].SubscriptionID
	s := newScenario(t, azurestack.Options{Deleted: []string{gone}})
	list := get(s, "/subscriptions/{provider}/providers/Microsoft.Subscriptions.Admin/subscriptions?api-version=2015-11-01").Body.String()
	if strings.Contains(list, `"subscriptionId":"`+gone) || !strings.Contains(list, "subscriptionId") {
		t.Errorf("listed: %s", list)
	}
	if w := get(s, usage(adminPath, burstHour, "subscriberId", gone)); w.Code != 200 {
		t.Errorf("asked for by name: %d %s", w.Code, w.Body)
	}
}

func TestAFaultOfOneKindWaitsForIt(t *testing.T) {
	s := newScenario(t, azurestack.Options{Faults: []azurestack.Fault{
		{Status: 504, Only: "stack"}, {Status: 400, Only: "subscriber"}, {Status: 503, Only: "subscriptions"},
	}})
	list := "/subscriptions/{provider}/providers/Microsoft.Subscriptions.Admin/subscriptions?api-version=2015-11-01"
	one := usage(adminPath, burstHour, "subscriberId", s.Subscriptions()[1].SubscriptionID)
	for i, step := range []struct {
		target string
		status int
	}{
		{list, 200}, {one, 200}, {usage(adminPath, burstHour), 504}, {list, 200}, {usage(adminPath, burstHour), 200},
		{one, 400}, {one, 200}, {list, 503}, {list, 200},
	} {
		if w := get(s, step.target); w.Code != step.status {
			t.Errorf("step %d: %d, want %d", i, w.Code, step.status)
		}
	}
}

func TestNewRefusesWhatItCannotPlay(t *testing.T) {
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	for _, opts := range []azurestack.Options{{Endings: []string{"never"}}, {Faults: []azurestack.Fault{{Status: 503, Only: "tea"}}}} {
		if _, err := azurestack.New(src, opts); err == nil {
			t.Errorf("%+v: accepted", opts)
		}
	}
}
