package view

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"

	"stackusage/internal/devstack/loopback"
)

const (
	consoleStart = 30 * time.Second
	consoleStop  = 10 * time.Second
	maxMessage   = 2000 // bytes of an error of the console
)

// consoleAddress is in the line that stackusage console prints.
var consoleAddress = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/\S+`)

// Console is a running stackusage console.
type Console struct {
	Address string // works once
	cmd     *exec.Cmd
	done    chan struct{}
	err     error // of the process; read after done is closed
	stderr  message
}

// message keeps the beginning of what a process writes.
type message struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (m *message) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text.Write(p[:min(len(p), max(0, maxMessage-m.text.Len()))])
	return len(p), nil
}

func (m *message) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(bytes.TrimSpace(m.text.Bytes()))
}

// StartConsole starts stackusage console, and returns once it has printed its address. Port 0
// lets the kernel choose.
func StartConsole(ctx context.Context, tool string, port int, settings []Setting) (*Console, error) {
	c := &Console{cmd: exec.Command(tool, "console", "--port", strconv.Itoa(port)), done: make(chan struct{})}
	c.cmd.Env = os.Environ()
	for _, s := range settings {
		c.cmd.Env = append(c.cmd.Env, s.Name+"="+s.Value)
	}
	c.cmd.Stderr = &c.stderr
	loopback.DieWithParent(c.cmd)
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; build it with: make stage", err)
		}
		return nil, err
	}
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if found := consoleAddress.FindString(lines.Text()); found != "" {
				address <- found
				break
			}
		}
		_, _ = io.Copy(io.Discard, stdout) // it must not wait for a reader
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, consoleStart, fmt.Errorf("no address after %s", consoleStart))
	defer cancel()
	select {
	case c.Address = <-address:
		return c, nil
	case <-c.done:
		return nil, fmt.Errorf("%w; if it knows no such command, build it with: make stage", c.Err())
	case <-ctx.Done():
		c.Stop()
		return nil, context.Cause(ctx)
	}
}

// Done is closed when the console has ended.
func (c *Console) Done() <-chan struct{} { return c.done }

// Err says why it ended.
func (c *Console) Err() error { return fmt.Errorf("%s ended (%v): %s", c.cmd.Path, c.err, &c.stderr) }

// Stop interrupts it, and kills it if that takes too long.
func (c *Console) Stop() {
	_ = c.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-c.done:
	case <-time.After(consoleStop):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
