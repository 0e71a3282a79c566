package process

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"stackusage/internal/devstack/loopback"
)

// Spec says what to run.
type Spec struct {
	Dir         string   // working directory
	Executable  string   // below Dir
	Env         []string // all but what is different for each process
	InitTimeout time.Duration
	Log         *slog.Logger
}

// Process is one handler process.
type Process struct {
	port   int
	cmd    *exec.Cmd
	client *http.Client
	stderr *lineWriter

	exited chan struct{}
	code   int // after exited is closed; -1: ended by a signal
}

// start launches the handler. It does not wait until it answers.
func (s *Spec) start() (*Process, error) {
	port, err := loopback.Port()
	if err != nil {
		return nil, fmt.Errorf("start handler: %w", err)
	}
	id, portText := uuid.NewString(), strconv.Itoa(port)
	p := &Process{
		port:   port,
		cmd:    exec.Command(filepath.Join(s.Dir, s.Executable)),
		stderr: &lineWriter{line: s.stderrLine},
		exited: make(chan struct{}),
	}
	p.cmd.Dir = s.Dir
	p.cmd.Env = append(slices.Clip(s.Env), "FUNCTIONS_CUSTOMHANDLER_PORT="+portText, "FUNCTIONS_HTTPWORKER_PORT="+portText,
		"FUNCTIONS_CUSTOMHANDLER_WORKER_ID="+id, "FUNCTIONS_HTTPWORKER_ID="+id)
	stdout := &lineWriter{line: s.stdoutLine}
	p.cmd.Stdout, p.cmd.Stderr = stdout, p.stderr
	p.cmd.WaitDelay = time.Second // for a grandchild that holds the pipes
	loopback.DieWithParent(p.cmd)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	p.client = &http.Client{Transport: transport}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start handler: %w", err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code says it all
		stdout.flush()
		p.stderr.flush()
		p.code = p.cmd.ProcessState.ExitCode()
		transport.CloseIdleConnections()
		close(p.exited)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Client reaches the handler.
func (p *Process) Client() *http.Client { return p.client }

// Kill ends the process with SIGKILL and waits for it. There is no other way in
// which the host ends a handler.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // only fails when the process has ended
	<-p.exited
}

// URL is that of a path of the handler.
func (p *Process) URL(path string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) + path
}

// probe asks GET / until there is any HTTP answer.
func (p *Process) probe(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL("/"), nil)
		if err != nil {
			return fmt.Errorf("probe handler: %w", err)
		}
		resp, err := p.client.Transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("probe handler: %w", context.Cause(ctx))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func (s *Spec) stdoutLine(line string) {
	level := slog.LevelInfo
	if strings.HasPrefix(line, "LanguageWorkerConsoleLog") {
		level = slog.LevelDebug // a system log, which users do not see
	}
	s.Log.Log(context.Background(), level, line, "category", consoleCategory, "stream", "stdout")
}

func (s *Spec) stderrLine(line string) {
	level := slog.LevelError
	switch {
	case strings.HasPrefix(line, "LanguageWorkerConsoleLog"):
		level = slog.LevelDebug
	case strings.Contains(strings.ToLower(line), "warn"):
		level = slog.LevelWarn
	}
	s.Log.Log(context.Background(), level, line, "category", consoleCategory, "stream", "stderr")
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
