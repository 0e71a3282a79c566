package commerce_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/commerce"
	"stackusage/shared/forward"
	"stackusage/shared/outcome"
)

// serve starts commerce with one answer, and a client of it.
func serve(t *testing.T, answer http.HandlerFunc) *commerce.Client {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	return &commerce.Client{Endpoint: srv.URL, HTTP: &http.Client{Timeout: 5 * time.Second}}
}

func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// failure sends a batch and expects a failure.
func failure(t *testing.T, c *commerce.Client) *forward.Failure {
	t.Helper()
	results, err := c.Send(t.Context(), "batch-1", []byte(`{"records":[]}`))
	var e *forward.Failure
	if !errors.As(err, &e) || results != nil {
		t.Fatalf("got %v, %v; want a *forward.Failure", results, err)
	}
	return e
}

func TestSendPostsTheBytesAsTheyAre(t *testing.T) {
	const body = "{\"records\":[ {\"quantity\":\"1.50\"}\n]}"
	for _, path := range []string{"", "/", "/base", "/base/"} {
		t.Run("with an endpoint that ends in "+path, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got, _ := io.ReadAll(r.Body)
				if string(got) != body || r.ContentLength != int64(len(body)) {
					t.Errorf("got %q of length %d", got, r.ContentLength)
				}
				if want := strings.TrimSuffix(path, "/") + "/v1/records"; r.Method != http.MethodPost || r.URL.Path != want {
					t.Errorf("got %s %s, want POST %s", r.Method, r.URL.Path, want)
				}
				want := map[string]string{"Content-Type": "application/json", "Accept": "application/json", "X-Ms-Client-Request-Id": "batch-1", "Authorization": "Bearer secret"}
				for name, value := range want {
					if r.Header.Get(name) != value {
						t.Errorf("header %s is %q, want %q", name, r.Header.Get(name), value)
					}
				}
				_, _ = io.WriteString(w, `{"results":[]}`)
			})
			c.Endpoint += path
			c.Token = func(context.Context) (string, error) { return "secret", nil }
			if results, err := c.Send(t.Context(), "batch-1", []byte(body)); err != nil || len(results) != 0 || results == nil {
				t.Errorf("got %v, %v", results, err)
			}
		})
	}
}

func TestSendWithoutTokenSendsNone(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Header["Authorization"]; ok {
			t.Error("an Authorization header was sent")
		}
		_, _ = io.WriteString(w, `{"results":[]}`)
	})
	if _, err := c.Send(t.Context(), "b", nil); err != nil {
		t.Error(err)
	}
}

