package functionhost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/internal/devstack/functionhost"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// byHand is a function that tests call by the admin interface: a queue's, whose queue
// is not listened to.
const byHand = `{"bindings":[{"type":"queueTrigger","direction":"in","name":"input","queueName":"by-hand"}]}`

// hostJSON is a host.json with this functionTimeout and more members.
func hostJSON(timeout, more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"version":"2.0","extensionBundle":{},"functionTimeout":"` + timeout + `","customHandler":{"description":{"defaultExecutablePath":"bin/handler"},` +
		`"enableProxyingHttpRequest":true,"initializationTimeout":"00:00:20"}` + more + `}`
}

// rig is a host under test, its app, and what both noted.
type rig struct {
	*functionhost.Host
	t    testing.TB
	opts functionhost.Options
	dir  string // of the probe's notes
	log  *logBuffer
}

// stage writes an app whose handler is this test binary as the probe.
func stage(t testing.TB, files map[string]string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), log: &logBuffer{}}
	app := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.Mkdir(filepath.Join(app, "bin"), 0o755))
	must(t, os.Symlink(self, filepath.Join(app, "bin", "handler")))
	// A race-built handler would linger for a second after os.Exit.
	settings := map[string]string{"PROBE_DIR": r.dir, "GORACE": "atexit_sleep_ms=0", "AzureWebJobsStorage": "not used"}
	for name, content := range files {
		if content == byHand {
			settings["AzureWebJobs."+name+".Disabled"] = "true"
		}
		if !strings.Contains(name, ".") {
			name += "/function.json"
		}
		path := filepath.Join(app, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
	r.opts = functionhost.Options{
		AppDir:    app,
		Settings:  settings,
		TimeScale: 1,
		Log:       slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	t.Cleanup(func() {
		if t.Failed() || os.Getenv("PROBE_LOG") != "" {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

// start starts the host, which must succeed.
func (r *rig) start() *rig {
	r.t.Helper()
	h, err := r.tryStart()
	if err != nil {
		r.t.Fatalf("Start: %v", err)
	}
	r.Host = h
	return r
}

func (r *rig) tryStart() (*functionhost.Host, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	h, err := functionhost.Start(ctx, r.opts)
	if err == nil {
		r.t.Cleanup(h.KillHost)
	}
	return h, err
}

// invoke asks for a run of fn by the admin interface.
func (r *rig) invoke(fn, input string) {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"input": input})
	must(r.t, err)
	resp, err := http.Post(r.URL()+"/admin/functions/"+fn, "application/json", bytes.NewReader(body))
	must(r.t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		r.t.Fatalf("invoke %s: %s", fn, resp.Status)
	}
}

// stats are those of one function.
func (r *rig) stats(fn string) functionhost.FunctionStats { return r.Stats().Functions[fn] }

// eventually waits until ok holds.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	if r.Host != nil {
		r.t.Logf("%+v", r.Stats())
	}
	r.t.Fatalf("never: %s", what)
}

// finished waits until fn has ended n invocations.
func (r *rig) finished(fn string, n int64) functionhost.FunctionStats {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d invocations of %s ended", n, fn), func() bool {
		s := r.stats(fn)
		return s.Succeeded+s.Failed >= n
	})
	return r.stats(fn)
}

// lines are what the probe noted in one of its files.
func (r *rig) lines(file string) []string {
	b, err := os.ReadFile(filepath.Join(r.dir, file))
	end := bytes.LastIndexByte(b, '\n') // what follows is being written
	if err != nil || end < 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(b[:end])), "\n")
}

func (r *rig) requests() []seen {
	var out []seen
	for _, line := range r.lines("requests") {
		var s seen
		if json.Unmarshal([]byte(line), &s) == nil {
			out = append(out, s)
		}
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// find returns the first record with this message.
func (l *logBuffer) find(message string) map[string]any {
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == message {
			return record
		}
	}
	return nil
}
