package stackapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
)

func TestPassingFaultsAreWaitedOut(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults []azurestack.Fault
		waits  int
	}{
		{"throttled", []azurestack.Fault{{Status: 429, Count: 2}}, 2},
		{"busy", []azurestack.Fault{{Status: 503, Count: 3}}, 3},
		{"gateway timeout", []azurestack.Fault{{Status: 504}}, 1},
		{"gateway timeouts within the listing", []azurestack.Fault{{Skip: 1, Status: 504, Count: 4}}, 4},
		{"out of order", []azurestack.Fault{{Status: 500, Count: 2}, {Status: 502, Count: 2}}, 4},
		{"cut before the answer", []azurestack.Fault{{Count: 2}}, 2},
		{"cut within a row", []azurestack.Fault{{CutAfter: 50_000}}, 1},
		{"cut twice, later each time", []azurestack.Fault{{CutAfter: 50_000}, {CutAfter: 200_000}}, 2},
		{"cut twice, earlier the second time", []azurestack.Fault{{CutAfter: 200_000}, {CutAfter: 50_000}}, 2},
		{"cut within the second page", []azurestack.Fault{{Skip: 1, CutAfter: 20_000}}, 1},
		{"every page has its own retries", []azurestack.Fault{{Status: 503, Count: 4}, {Skip: 1, Status: 503, Count: 4}}, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStand(t, azurestack.Options{Faults: tc.faults}, nil)
			rows, pages, err := s.collect(t, burst)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, s.served(t, burst), rows)
			mustEqual(t, 2, pages)
			mustEqual(t, tc.waits, len(s.waits))
		})
	}
}

func TestRetriesAreBounded(t *testing.T) {
	s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 503, Count: 99}}}, func(c *stackapi.Config) {
		c.Retries, c.Backoff = 3, time.Second
	})
	_, _, err := s.collect(t, burst)
	var answer *stackapi.Error
	if !errors.As(err, &answer) || answer.Status != 503 || answer.Code != "ServiceUnavailable" || answer.Page != 1 || answer.RequestID == "" || !answer.Transient() {
		t.Fatalf("got %+v", err)
	}
	if errors.Is(err, stackapi.ErrNotReady) {
		t.Error("a busy stack was taken for usage that is not ready")
	}
	mustEqual(t, 3, len(s.waits))
	for i, d := range s.waits {
		if most := time.Second << i; d < most/2 || d > most {
			t.Errorf("wait %d is %s, want between %s and %s", i, d, most/2, most)
		}
	}
}

func TestNoRetriesWhenNoneAreWanted(t *testing.T) {
	s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 503}}}, func(c *stackapi.Config) { c.Retries = -1 })
	if _, _, err := s.collect(t, burst); err == nil || len(s.waits) != 0 {
		t.Fatalf("got %v after %d waits", err, len(s.waits))
	}
}

func TestRetryAfterIsTheLeastWait(t *testing.T) {
	s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 429, RetryAfter: 40}}}, nil)
	if _, _, err := s.collect(t, burst); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, []time.Duration{40 * time.Second}, s.waits)
}

func TestRetryAfterAsDate(t *testing.T) {
	first := true
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			w.Header().Set("Retry-After", time.Now().UTC().Add(60*time.Second).Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"value":[]}`)
	})
	if _, _, err := s.collect(t, burst); err != nil {
		t.Fatal(err)
	}
	if len(s.waits) != 1 || s.waits[0] < 50*time.Second || s.waits[0] > 61*time.Second {
		t.Fatalf("waits %v", s.waits)
	}
}

func TestRetryAfterBeyondMaxWaitIsLeftToTheCaller(t *testing.T) {
	s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 429, RetryAfter: 3600}}}, nil)
	_, _, err := s.collect(t, burst)
	var answer *stackapi.Error
	if !errors.As(err, &answer) || answer.RetryAfter != time.Hour || len(s.waits) != 0 {
		t.Fatalf("got %+v after %d waits", err, len(s.waits))
	}
}

func TestNotReadyIsNeverAnEmptyHour(t *testing.T) {
	now := burst.Add(30 * time.Minute)
	for _, tc := range []struct {
		name string
		opts azurestack.Options
	}{
		{"processing not complete", azurestack.Options{Faults: []azurestack.Fault{{Status: 202}}}},
		{"on the second page", azurestack.Options{Faults: []azurestack.Fault{{Skip: 1, Status: 202}}}},
		{"in the future", azurestack.Options{Now: func() time.Time { return now }}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStand(t, tc.opts, nil)
			_, _, err := s.collect(t, burst)
			var answer *stackapi.Error
			if !errors.Is(err, stackapi.ErrNotReady) || !errors.As(err, &answer) || answer.Code == "" || len(s.waits) != 0 {
				t.Fatalf("got %v after %d waits", err, len(s.waits))
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"said with status 200": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"code":"X","message":"Processing not complete"}`)
		},
		"said with status 400": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":{"code":"Y","message":"processing not complete"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := answering(t, answer).collect(t, burst); !errors.Is(err, stackapi.ErrNotReady) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestOtherAnswersAreErrorsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"forbidden", 403, "\ufeff" + `{"error":{"code":"AuthorizationFailed","message":"no"}}`, `403 AuthorizationFailed "no"`},
		{"a flat error", 400, `{"code":"InvalidProperty","message":"bad"}`, `400 InvalidProperty "bad"`},
		{"not JSON", 501, strings.Repeat("x", 9999), `501 "xxx`},
		{"a page", 501, "<html><title>\n Not\timplemented</title>" + strings.Repeat("x", 9999), `501 "an HTML page \"Not implemented\" in place of JSON: a proxy`},
		{"a page with status 200", 200, "\ufeff\r\n<!DOCTYPE html><html><head><TITLE>Sign in</TITLE>", `200 InvalidAnswer: an HTML page "Sign in" in place of JSON: a proxy, a load balancer or a sign-in page answers for the stack; check stack.endpoint`},
		{"empty", 404, ``, `page 1: 404`},
		{"an error with status 200", 200, `{"error":{"code":"Odd","message":"why"}}`, `200 Odd "why": the answer has no value`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("x-ms-request-id", "3a1498a7")
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.body)
			})
			_, _, err := s.collect(t, burst)
			var answer *stackapi.Error
			if !errors.As(err, &answer) || answer.Status != tc.status || answer.RequestID != "3a1498a7" || answer.Transient() || len(s.waits) != 0 {
				t.Fatalf("got %+v after %d waits", err, len(s.waits))
			}
			if text := err.Error(); !strings.Contains(text, tc.want) || len(text) > 800 || !strings.HasPrefix(text, "collect hour 2024-03-02T13:00Z page 1:") {
				t.Errorf("got %q, want %q in it", text, tc.want)
			}
		})
	}
}

