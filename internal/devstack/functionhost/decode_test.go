package functionhost

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestTimeSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"00:10:00":         10 * time.Minute,
		"1.02:03:04":       26*time.Hour + 3*time.Minute + 4*time.Second,
		"00:00:00.1":       100 * time.Millisecond,
		"00:00:00.0000001": 100 * time.Nanosecond,
		"01:30":            90 * time.Minute,
		"24:00:00":         -1,
		"10":               -1,
		"-00:00:01":        -1,
		"10m":              -1,
	} {
		got, err := parseTimeSpan(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestHostDefaults(t *testing.T) {
	t.Parallel()
	got, err := decodeHostJSON([]byte(`{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"h"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := queueConfig{batchSize: 16, newBatchThreshold: 8 * runtime.NumCPU(), maxDequeueCount: 5, maxPolling: time.Minute, base64: true}
	if got.queues != want || got.functionTimeout != 30*time.Minute || got.initTimeout != 30*time.Second || got.routePrefix != "api" {
		t.Errorf("%+v", got)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 30, 500, time.UTC) // a Sunday
	for text, want := range map[string]string{
		"0 5 * * * *":    "2026-11-22T12:05:00Z",
		"*/10 * * * * *": "2026-11-22T12:00:40Z",
		"5 * * * *":      "2026-11-22T12:05:00Z",
		"0 0 0 * * 1-5":  "2026-11-23T00:00:00Z",
		"0 0 0 1 * Mon":  "2027-02-01T00:00:00Z", // the first of a month AND a Monday
		"00:05:00":       "2026-11-22T12:05:30.0000005Z",
	} {
		s, err := parseSchedule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.next(at).Format(time.RFC3339Nano); got != want {
			t.Errorf("%q is due %s, want %s", text, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	c := newClock(time.Time{}, 600)
	for d, want := range map[time.Duration]int32{0: 0, time.Second: 1, 10 * time.Minute: 1, 11 * time.Minute: 2} {
		if got := c.seconds(d); got != want {
			t.Errorf("%v is %d seconds of storage, want %d", d, got, want)
		}
	}
	epoch := time.Now().Add(-time.Minute)
	first, second := newClock(epoch, 60), newClock(epoch, 60)
	before := first.now()
	if d := second.now().Sub(before); d < 0 || d > time.Minute {
		t.Errorf("two clocks of one epoch are %v apart", d)
	}
	if d := before.Sub(epoch); d < time.Hour || d > 2*time.Hour {
		t.Errorf("a minute after the epoch it is %v later", d)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{max: time.Minute}
	for range 2 {
		last := b.next()
		if last != minPolling {
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

func TestPoisonQueueName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"work":                  "work-poison",
		"work-poison":           "",
		strings.Repeat("a", 56): strings.Repeat("a", 56) + "-poison",
		strings.Repeat("a", 57): "",
	} {
		if got := poisonQueueFor(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`not json`:  `{}`,
		`[{"a":1}]`: `{}`,
		`{"a":1} x`: `{}`,
		` {"a":1,"A":2,"n":null,"l":[1],"t":false} `:         `{"a":"\"2\"","t":"\"False\""}`,
		`{"o":{"l":[1,"\u00e9",{"x":null}],"a":1,"a":2}}`:    `{"o":{"l":[1,"é",{"x":null}],"a":2}}`,
		`{"d":"2026-06-26T20:41:00+02:00","e":"2026-06-26"}`: `{"d":"\"06/26/2026 18:41:00\"","e":"\"2026-06-26\""}`,
		`{"html":"<&>\u2028\u0001"}`:                         `{"html":"\"<&>\\u2028\\u0001\""}`,
	} {
		var d bindingData
		d.promote(text)
		if got := string(d.members.json()); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestReturnValue(t *testing.T) {
	t.Parallel()
	r, err := decodeResponseBody([]byte(`{"Outputs":{"out":"a"},"ReturnValue":{"out":"b"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := r.output("out", false); string(v) != `"b"` {
		t.Errorf("without $return the return value spreads over the outputs, but got %s", v)
	}
	if v, _ := r.output("out", true); string(v) != `"a"` {
		t.Errorf("beside $return got %s", v)
	}
	if v, _ := r.output("$return", true); string(v) != `{"out":"b"}` {
		t.Errorf("$return got %s", v)
	}
}

func TestResponseLimit(t *testing.T) {
	t.Parallel()
	endless := io.NopCloser(io.LimitReader(spaces{}, maxResponse+2))
	_, err := decodeResponse(&http.Response{StatusCode: 200, ContentLength: -1, Header: http.Header{"Content-Type": {"application/json"}}, Body: endless})
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
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
		r, err := decodeResponseBody(body)
		if (r == nil) == (err == nil) {
			t.Fatalf("response %v, error %v", r, err)
		}
		if err != nil {
			if !errors.Is(err, errHang) && !strings.HasPrefix(err.Error(), "invalid HttpResponseMessage") {
				t.Fatalf("error %v", err)
			}
			return
		}
		for _, name := range []string{"out", returnName} {
			if v, ok := r.output(name, false); ok {
				if _, err := outputMessages(v, false); err != nil {
					t.Fatalf("output %s: %v", v, err)
				}
			}
		}
	})
}

func FuzzHostJSON(f *testing.F) {
	f.Add([]byte(`{"version":"2.0","functionTimeout":"00:10:00","extensionBundle":{},"customHandler":{"description":{"defaultExecutablePath":"h"}},"extensions":{"queues":{"batchSize":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeHostJSON(b)
		if err != nil {
			return
		}
		if c.executable == "" || c.queues.batchSize < 1 || c.queues.maxPolling < minPolling || c.functionTimeout < 0 {
			t.Fatalf("accepted %+v", c)
		}
	})
}

func FuzzFunctionJSON(f *testing.F) {
	f.Add([]byte(`{"bindings":[{"type":"queueTrigger","name":"msg","queueName":"q"},{"type":"queue","direction":"out","name":"out","queueName":"p"}],"retry":{}}`))
	f.Add([]byte(`{"bindings":[{"type":"httpTrigger","name":"req","route":"a/{b}/{*c}"},{"type":"http","direction":"out","name":"$return"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		fn, err := decodeFunctionJSON("F", b)
		if err != nil {
			return
		}
		if fn.trigger.Type == "" || fn.trigger.Name == "" {
			t.Fatalf("accepted %+v", fn)
		}
		if fn.trigger.Type == httpTrigger {
			if r, err := parseRoute(fn, "api"); err == nil && len(r.segments) == 0 {
				t.Fatalf("route without segments from %+v", fn.trigger)
			}
		}
	})
}

// FuzzPromote: whatever a message says, the envelope is JSON, and keeps the
// message whole.
func FuzzPromote(f *testing.F) {
	f.Add(`{"topic":"/subs/x","id":"831e1650","n":5,"f":1.5,"b":true,"nul":null,"arr":[1],"data":{"t":[{}]},"sys":1}`)
	f.Add("plain \xff text \x00")
	f.Fuzz(func(t *testing.T, text string) {
		fn := &function{name: "F", trigger: binding{Name: "msg"}}
		body := queueEnvelope(fn, []byte(text), &message{id: "i"}, time.Now())
		var got struct {
			Data     struct{ Msg string }
			Metadata map[string]json.RawMessage
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		var inner string
		if err := json.Unmarshal([]byte(got.Data.Msg), &inner); err != nil || inner != validText([]byte(text)) {
			t.Fatalf("%q became %q, %v", text, inner, err)
		}
	})
}
