package functionhost

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	guid    = regexp.MustCompile(`"RandGuid":"[-0-9a-f]{36}"`)
	retries = regexp.MustCompile(`,"RetryContext":.*\}\}$`)
)

// vectors are requests of the real host, by name.
func vectors(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make(map[string]string)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v struct{ Name, Body string }
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all[v.Name] = v.Body
	}
	if len(all) != 16 {
		t.Fatalf("%d vectors, want 16", len(all))
	}
	return all
}

// recorded is what a vector says of its own making.
type recorded struct {
	Data     map[string]json.RawMessage
	Metadata struct {
		Sys struct {
			MethodName string
			UtcNow     time.Time
		}
	}
}

// same compares an envelope with a recording, byte for byte but for the GUID
// and for the retry context, which the stand-in does not make.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	want = retries.ReplaceAllString(want, "}}")
	g, w := guid.ReplaceAllString(string(got), "GUID"), guid.ReplaceAllString(want, "GUID")
	if g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestVectors makes the envelopes of the recordings again.
func TestVectors(t *testing.T) {
	t.Parallel()
	for name, body := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rec recorded
			if err := json.Unmarshal([]byte(body), &rec); err != nil {
				t.Fatal(err)
			}
			for name, value := range rec.Data {
				fn := &function{name: rec.Metadata.Sys.MethodName, trigger: binding{Name: name}}
				same(t, again(t, fn, value, rec.Metadata.Sys.UtcNow), body)
			}
		})
	}
}

// again makes the envelope whose trigger value is given.
func again(t *testing.T, fn *function, value json.RawMessage, now time.Time) []byte {
	t.Helper()
	switch fn.trigger.Name {
	case "input":
		var outer, text string
		if err := json.Unmarshal(value, &outer); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(outer), &text); err != nil {
			t.Fatal(err)
		}
		return manualEnvelope(fn, text, now)
	case "req":
		return requestAgain(t, fn, value, now)
	}
	var info struct {
		ScheduleStatus *timerStatus
		IsPastDue      bool
	}
	if err := json.Unmarshal(value, &info); err != nil {
		t.Fatal(err)
	}
	s, err := parseSchedule("0 0 0 1 1 *")
	if err != nil {
		t.Fatal(err)
	}
	return timerEnvelope(fn, s, info.ScheduleStatus, info.IsPastDue, now)
}

// requestAgain sends the recorded request's like through the envelope maker.
func requestAgain(t *testing.T, fn *function, value json.RawMessage, now time.Time) []byte {
	t.Helper()
	var rec struct {
		URL, Method, Body string
		Headers           map[string][]string
		Params            map[string]string
	}
	if err := json.Unmarshal(value, &rec); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(rec.Method, rec.URL, strings.NewReader(rec.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range rec.Headers {
		if name != "Host" && name != "Content-Length" {
			r.Header[name] = v
		}
	}
	if len(rec.Params) > 0 {
		route := "raw/{id}"
		fn.trigger.Route = &route
	}
	return httpEnvelope(fn, r, rec.Params, []byte(rec.Body), now)
}
