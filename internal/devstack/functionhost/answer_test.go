package functionhost_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"stackusage/internal/devstack/functionhost"
)

// TestAnswers is the table of what the host makes of a handler's answers.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "F": byHand}).start()
	tests := []struct {
		name, input string
		succeeds    bool
	}{
		{"an object is success", "answer:{}", true},
		{"any 2xx with an object is success", "status:202", true},
		{"unknown members are ignored", `answer:{"x":1,"outputs":{},"LOGS":[],"returnvalue":null}`, true},
		{"302 is followed", "redirect", true},
		{"500 is failure", "status:500", false},
		{"404 is failure", "status:404", false},
		{"405 is failure", "status:405", false},
		{"304 is failure", "status:304", false},
		{"a JSON array is failure", "array", false},
		{"a JSON string is failure", `answer:"x"`, false},
		{"broken JSON is failure", "garbage", false},
		{"text/plain is failure though the body is good", "text", false},
		{"no content type is failure though the body is good", "untyped", false},
		{"a connection reset is failure", "exit:200", false},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := r.stats("F").Succeeded
			r.invoke("F", test.input)
			got := r.finished("F", int64(i+1))
			if (got.Succeeded > before) != test.succeeds {
				t.Errorf("success is %v, want %v", got.Succeeded > before, test.succeeds)
			}
		})
	}
	if record := r.log.find("came by the redirect"); record == nil || record["category"] != "Function.F.User" || record["invocation"] == nil {
		t.Errorf("the log line of an answer is not under its invocation: %v", record)
	}
	if record := r.log.find("never to be seen"); record != nil {
		t.Errorf("the log lines of a failed answer are thrown away, but: %v", record)
	}
}

// TestEmptyAnswersHang shows the answers that the host never completes: they
// cost the process at functionTimeout, though not as an error.
func TestEmptyAnswersHang(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"an empty 200 hangs until functionTimeout": "empty",
		"a 204 hangs until functionTimeout":        "204",
		"null hangs until functionTimeout":         "null",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := stage(t, map[string]string{"host.json": hostJSON("00:00:20", ""), "F": byHand})
			r.opts.TimeScale = 20 // a second each
			r.start()
			pid := r.HandlerPID()
			for round := range int64(4) { // more than the errors that would stop the host
				begin := time.Now()
				r.invoke("F", input)
				if got := r.finished("F", round+1); got.Timeouts != round+1 || got.Failed != round+1 {
					t.Fatalf("stats %+v", got)
				}
				if took := time.Since(begin); took < 900*time.Millisecond {
					t.Errorf("failed after %v, before the timeout", took)
				}
				r.eventually("another process", func() bool { return r.Stats().Restarts == round+1 && r.HandlerPID() != 0 })
			}
			if r.HandlerPID() == pid || alive(pid) {
				t.Error("the process outlived the timeout")
			}
			if r.Err() != nil {
				t.Errorf("host ended: %v", r.Err())
			}
		})
	}
}

func TestTimeoutKillsNeighbours(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:00:20", ""), "Slow": byHand, "Neighbour": byHand})
	r.opts.TimeScale = 10 // a timeout of two seconds
	r.start()
	r.invoke("Slow", "sleep:1m")
	r.eventually("the slow call", func() bool { return len(r.requests()) == 1 })
	time.Sleep(1500 * time.Millisecond) // so that the neighbour's own timeout is after the kill
	r.invoke("Neighbour", "sleep:1m")
	got := r.finished("Neighbour", 1)
	if got.Failed != 1 || got.Timeouts != 0 {
		t.Errorf("the neighbour was not killed along: %+v", got)
	}
	if slow := r.stats("Slow"); slow.Timeouts != 1 {
		t.Errorf("slow function: %+v", slow)
	}
}

func TestUnboundedTimeout(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("-1", ""), "F": byHand})
	r.opts.TimeScale = 100_000 // the default of 30 minutes would take 18 ms
	r.start()
	r.invoke("F", "sleep:300ms")
	if got := r.finished("F", 1); got.Succeeded != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestRequestForm(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "CaseKept": byHand}).start()
	r.invoke("casekept", `{"id":"831e1650"}`)
	r.finished("CaseKept", 1)
	got := r.requests()[0]
	if got.Method != "POST" || got.URI != "/CaseKept" {
		t.Errorf("%s %s", got.Method, got.URI)
	}
	if len(got.Encoding) != 1 || got.Encoding[0] != "chunked" || got.Length != -1 {
		t.Errorf("body is not chunked: %v, length %d", got.Encoding, got.Length)
	}
	for name, want := range map[string]string{
		"Content-Type":                   "application/json; charset=utf-8",
		"User-Agent":                     "Azure-Functions-Host/" + functionhost.Version,
		"X-Azure-Functions-Hostversion":  functionhost.Version,
		"Accept-Encoding":                "",
		"X-Azure-Functions-Invocationid": got.Header.Get("X-Azure-Functions-InvocationId"),
		"X-Functions-Key":                "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if len(got.Header.Get("X-Azure-Functions-InvocationId")) != 36 {
		t.Error("no invocation id")
	}
	var body struct{ Metadata map[string]json.RawMessage }
	must(t, json.Unmarshal([]byte(got.Body), &body))
	if string(body.Metadata["Id"]) != `"\"831e1650\""` {
		t.Errorf("metadata: %s", got.Body)
	}
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(nilSignal) == nil
}