func TestSendReadsAnAnswerPerRecord(t *testing.T) {
	c := serve(t, reply(200, `{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"b","status":"Duplicate"},
		{"recordId":"c","status":"Conflict","quantity":"12.5","code":"QuantityDiffers","message":"differs"},
		{"recordId":"d","status":"Rejected","code":"NoSuchMeter","message":"no"},{"recordId":"e","status":"Expired"}],"new":1}`))
	got, err := c.Send(t.Context(), "b", nil)
	want := map[string]outcome.Result{
		"a": {RecordID: "a", Status: outcome.Accepted},
		"b": {RecordID: "b", Status: outcome.Duplicate},
		"c": {RecordID: "c", Status: outcome.Conflict, Quantity: "12.5", Code: "QuantityDiffers", Message: "differs"},
		"d": {RecordID: "d", Status: outcome.Rejected, Code: "NoSuchMeter", Message: "no"},
		"e": {RecordID: "e", Status: outcome.Expired},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	const because = `{"error":{"code":"Because","message":"of reasons"}}`
	for status, kind := range map[int]forward.Kind{
		400: forward.Declined, 402: forward.Declined, 406: forward.Declined, 409: forward.Declined, 411: forward.Declined, 413: forward.Declined,
		415: forward.Declined, 418: forward.Declined, 422: forward.Declined, 451: forward.Declined, 499: forward.Declined,
		404: forward.Endpoint, 405: forward.Endpoint, 407: forward.Endpoint, 408: forward.Endpoint, 410: forward.Endpoint,
		401: forward.Credentials, 403: forward.Credentials,
		429: forward.Busy, 503: forward.Busy,
		201: forward.Unknown, 202: forward.Unknown, 204: forward.Unknown, 304: forward.Unknown, 500: forward.Unknown, 502: forward.Unknown, 504: forward.Unknown, 599: forward.Unknown,
	} {
		t.Run(http.StatusText(status)+" is "+string(kind), func(t *testing.T) {
			e := failure(t, serve(t, reply(status, because)))
			if e.Kind != kind || e.Status != status || e.RetryAfter != 0 {
				t.Errorf("got %+v", e)
			}
			if late := status == 408 || status == 502 || status == 504; e.Answered() == late {
				t.Errorf("answered: %v", !late)
			}
			if status != 204 && status != 304 && !strings.Contains(e.Error(), "Because: of reasons") { // these carry no body
				t.Errorf("the reason is lost: %v", e)
			}
		})
	}
	t.Run("an error page is quoted, not read", func(t *testing.T) {
		e := failure(t, serve(t, reply(502, "<html>"+strings.Repeat("x", 5000))))
		if !strings.Contains(e.Error(), "<html>") || !strings.Contains(e.Error(), "HTTP 502") || len(e.Error()) > 1000 {
			t.Errorf("got %.300s", e)
		}
	})
	t.Run("long words are cut: they are stored in tables", func(t *testing.T) {
		long := strings.Repeat("é", 100_000)
		e := failure(t, serve(t, reply(400, `{"error":{"code":"`+long+`","message":"`+long+`"}}`)))
		if len(e.Error()) > 10_000 {
			t.Errorf("an error of %d bytes", len(e.Error()))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		text     string
		min, max time.Duration
	}{
		"seconds":                      {"120", 2 * time.Minute, 2 * time.Minute},
		"no seconds":                   {"0", 0, 0},
		"seconds below zero":           {"-5", 0, 0},
		"a fraction":                   {"1.5", 0, 0},
		"nothing":                      {"", 0, 0},
		"a word":                       {"soon", 0, 0},
		"a date":                       {time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat), 9 * time.Minute, 10 * time.Minute},
		"a date that has passed":       {time.Now().Add(-10 * time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		"seconds without end":          {"9223372036854775807", time.Hour, 30 * 24 * time.Hour},
		"seconds that overflow":        {"9223372037", time.Hour, 30 * 24 * time.Hour},
		"seconds beyond every integer": {"99999999999999999999", 0, 0},
		"a date without end":           {"Fri, 31 Dec 9999 23:59:59 GMT", time.Hour, 30 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, serve(t, reply(429, "", "Retry-After", tt.text)))
			if e.Kind != forward.Busy || e.RetryAfter < tt.min || e.RetryAfter > tt.max {
				t.Errorf("%q: wait %s", tt.text, e.RetryAfter)
			}
		})
	}
}

func TestAnAnswerThatCannotBeRead(t *testing.T) {
	twice := `{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"a","status":"Rejected"}]}`
	for name, answer := range map[string]http.HandlerFunc{
		"no body":                reply(200, ""),
		"what is not JSON":       reply(200, "OK"),
		"JSON that is cut":       reply(200, `{"results":[{"recordId":"a","status":"Acc`),
		"a list":                 reply(200, `[]`),
		"null":                   reply(200, `null`),
		"no results":             reply(200, `{}`),
		"null for results":       reply(200, `{"results":null}`),
		"a status nobody knows":  reply(200, `{"results":[{"recordId":"a","status":"Queued"}]}`),
		"a status in lower case": reply(200, `{"results":[{"recordId":"a","status":"accepted"}]}`),
		"no status":              reply(200, `{"results":[{"recordId":"a"}]}`),
		"no recordId":            reply(200, `{"results":[{"status":"Accepted"}]}`),
		"a recordId twice":       reply(200, twice),
		"an answer too long":     reply(200, `{"results":[]}`+strings.Repeat(" ", 1<<20)),
		"a reply that is cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"results":[]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, serve(t, answer))
			cut := name == "a reply that is cut"
			if e.Kind != forward.Unreadable && !cut || e.Kind != forward.Unknown && cut || e.Answered() == cut || e.Status != 200 || e.Err == nil || len(e.Error()) > 1000 {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestNoAnswerIsUnknown(t *testing.T) {
	t.Run("a connection that is dropped", func(t *testing.T) {
		e := failure(t, serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		if e.Kind != forward.Unknown || e.Status != 0 {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a timeout", func(t *testing.T) {
		release := make(chan struct{})
		c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		c.HTTP.Timeout = 20 * time.Millisecond
		e := failure(t, c)
		close(release)
		if e.Kind != forward.Unknown || e.Status != 0 {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a cancelled context, which the caller can tell", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := serve(t, reply(200, `{"results":[]}`)).Send(ctx, "b", nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an endpoint that is no URL", func(t *testing.T) {
		for _, endpoint := range []string{"", ":", "http://[::1", "commerce.example.com"} {
			c := &commerce.Client{Endpoint: endpoint, HTTP: http.DefaultClient}
			if e := failure(t, c); e.Kind != forward.Unknown {
				t.Errorf("%q: got %+v", endpoint, e)
			}
		}
	})
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	cause := errors.New("identity is away")
	c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") })
	c.Token = func(context.Context) (string, error) { return "", cause }
	e := failure(t, c)
	if e.Kind != forward.Credentials || !errors.Is(e, cause) || !strings.Contains(e.Error(), "get token") {
		t.Errorf("got %+v", e)
	}
}
