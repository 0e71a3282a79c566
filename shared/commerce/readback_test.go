package commerce_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/commerce"
	"stackusage/shared/forward"
)

const readCloud = "b31316d4-de02-43a4-903d-eb74f8258b01"

var sum64 = strings.Repeat("ab", 32)

// accepted is a record of an answer.
func accepted(id string) string {
	return `{"recordId":"` + id + `","quantity":"16.46","acceptedAt":"2026-01-02T03:04:05Z","sha256":"` + sum64 + `"}`
}

func listOf(records ...string) string { return `{"value":[` + strings.Join(records, ",") + `]}` }

// readAll reads some records back and lists the ids of those that were accepted.
func readAll(t *testing.T, c *commerce.Client, ids ...string) ([]string, error) {
	t.Helper()
	if len(ids) == 0 {
		ids = []string{"a", "b", "c"}
	}
	found, err := c.Accepted(t.Context(), readCloud, "2019-12-10", ids)
	return slices.Sorted(maps.Keys(found)), err
}

func TestReadBack(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		want := map[string]any{"cloudId": readCloud, "usageDate": "2019-12-10", "recordIds": []any{"a", "b", "c"}}
		if diff := cmp.Diff(want, body); diff != "" || r.Method != http.MethodPost || r.URL.Path != "/v1/records/query" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s (-want +got):\n%s", r.Method, r.URL, diff)
		}
		_, _ = io.WriteString(w, listOf(accepted("a"), accepted("c")))
	})
	if ids, err := readAll(t, c, "c", "a", "b"); err != nil || fmt.Sprint(ids) != "[a c]" {
		t.Errorf("%v %v", ids, err)
	}
}

func TestReadBackOfNothing(t *testing.T) {
	if ids, err := readAll(t, serve(t, reply(200, `{"value":[],"new":1}`))); err != nil || len(ids) != 0 {
		t.Errorf("%v %v", ids, err)
	}
}

func TestReadBackAsksForABatchAtMost(t *testing.T) {
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request") })
	if _, err := readAll(t, c, make([]string, commerce.MaxQuery+1)...); err == nil {
		t.Error("no error")
	}
}

func TestAReadBackThatCannotBeUsed(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "no JSON": "<html>", "null": "null", "a list": "[]", "no value": "{}", "value is null": `{"value":null}`,
		"value twice":             `{"value":[],"value":[]}`,
		"something behind it":     listOf() + "x",
		"cut":                     listOf(accepted("a"))[:60],
		"out of order":            listOf(accepted("b"), accepted("a")),
		"one twice":               listOf(accepted("a"), accepted("a")),
		"one that nobody asked":   listOf(accepted("a"), accepted("d")),
		"no recordId":             listOf(accepted("")),
		"no hash":                 listOf(strings.Replace(accepted("a"), sum64, "", 1)),
		"a hash that is too long": listOf(strings.Replace(accepted("a"), sum64, sum64+"ab", 1)),
		"a hash that is no hex":   listOf(strings.Replace(accepted("a"), "ab", "xy", 1)),
		"a long quantity":         listOf(strings.Replace(accepted("a"), "16.46", strings.Repeat("1", 300), 1)),
		"too long":                `{"x":"` + strings.Repeat("x", 1<<20) + `","value":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := readAll(t, serve(t, reply(200, answer)))
			var e *forward.Failure
			if !errors.As(err, &e) || len(ids) != 0 || len(err.Error()) > 1000 {
				t.Errorf("%v %v", ids, err)
			}
		})
	}
}

func TestReadBackThatFails(t *testing.T) {
	for status, kind := range map[int]forward.Kind{400: forward.Declined, 401: forward.Credentials, 404: forward.Endpoint, 503: forward.Busy, 500: forward.Unknown} {
		var e *forward.Failure
		if _, err := readAll(t, serve(t, reply(status, ""))); !errors.As(err, &e) || e.Kind != kind || e.Status != status {
			t.Errorf("%d: %v", status, err)
		}
	}
	c := serve(t, reply(200, ""))
	c.Endpoint = "http://127.0.0.1:1"
	var e *forward.Failure
	if _, err := readAll(t, c); !errors.As(err, &e) || e.Kind != forward.Unknown || e.Answered() {
		t.Errorf("%v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("usage was taken elsewhere") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		e := failure(t, serve(t, reply(status, "", "Location", elsewhere.Endpoint)))
		if e.Kind != forward.Unknown || e.Status != status {
			t.Errorf("%d: %+v", status, e)
		}
	}
}

// page is commerce as one answer, without a network.
type page string

func (p page) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(string(p)))}, nil
}

func FuzzAccepted(f *testing.F) {
	f.Add(listOf(accepted("a"), accepted("b")))
	f.Add(listOf(accepted("b")))
	f.Add(listOf(accepted("stranger")))
	f.Add(`{"value":[{}]}`)
	f.Add(`{"x":[[{}]],"value":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c := &commerce.Client{Endpoint: "https://commerce.example.com", HTTP: &http.Client{Transport: page(text)}}
		found, err := c.Accepted(t.Context(), readCloud, "2019-12-10", []string{"a", "b"})
		for id, r := range found {
			if id != r.RecordID || id != "a" && id != "b" || len(r.SHA256) != 64 || len(r.Quantity) > 200 {
				t.Errorf("%+v", r)
			}
		}
		var e *forward.Failure
		if err != nil && (!errors.As(err, &e) || found != nil) {
			t.Errorf("an error of another kind, or records: %v", err)
		}
	})
}
