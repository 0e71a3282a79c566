package functionhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// workerSpec is how the handler is started, again and again.
type workerSpec struct {
	app  *app
	set  settings
	own  settings // of the handler only
	addr string   // where the host listens
	log  *slog.Logger
}

// worker is one handler process.
type worker struct {
	port   int
	cmd    *exec.Cmd
	client *http.Client
	stderr *lineWriter

	exited chan struct{}
	code   int // after exited is closed; -1: ended by a signal
}

// start launches the handler. It does not wait until it answers.
func (s *workerSpec) start() (*worker, error) {
	port, err := s.pickPort()
	if err != nil {
		return nil, err
	}
	id, portText := uuid.NewString(), strconv.Itoa(port)
	c := s.app.config
	exe := s.set.expandLoose(c.executable)
	if full := filepath.Join(s.app.dir, exe); isFile(full) {
		exe = full
	}
	// The real host joins the arguments with spaces and does not quote them.
	args := strings.Fields(s.set.expandLoose(strings.Join(c.arguments, " ")))
	w := &worker{
		port:   port,
		cmd:    exec.Command(exe, args...),
		stderr: &lineWriter{line: s.stderrLine},
		exited: make(chan struct{}),
	}
	w.cmd.Dir = filepath.Join(s.app.dir, c.workingDir)
	w.cmd.Env = s.set.environment(s.own, map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT":      portText,
		"FUNCTIONS_HTTPWORKER_PORT":         portText,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID": id,
		"FUNCTIONS_HTTPWORKER_ID":           id,
		"FUNCTIONS_APP_ROOT_PATH":           s.app.dir,
		"AzureWebJobsScriptRoot":            s.app.dir,
		"FUNCTIONS_WORKER_RUNTIME":          "custom",
		"WEBSITE_HOSTNAME":                  s.addr,
	})
	stdout := &lineWriter{line: s.stdoutLine}
	w.cmd.Stdout, w.cmd.Stderr = stdout, w.stderr
	w.cmd.WaitDelay = time.Second // for a grandchild that holds the pipes
	dieWithParent(w.cmd)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	w.client = &http.Client{Transport: transport}
	if err := w.cmd.Start(); err != nil {
		releasePort(port)
		return nil, fmt.Errorf("start handler: %w", err)
	}
	go func() {
		_ = w.cmd.Wait() // the exit code says it all
		stdout.flush()
		w.stderr.flush()
		w.code = w.cmd.ProcessState.ExitCode()
		transport.CloseIdleConnections()
		releasePort(port)
		close(w.exited)
	}()
	return w, nil
}

// kill ends the process with SIGKILL and waits for it. There is no other way in
// which the host ends a handler.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill() // only fails when the process has ended
	<-w.exited
}

func (w *worker) url(path string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)) + path
}

// probe asks GET / until there is any HTTP answer.
func (w *worker) probe(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url("/"), nil)
		if err != nil {
			return fmt.Errorf("probe handler: %w", err)
		}
		resp, err := w.client.Transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		if err := sleep(ctx, 25*time.Millisecond); err != nil {
			return fmt.Errorf("probe handler: %w", err)
		}
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (s *workerSpec) stdoutLine(line string) {
	level := slog.LevelInfo
	if strings.HasPrefix(line, "LanguageWorkerConsoleLog") {
		level = slog.LevelDebug // a system log, which users do not see
	}
	s.log.Log(context.Background(), level, line, "category", consoleCategory, "stream", "stdout")
}

func (s *workerSpec) stderrLine(line string) {
	level := slog.LevelError
	switch {
	case strings.HasPrefix(line, "LanguageWorkerConsoleLog"):
		level = slog.LevelDebug
	case strings.Contains(strings.ToLower(line), "warn"):
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, line, "category", consoleCategory, "stream", "stderr")
}

const consoleCategory = "Host.Function.Console"

// lineWriter hands on whole lines and keeps the last three.
type lineWriter struct {
	line func(string)

	mu      sync.Mutex
	partial []byte
	last    []string
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		i := bytes.IndexByte(l.partial, '\n')
		if i < 0 {
			return len(p), nil
		}
		l.emit(strings.TrimRight(string(l.partial[:i]), "\r"))
		l.partial = l.partial[i+1:]
	}
}

func (l *lineWriter) emit(s string) {
	if s == "" {
		return
	}
	if l.last = append(l.last, s); len(l.last) > 3 {
		l.last = l.last[1:]
	}
	l.line(s)
}

func (l *lineWriter) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit(string(l.partial))
	l.partial = nil
}

// tail is the last three lines, as the host puts them into the exit error.
func (l *lineWriter) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, ", ")
}

// ports are those of the handlers that this process has started, so that two
// hosts in it do not choose the same one before either handler has bound it.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: make(map[int]bool)}

// pickPort finds a free port below the range from which the kernel gives ports
// to clients, because such a client could take it before the handler does.
func (s *workerSpec) pickPort() (int, error) {
	if text := s.set.expandLoose(s.app.config.port); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("start handler: customHandler.port %q is not a number", text)
		}
		return port, nil
	}
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if ports.taken[port] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		ln.Close()
		ports.taken[port] = true
		return port, nil
	}
	return 0, errors.New("start handler: no free port from 20000 to 32000")
}

func releasePort(port int) {
	ports.Lock()
	defer ports.Unlock()
	delete(ports.taken, port)
}
