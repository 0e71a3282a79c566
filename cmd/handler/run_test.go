package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/internal/devstack/azurite/azuritetest"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// serving is what the host and the app settings give the handler.
func serving(t testing.TB, changes ...string) (e env, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	account := azuritetest.Account(t)
	e = goodEnv("FUNCTIONS_CUSTOMHANDLER_PORT", port, "UsageStorage", account, "LandingStorage", account, "TMPDIR", t.TempDir())
	for i := 0; i < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e, port
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	good, _ := serving(t)
	with := func(changes ...string) env {
		e := env{}
		for k, v := range good {
			e[k] = v
		}
		for i := 0; i < len(changes); i += 2 {
			e[changes[i]] = changes[i+1]
		}
		return e
	}
	for _, c := range []struct {
		name string
		args []string
		env  env
		want string
	}{
		{"an argument", []string{"--help"}, good, `argument "--help": the handler takes none; the Functions host starts it`},
		{"started by hand", nil, env{}, "FUNCTIONS_CUSTOMHANDLER_PORT is not set: the Functions host starts this program (try make demo)"},
		{"a setting is bad", nil, with("LOG_LEVEL", "loud"), "setting LOG_LEVEL"},
		{"no storage", nil, with("UsageStorage", ""), "set UsageStorage to a connection string"},
		{"no landing storage", nil, with("LandingStorage", ""), "set LandingStorage to a connection string"},
		{"a scope for commerce without an identity", nil, with("COMMERCE_SCOPE", "api://commerce/.default", "UsageStorage__credential", "password"), "only managedidentity is known"},
		{"the port is taken", nil, with("FUNCTIONS_CUSTOMHANDLER_PORT", takenPort(t)), "listen for the host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), c.args, c.env.get, &out, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func takenPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// locked is a log that a server writes while the test reads.
type locked struct {
	sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (l *locked) text() string {
	l.Lock()
	defer l.Unlock()
	return l.String()
}

func TestRunServes(t *testing.T) {
	e, port := serving(t)
	for try := range 2 { // the second time everything is there already
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var log locked
		go func() { ended <- run(ctx, nil, e.get, &log, io.Discard) }()
		status := ""
		for deadline := time.Now().Add(30 * time.Second); status == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%s/api/status", port))
			if err != nil {
				continue
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %s %v", resp.StatusCode, body, err)
			}
			status = string(body)
		}
		if !strings.Contains(status, `"usage-batches-poison": 0`) {
			t.Errorf("try %d: status %s, log %s", try, status, log.text())
		}
		stop()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("run returned nil: the process would exit with 0, and the host would not start it again")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("run does not end")
		}
		for line := range strings.Lines(log.text()) {
			if !strings.HasPrefix(line, `{"time":`) || !strings.Contains(line, `"level":"INFO"`) {
				t.Errorf("log line %s", line)
			}
		}
	}
}
