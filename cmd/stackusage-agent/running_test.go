package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
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
