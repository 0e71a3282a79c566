package commerce_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/commerce"
)

func TestFaults(t *testing.T) {
	post := func(s *service, records ...fmt.Stringer) (*http.Response, string, error) {
		return s.do(http.MethodPost, "/v1/records", batch(records...))
	}
	lines := func(s *service) int { return strings.Count(s.get("/v1/records.ndjson"), "\n") }
	one := usage(nth(1), baseVM, "1")

	t.Run("a status is given as often as asked and takes nothing", func(t *testing.T) {
		s := start(t, commerce.Options{})
		s.fault(`{"next":2,"status":503,"retryAfter":2}`)
		s.fault(`{"next":1,"status":429}`)
		for _, want := range []struct {
			status int
			after  string
		}{{503, "2"}, {503, "2"}, {429, ""}} {
			resp, _, err := post(s, one)
			if err != nil || resp.StatusCode != want.status || resp.Header.Get("Retry-After") != want.after || lines(s) != 0 {
				t.Errorf("got %v %v, %d taken; want %v", resp, err, lines(s), want)
			}
		}
		if got := statuses(s.send(one)); got != "Accepted" {
			t.Errorf("afterwards: %s", got)
		}
	})
	for _, tt := range []struct {
		cut   string
		taken int
		then  string
	}{{"before", 0, "Accepted"}, {"after", 1, "Duplicate"}, {"middle", 1, "Duplicate"}} {
		t.Run("cut "+tt.cut, func(t *testing.T) {
			s := start(t, commerce.Options{})
			s.fault(`{"next":1,"cut":"` + tt.cut + `"}`)
			resp, text, err := post(s, one)
			if err == nil {
				t.Errorf("got a whole answer: %s %s", resp.Status, text)
			}
			if tt.cut == "middle" && (resp == nil || resp.StatusCode != 200 || text == "") {
				t.Errorf("got %v %q, want the first half of a 200", resp, text)
			}
			if got := lines(s); got != tt.taken {
				t.Errorf("%d records were taken, want %d", got, tt.taken)
			}
			if got := statuses(s.send(one)); got != tt.then {
				t.Errorf("again: %s, want %s", got, tt.then)
			}
		})
	}
	t.Run("results are dropped, the records are kept", func(t *testing.T) {
		s := start(t, commerce.Options{})
		s.fault(`{"next":1,"dropResults":2}`)
		if got := s.send(one, usage(nth(2), baseVM, "1"), usage(nth(3), baseVM, "1")); len(got) != 1 || lines(s) != 3 {
			t.Errorf("got %+v, %d taken", got, lines(s))
		}
		s.fault(`{"next":1,"dropResults":9}`)
		if resp, text, err := post(s, one); err != nil || resp.StatusCode != 200 || text != `{"results":[]}` {
			t.Errorf("more than there are: %v %v %s", err, resp, text)
		}
	})
	for how, want := range map[string]string{
		"status": `"status":"Perhaps"`, "twice": nth(1), "stranger": "00000000-0000-5000-8000-000000000000",
	} {
		t.Run("a wrong result: "+how, func(t *testing.T) {
			s := start(t, commerce.Options{})
			s.fault(`{"next":1,"wrongResult":"` + how + `"}`)
			resp, text, err := post(s, one)
			if err != nil || resp.StatusCode != 200 || !strings.Contains(text, want) || how == "twice" && strings.Count(text, want) != 2 {
				t.Errorf("got %v %v %s", err, resp, text)
			}
			if got := statuses(s.send(one)); got != "Duplicate" {
				t.Errorf("again: %s, want Duplicate: the record was taken", got)
			}
		})
	}
	t.Run("results are shuffled", func(t *testing.T) {
		s := start(t, commerce.Options{})
		s.fault(`{"shuffle":true}`)
		var records []fmt.Stringer
		var want []string
		for i := range 50 {
			records, want = append(records, usage(nth(i), baseVM, "1")), append(want, nth(i))
		}
		var got []string
		for _, r := range s.send(records...) {
			got = append(got, r.RecordID)
		}
		if slices.Equal(got, want) {
			t.Error("they came in the order of the batch")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Error("they are not the results of the batch")
		}
	})
	t.Run("a meter is rejected until the faults are cleared", func(t *testing.T) {
		s := start(t, commerce.Options{})
		s.send(one)
		s.fault(`{"rejectMeter":"` + strings.ToUpper(baseVM) + `"}`)
		s.fault(`{"rejectMeter":"` + m30 + `"}`)
		s.fault(`{"next":5,"status":500}`)
		clearAll := func() {
			if resp, _, err := s.do(http.MethodDelete, "/_devstack/faults", ""); err != nil || resp.StatusCode != 204 {
				t.Fatal(err, resp)
			}
		}
		if resp, _, err := post(s, one); err != nil || resp.StatusCode != 500 {
			t.Errorf("got %v %v", resp, err)
		}
		clearAll()
		s.fault(`{"rejectMeter":"` + baseVM + `"}`)
		s.fault(`{"rejectMeter":"` + m30 + `"}`)
		batch := []fmt.Stringer{one, usage(nth(2), baseVM, "1"), usage(nth(3), strange, "1").with("commerceMeterId", m30), usage(nth(4), winVM, "1")}
		got := s.send(batch...)
		if statuses(got) != "Duplicate Rejected Rejected Accepted" || got[1].Code != "MeterRejected" {
			t.Errorf("got %+v", got)
		}
		clearAll()
		if got := statuses(s.send(batch...)); got != "Duplicate Accepted Accepted Duplicate" {
			t.Errorf("after clearing: %s", got)
		}
		want := map[string]any{
			"requests": 4.0,
			"records":  map[string]any{"Accepted": 4.0, "Duplicate": 3.0, "Rejected": 2.0},
			"faults":   map[string]any{"status500": 1.0, "rejectMeter": 2.0},
		}
		var stats map[string]any
		if err := json.Unmarshal([]byte(s.get("/_devstack/stats")), &stats); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stats); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
	t.Run("an order that says nothing or too much is refused", func(t *testing.T) {
		s := start(t, commerce.Options{})
		for _, order := range []string{"", "[]", "null", "{}", `{"next":1}`, `{"status":503}`, `{"next":1,"status":200}`,
			`{"next":-1,"status":503}`, `{"next":1e9,"status":503}`, `{"next":1,"cut":"off"}`, `{"next":1,"wrongResult":"odd"}`, `{"wrongResult":"twice"}`, `{"next":1,"shuffle":true}`,
			`{"next":1,"status":503,"cut":"after"}`, `{"next":1,"cut":"after","retryAfter":1}`, `{"rejectMeter":"x"}`,
			`{"next":1,"dropResults":-1}`, `{"next":1,"status":503,"retryAfter":-1}`, `{"slow":true}`, `{"shuffle":true} x`,
			`{"shuffle":true` + strings.Repeat(" ", 5000) + "}"} {
			checkProblem(t, s, http.MethodPost, "/_devstack/faults", order, 400, "InvalidFault")
		}
	})
}
