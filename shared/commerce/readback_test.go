package commerce_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/commerce"
)

const readCloud = "b31316d4-de02-43a4-903d-eb74f8258b01"

var sum64 = strings.Repeat("ab", 32)

// accepted is a record of a page.
func accepted(id string) string {
	return `{"recordId":"` + id + `","quantity":"16.46","acceptedAt":"2026-01-02T03:04:05Z","sha256":"` + sum64 + `"}`
}

func pageOf(link string, records ...string) string {
	text := `{"value":[` + strings.Join(records, ",") + `]`
	if link != "" {
		text += `,"nextLink":"` + link + `"`
	}
	return text + "}"
}

// readAll reads a day back and lists the ids.
func readAll(t *testing.T, c *commerce.Client) (ids []string, err error) {
	t.Helper()
	err = c.Accepted(t.Context(), readCloud, "2019-12-10", func(r commerce.AcceptedRecord) error {
		ids = append(ids, r.RecordID)
		return nil
	})
	return ids, err
}

func TestReadBack(t *testing.T) {
	var asked []string
	var links func(self string) string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		if r.URL.Query().Get("after") == "" {
			_, _ = io.WriteString(w, pageOf(links("http://"+r.Host), accepted("a"), accepted("b")))
			return
		}
		_, _ = io.WriteString(w, `{"later":{"x":[1]},"nextLink":"","value":[`+accepted("c")+`]}`)
	})
	for name, link := range map[string]func(string) string{
		"a whole address": func(self string) string { return self + "/v1/records?after=b" },
		"a path":          func(string) string { return "/v1/records?after=b" },
	} {
		t.Run("page by page, nextLink being "+name, func(t *testing.T) {
			asked, links = nil, link
			var all []commerce.AcceptedRecord
			err := c.Accepted(t.Context(), readCloud, "2019-12-10", func(r commerce.AcceptedRecord) error { all = append(all, r); return nil })
			if err != nil || len(all) != 3 {
				t.Fatalf("%v %v", all, err)
			}
			want := commerce.AcceptedRecord{RecordID: "a", Quantity: "16.46", AcceptedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), SHA256: sum64}
			if diff := cmp.Diff(want, all[0]); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"GET /v1/records?cloudId=" + readCloud + "&usageDate=2019-12-10", "GET /v1/records?after=b"}, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the caller ends it, well or not", func(t *testing.T) {
		cause := errors.New("enough")
		for _, end := range []error{commerce.ErrStop, cause} {
			asked = nil
			n := 0
			err := c.Accepted(t.Context(), readCloud, "2019-12-10", func(commerce.AcceptedRecord) error { n++; return end })
			if n != 1 || len(asked) != 1 || (end == cause) != (err == cause) || end == commerce.ErrStop && err != nil {
				t.Errorf("%v after %d records of %d pages", err, n, len(asked))
			}
		}
	})
}

func TestReadBackThatCannotBeUsed(t *testing.T) {
	for name, page := range map[string]string{
		"nothing":                          "",
		"no JSON":                          "<html>",
		"null":                             "null",
		"a list":                           "[]",
		"no value":                         "{}",
		"null for value":                   `{"value":null}`,
		"value twice":                      `{"value":[],"value":[]}`,
		"nextLink twice":                   `{"value":[` + accepted("a") + `],"nextLink":"","nextLink":"/v1/records"}`,
		"nextLink that is no text":         `{"value":[],"nextLink":1}`,
		"something behind":                 pageOf("") + "x",
		"cut":                              `{"value":[` + accepted("a") + ",",
		"a record without id":              pageOf("", accepted("")),
		"a record without hash":            pageOf("", `{"recordId":"a","quantity":"1"}`),
		"a hash that is short":             pageOf("", `{"recordId":"a","sha256":"abcd"}`),
		"an endless quantity":              pageOf("", `{"recordId":"a","sha256":"`+sum64+`","quantity":"`+strings.Repeat("1", 1000)+`"}`),
		"ids out of order":                 pageOf("", accepted("b"), accepted("a")),
		"an id twice":                      pageOf("", accepted("a"), accepted("a")),
		"a link to another host":           pageOf("http://elsewhere.example.com/v1/records", accepted("a")),
		"a link to another port":           pageOf("http://127.0.0.1:1/v1/records", accepted("a")),
		"a link to another scheme":         pageOf("https://SELF/v1/records", accepted("a")),
		"a link with a user":               pageOf("http://me@SELF/v1/records", accepted("a")),
		"a link that is none":              pageOf("http://[::1", accepted("a")),
		"an empty page with a next one":    pageOf("/v1/records?after=a"),
		"the same page for ever":           pageOf("/v1/records", accepted("a")),
		"a page that is too long":          pageOf("", accepted("a")) + strings.Repeat(" ", 5<<20),
		"a value that is too long to skip": `{"x":"` + strings.Repeat("x", 5<<20) + `","value":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				_, _ = io.WriteString(w, strings.ReplaceAll(page, "SELF", r.Host))
			})
			_, err := readAll(t, c)
			var e *commerce.Error
			if !errors.As(err, &e) || e.Kind != commerce.Unknown || requests > 2 || len(err.Error()) > 1000 {
				t.Errorf("%.300v after %d requests", err, requests)
			}
		})
	}
	for status, kind := range map[int]commerce.Kind{302: commerce.Unknown, 400: commerce.Refused, 401: commerce.Credentials, 404: commerce.Unknown, 429: commerce.Busy, 500: commerce.Unknown} {
		t.Run(fmt.Sprint("a ", status), func(t *testing.T) {
			var e *commerce.Error
			if _, err := readAll(t, serve(t, reply(status, "", "Retry-After", "7", "Location", "/v1/elsewhere"))); !errors.As(err, &e) || e.Kind != kind || e.RetryAfter != 7*time.Second {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("usage was taken elsewhere") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		e := failure(t, serve(t, reply(status, "", "Location", elsewhere.Endpoint)))
		if e.Kind != commerce.Unknown || e.Status != status {
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
	f.Add(pageOf("", accepted("a"), accepted("b")))
	f.Add(pageOf("/v1/records?after=b", accepted("b")))
	f.Add(pageOf("https://elsewhere.example.com/"))
	f.Add(`{"value":[{}],"nextLink":null}`)
	f.Add(`{"x":[[{}]],"value":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c := &commerce.Client{Endpoint: "https://commerce.example.com", HTTP: &http.Client{Transport: page(text)}}
		last := ""
		err := c.Accepted(t.Context(), readCloud, "2019-12-10", func(r commerce.AcceptedRecord) error {
			if r.RecordID <= last || len(r.SHA256) != 64 || len(r.Quantity) > 200 {
				t.Errorf("%+v after %q", r, last)
			}
			last = r.RecordID
			return nil
		})
		var e *commerce.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
