package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// running is a service in this process, and what it logs.
type running struct {
	seen  []string
	lines chan string // closed at its end
	stop  context.CancelFunc
	done  chan error
}

func startRun(t *testing.T, path string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r, w := io.Pipe()
	s := &running{lines: make(chan string, 10_000), stop: stop, done: make(chan error, 1)}
	go func() {
		s.done <- run(ctx, []string{"run", "--config", path}, func(key string) string { return stackSecret[key] }, io.Discard, w)
		w.Close()
	}()
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			s.lines <- lines.Text()
		}
	}()
	return s
}

// await returns the first line with the text.
func (s *running) await(t *testing.T, text string) (line string) {
	t.Helper()
	for _, line := range s.seen {
		if strings.Contains(line, text) {
			return line
		}
	}
	for line := range s.lines {
		if s.seen = append(s.seen, line); strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("the log ends without %s:\n%s", text, strings.Join(s.seen, "\n"))
	return ""
}

// end tells it to stop and waits.
func (s *running) end() error {
	s.stop()
	return <-s.done
}

// stuck is a log whose reader has gone to sleep over a line.
type stuck struct {
	over string
	in   chan struct{} // closed once it sleeps
}

func (s *stuck) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.over) {
		close(s.in)
		select {}
	}
	return len(p), nil
}

// TestWorkThatDoesNotEnd has an agent that cannot come to its end, as what it
// logs is read by nobody: it is left behind.
func TestWorkThatDoesNotEnd(t *testing.T) {
	path, dir := configured(t, "timeouts: {shutdown: 1s}\n")
	log := &stuck{over: `"msg":"hours not collected"`, in: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- work(ctx, path, func(key string) string { return stackSecret[key] }, log) }()
	<-log.in
	for { // the half of it that uploads is at rest, then
		if _, err := os.Stat(filepath.Join(dir, "status.json")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	stop()
	err := <-done
	if err == nil || exitCode(err) != 2 || !strings.Contains(err.Error(), "did not end within timeouts.shutdown (1 s)") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was left behind after %s", took)
	}
}