func TestWrongTokenIsAnErrorAtOnce(t *testing.T) {
	s := newStand(t, azurestack.Options{}, func(c *stackapi.Config) {
		c.Token = func(context.Context) (string, error) { return "another", nil }
	})
	_, _, err := s.collect(t, burst)
	var answer *stackapi.Error
	if !errors.As(err, &answer) || answer.Status != 401 || strings.Contains(err.Error(), "another") {
		t.Fatalf("got %v", err)
	}
}

// TestATokenThatIsRefusedWithinAnHour: the page is asked for with another one, once.
func TestATokenThatIsRefusedWithinAnHour(t *testing.T) {
	for name, tc := range map[string]struct {
		refusals, refreshed int
		ok                  bool
	}{"once": {1, 1, true}, "for good": {99, 1, false}} {
		t.Run(name, func(t *testing.T) {
			refreshed := 0
			s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Skip: 1, Status: 401, Count: tc.refusals}}}, func(c *stackapi.Config) {
				c.Refresh = func(context.Context) { refreshed++ }
			})
			rows, _, err := s.collect(t, burst)
			if (err == nil) != tc.ok || refreshed != tc.refreshed || len(s.waits) > 0 {
				t.Errorf("refreshed %d times, waited %d times, %v", refreshed, len(s.waits), err)
			}
			if tc.ok {
				mustEqual(t, s.served(t, burst), rows)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer elsewhere.Close()
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, _, err := s.collect(t, burst); err == nil {
		t.Fatal("a redirect is not an hour")
	}
}

func TestRequestTimesOutAndIsRepeated(t *testing.T) {
	var calls atomic.Int64
	s := &stand{}
	s.connect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `{"value":[{}]}`)
	}), func(c *stackapi.Config) { c.Timeout = 500 * time.Millisecond })
	rows, _, err := s.collect(t, burst)
	if err != nil || len(rows) != 1 || calls.Load() != 2 {
		t.Fatalf("got %d rows after %d calls, %v", len(rows), calls.Load(), err)
	}
}

func TestCancelledHourIsNotRepeated(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := s.client.Hour(ctx, burst, func([]byte) error { return nil })
	if !errors.Is(err, context.Canceled) || len(s.waits) != 0 {
		t.Fatalf("got %v after %d waits", err, len(s.waits))
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	s := newStand(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 503, RetryAfter: 60}}}, nil)
	s.client.WaitForReal()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.client.Hour(ctx, burst, func([]byte) error { return nil })
	var answer *stackapi.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &answer) || answer.Status != 503 {
		t.Fatalf("got %v", err)
	}
}

// TestAnErrorHoldsNoToken has a stack, or a proxy before it, that repeats what it
// was asked.
func TestAnErrorHoldsNoToken(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhcHBpZCI6IjJmMWM5YTU0In0.c2ln"
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"as plain text": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "bad request\n")
			r.Header.Write(w)
		},
		"as an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":{"code":"InvalidAuthenticationToken","message":"token %s, cut: %.50s"}}`, jwt, jwt)
		},
		"within a page": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"message":"%s%s"}`, r.Header.Get("Authorization"), strings.Repeat(" x", 1<<20))
		},
		"by its encoding": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "authorization=bearer%20"+token+"&x=1")
		},
		"as its id": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-ms-request-id", jwt+strings.Repeat("x", 10_000))
			w.WriteHeader(http.StatusForbidden)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := answering(t, answer).collect(t, burst)
			if err == nil || !strings.Contains(err.Error(), "***") || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "eyJhcHB") {
				t.Errorf("got %.300v", err)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestAnErrorIsOneLine(t *testing.T) {
	_, _, err := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"code":"Bad\nlevel=INFO\u001b[2J","message":"a\nb\u001b[2J"}}`)
	}).collect(t, burst)
	if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || !strings.Contains(err.Error(), "400 Bad\ufffdlevel=INFO") {
		t.Errorf("got %q", err)
	}
}
