// Package console runs stackusage console as a program.
package console

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tool is the program, built once for all tests.
var tool string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "console-test-")
	if err == nil {
		tool = filepath.Join(dir, "stackusage")
		cmd := exec.Command("go", "build", "-o", tool, "./cmd/stackusage")
		cmd.Dir = filepath.Join("..", "..")
		if out, failed := cmd.CombinedOutput(); failed != nil {
			err = fmt.Errorf("build: %w\n%s", failed, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// program is a console that runs.
type program struct {
	cmd            *exec.Cmd
	base           string // http://127.0.0.1:PORT
	port           string
	address, token string // that were printed
	out, errs      *output
	ended          chan struct{}
}

// output may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

var printed = regexp.MustCompile(`(http://127\.0\.0\.1:(\d+))/enter\?token=([A-Z2-7]{26})\n`)

// storageOf is an environment with storage that answers as a handler does.
func storageOf(t *testing.T, h http.HandlerFunc) []string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections() // Close waits for requests
		server.Close()
	})
	connection := "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=AAAA"
	for _, service := range []string{"Blob", "Queue", "Table"} {
		connection += ";" + service + "Endpoint=" + server.URL + "/account"
	}
	return []string{"UsageStorage=" + connection, "LandingStorage=" + connection}
}

// forbidden is storage that nobody may read: each page says so, with the word that is
// forbiddenCode.
func forbidden(t *testing.T) []string {
	return storageOf(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-ms-error-code", forbiddenCode)
		w.WriteHeader(http.StatusForbidden)
	})
}

const forbiddenCode = "AuthorizationPermissionMismatch"

// start starts a console, on a free port if args name none, and waits for its address. It
// ends with the test.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	p := &program{out: &output{}, errs: &output{}, ended: make(chan struct{})}
	if !strings.Contains(strings.Join(args, " "), "--port") {
		args = append(args, "--port", "0")
	}
	p.cmd = exec.Command(tool, append([]string{"console"}, args...)...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // tests look at its state
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("console: %s%s", p.out, p.errs)
		}
	})
	wait(t, "an address", func() bool {
		select {
		case <-p.ended:
			t.Fatal("the console has ended")
		default:
		}
		found := printed.FindStringSubmatch(p.out.String())
		if found != nil {
			p.address, p.base, p.port, p.token = strings.TrimSpace(found[0]), found[1], found[2], found[3]
		}
		return found != nil
	})
	return p
}

// wait waits until something is so.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// end sends a signal, and returns the exit code and how long it took.
func (p *program) end(t *testing.T, signal syscall.Signal) (code int, took time.Duration) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("it goes on 20 seconds after %v", signal)
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(began)
}

// answer is a response, read.
type answer struct {
	status int
	head   http.Header
	body   string
	cookie string // that was set, as a request has it
}

// get asks for an address of path and query, with a cookie or none.
func (p *program) get(t *testing.T, address, cookie string) answer {
	t.Helper()
	return p.send(t, http.MethodGet, address, cookie)
}

func (p *program) send(t *testing.T, method, address, cookie string) answer {
	t.Helper()
	text := method + " " + address + " HTTP/1.1\r\nHost: 127.0.0.1:" + p.port + "\r\nConnection: close\r\n"
	if cookie != "" {
		text += "Cookie: " + cookie + "\r\n"
	}
	return p.raw(t, text+"\r\n")
}

// raw sends a request byte by byte.
func (p *program) raw(t *testing.T, text string) answer {
	t.Helper()
	conn := p.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	a := answer{status: resp.StatusCode, head: resp.Header, body: string(body)}
	a.cookie, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	return a
}

// signIn uses the token.
func (p *program) signIn(t *testing.T) (cookie string) {
	t.Helper()
	a := p.get(t, "/enter?token="+p.token, "")
	if a.status != http.StatusOK || a.cookie == "" {
		t.Fatalf("status %d, cookie %q\n%s", a.status, a.cookie, a.body)
	}
	return a.cookie
}
