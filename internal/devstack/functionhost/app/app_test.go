package app

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	host  = `{"version":"2.0","extensionBundle":{},"customHandler":{"description":{"defaultExecutablePath":"h"},"enableProxyingHttpRequest":true}%s}`
	timer = `{"bindings":[{"type":"timerTrigger","name":"t","schedule":"%s"%s}]}`
	web   = `{"bindings":[{"type":"httpTrigger","name":"req"%s},{"type":"http","direction":"out","name":"res"}]}`
	queue = `{"bindings":[{"type":"queueTrigger","name":"msg","queueName":"%s"%s}]}`
)

// TestRefused shows the apps that are not run: the real host would not run them, or
// the stand-in would run them otherwise.
func TestRefused(t *testing.T) {
	t.Parallel()
	good := map[string]string{"host.json": fmt.Sprintf(host, ""), "F": fmt.Sprintf(queue, "work", ""), "G": fmt.Sprintf(web, `,"route":"a/{b}"`), "H": fmt.Sprintf(timer, "0 */5 * * * *", "")}
	tests := []struct {
		name, file, content string
		set                 Settings
		want                string
	}{
		{"nothing", "F", good["F"], nil, ""},
		{"no host.json", "host.json", "", nil, "host.json"},
		{"broken host.json", "host.json", "{", nil, "decode host.json"},
		{"a key that is not known", "host.json", fmt.Sprintf(host, `,"retry":{}`), nil, `unknown field "retry"`},
		{"no version", "host.json", `{"customHandler":{}}`, nil, "version"},
		{"no custom handler", "host.json", `{"version":"2.0"}`, nil, "customHandler is missing"},
		{"no executable", "host.json", `{"version":"2.0","customHandler":{}}`, nil, "defaultExecutablePath"},
		{"requests that do not pass through", "host.json", strings.Replace(fmt.Sprintf(host, ""), "true", "false", 1), nil, "enableProxyingHttpRequest"},
		{"no bundle", "host.json", strings.Replace(fmt.Sprintf(host, ""), `"extensionBundle":{},`, "", 1), nil, "extensionBundle"},
		{"timeout not a span", "host.json", fmt.Sprintf(host, `,"functionTimeout":"10m"`), nil, "functionTimeout"},
		{"timeout too short", "host.json", fmt.Sprintf(host, `,"functionTimeout":"00:00:00.5"`), nil, "below one second"},
		{"batch too large", "host.json", fmt.Sprintf(host, `,"extensions":{"queues":{"batchSize":33}}`), nil, "batchSize 33"},
		{"polling too fast", "host.json", fmt.Sprintf(host, `,"extensions":{"queues":{"maxPollingInterval":"00:00:00.05"}}`), nil, "maxPollingInterval"},
		{"another encoding", "host.json", fmt.Sprintf(host, `,"extensions":{"queues":{"messageEncoding":"none"}}`), nil, "messageEncoding"},
		{"other runtime", "F", good["F"], Settings{"FUNCTIONS_WORKER_RUNTIME": "node"}, `"node", not custom`},
		{"a name that is not allowed", "1st", good["F"], nil, `"1st" is not a valid function name`},
		{"no trigger", "F", `{"bindings":[{"type":"http","direction":"out","name":"res"}]}`, nil, "no trigger"},
		{"two triggers", "F", `{"bindings":[{"type":"queueTrigger","name":"a"},{"type":"queueTrigger","name":"b"}]}`, nil, "more than one trigger"},
		{"unknown trigger", "F", `{"bindings":[{"type":"blobTrigger","name":"a"}]}`, nil, `no trigger "blobtrigger"`},
		{"another output", "F", strings.Replace(good["F"], "]}", `,{"type":"queue","direction":"out","name":"b"}]}`, 1), nil, `no binding "queue" in direction "out"`},
		{"an input", "F", strings.Replace(good["F"], "]}", `,{"type":"blob","direction":"in","name":"b"}]}`, 1), nil, `no binding "blob" in direction "in"`},
		{"a response of a queue function", "F", strings.Replace(good["F"], "]}", `,{"type":"http","direction":"out","name":"b"}]}`, 1), nil, "1 HTTP responses"},
		{"HTTP without a response", "F", `{"bindings":[{"type":"httpTrigger","name":"req"}]}`, nil, "0 HTTP responses"},
		{"bytes instead of text", "F", fmt.Sprintf(queue, "work", `,"dataType":"binary"`), nil, `unknown field "dataType"`},
		{"bad binding name", "F", strings.Replace(good["F"], "msg", "a-b", 1), nil, `"a-b" is not allowed`},
		{"binding name twice", "G", strings.Replace(good["G"], "res", "REQ", 1), nil, "used twice"},
		{"queue without name", "F", fmt.Sprintf(queue, "", ""), nil, "queueName is missing"},
		{"queue name not allowed", "F", fmt.Sprintf(queue, "a--b", ""), nil, `"a--b"`},
		{"setting not set", "F", fmt.Sprintf(queue, "%NOT_SET%", ""), nil, "%NOT_SET%"},
		{"connection not set", "F", fmt.Sprintf(queue, "work", `,"connection":"Elsewhere"`), nil, "app setting Elsewhere is not set"},
		{"connection by another credential", "F", fmt.Sprintf(queue, "work", `,"connection":"Elsewhere"`), Settings{"Elsewhere__queueServiceUri": "https://x", "Elsewhere__credential": "password"}, "only managedidentity"},
		{"schedule of five fields", "H", fmt.Sprintf(timer, "* * * * *", ""), nil, "expected exactly 6 fields"},
		{"schedule in cron's own words", "H", fmt.Sprintf(timer, "0 0 0 ? * *", ""), nil, "NCRONTAB"},
		{"schedule of seconds", "H", fmt.Sprintf(timer, "*/5 * * * * *", ""), nil, "more often than once a minute"},
		{"a run at every start", "H", fmt.Sprintf(timer, "0 */5 * * * *", `,"runOnStartup":true`), nil, "runOnStartup"},
		{"no monitor", "H", fmt.Sprintf(timer, "0 */5 * * * *", `,"useMonitor":false`), nil, "monitor"},
		{"route constraint", "G", fmt.Sprintf(web, `,"route":"{id:int}"`), nil, "the stand-in knows literals"},
		{"unknown authLevel", "G", fmt.Sprintf(web, `,"authLevel":"user"`), nil, `authLevel "user"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := maps.Clone(good)
			if files[test.file] = test.content; test.content == "" {
				delete(files, test.file)
			}
			dir := t.TempDir()
			for name, content := range files {
				if name != "host.json" {
					name += "/function.json"
				}
				path := filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			set := Settings{"azurewebjobsstorage": "in any case"}
			maps.Copy(set, test.set)
			_, err := Load(dir, set)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestTimeSpan(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"00:10:00":         10 * time.Minute,
		"02:03:04":         2*time.Hour + 3*time.Minute + 4*time.Second,
		"00:00:00.1":       100 * time.Millisecond,
		"00:00:00.0000001": 100 * time.Nanosecond,
		"24:00:00":         -1,
		"00:60:00":         -1,
		"10":               -1,
		"-00:00:01":        -1,
		"10m":              -1,
	} {
		var got timeSpan
		err := got.UnmarshalText([]byte(text))
		if want < 0 && err == nil || want >= 0 && (err != nil || time.Duration(got) != want) {
			t.Errorf("%q is %v, %v", text, time.Duration(got), err)
		}
	}
}

func TestHostDefaults(t *testing.T) {
	t.Parallel()
	got, err := decodeHostJSON([]byte(`{"version":"2.0","extensionBundle":{},"customHandler":{"description":{"defaultExecutablePath":"h"},"enableProxyingHttpRequest":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		FunctionTimeout: 30 * time.Minute, Executable: "h", InitTimeout: 30 * time.Second, RoutePrefix: "api",
		Queues: Queues{BatchSize: 16, NewBatchThreshold: 8 * runtime.NumCPU(), MaxDequeueCount: 5, MaxPolling: time.Minute},
	}
	if *got != want {
		t.Errorf("%+v", got)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 30, 500, time.UTC) // a Sunday
	for text, want := range map[string]string{
		"0 5 * * * *":   "2026-11-22T12:05:00Z",
		"0 0 0 * * 1-5": "2026-11-23T00:00:00Z",
		"0 0 0 1 * Mon": "2027-02-01T00:00:00Z", // the first of a month AND a Monday
	} {
		s, err := ParseSchedule(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.Next(at).Format(time.RFC3339Nano); got != want {
			t.Errorf("%q is due %s, want %s", text, got, want)
		}
	}
}

func FuzzHostJSON(f *testing.F) {
	f.Add([]byte(`{"version":"2.0","functionTimeout":"00:10:00","extensionBundle":{},"customHandler":{"description":{"defaultExecutablePath":"h"},"enableProxyingHttpRequest":true},"extensions":{"queues":{"batchSize":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeHostJSON(b)
		if err != nil {
			return
		}
		if c.Executable == "" || c.Queues.BatchSize < 1 || c.Queues.MaxPolling < MinPolling || c.FunctionTimeout < 0 {
			t.Fatalf("accepted %+v", c)
		}
	})
}

func FuzzFunctionJSON(f *testing.F) {
	f.Add([]byte(`{"bindings":[{"type":"queueTrigger","name":"msg","queueName":"q"}]}`))
	f.Add([]byte(`{"bindings":[{"type":"httpTrigger","name":"req","route":"a/{b}"},{"type":"http","direction":"out","name":"res"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		fn, err := decodeFunctionJSON("F", b)
		if err == nil && (fn.Trigger.Type == "" || fn.Trigger.Name == "") {
			t.Fatalf("accepted %+v", fn)
		}
	})
}
