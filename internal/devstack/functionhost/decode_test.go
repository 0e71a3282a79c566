package functionhost

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackusage/internal/devstack/functionhost/app"
)

func TestClock(t *testing.T) {
	t.Parallel()
	c := newClock(600)
	for d, want := range map[time.Duration]int32{0: 0, time.Second: 1, 10 * time.Minute: 1, 11 * time.Minute: 2} {
		if got := c.seconds(d); got != want {
			t.Errorf("%v is %d seconds of storage, want %d", d, got, want)
		}
	}
	c.start = c.start.Add(-time.Second)
	if d := c.now().Sub(c.start); d < 10*time.Minute || d > time.Hour {
		t.Errorf("a second after the start it is %v later", d)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{max: time.Minute}
	for range 2 {
		last := b.next()
		if last != app.MinPolling {
			t.Errorf("begins with %v", last)
		}
		for last < b.max {
			d := b.next()
			if d <= last || d > 4*last {
				t.Fatalf("%v after %v", d, last)
			}
			last = d
		}
		if d := b.next(); d != b.max {
			t.Errorf("%v after the maximum", d)
		}
		b.reset()
	}
}

func TestResponseLimit(t *testing.T) {
	t.Parallel()
	endless := io.NopCloser(io.LimitReader(blanks{}, maxResponse+2))
	_, err := decodeResponse(&http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}}, Body: endless})
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{``, `null`, `{}`, `[]`, `"x"`, `{"Outputs":{"out":["a"]},"Logs":["l"],"ReturnValue":{"out":1}}`, "\ufeff{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := decodeResponseBody(body); err != nil && !errors.Is(err, errHang) && !strings.HasPrefix(err.Error(), "invalid HttpResponseMessage") {
			t.Fatalf("error %v", err)
		}
	})
}
