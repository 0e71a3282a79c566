package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stackusage/internal/devstack/functionhost"
	"stackusage/internal/devstack/storagefaults"
)

// chaosHost is one of the hosts, started again whenever it ends.
type chaosHost struct {
	proxy *storagefaults.Proxy

	mu   sync.Mutex
	host *functionhost.Host // nil while there is none
}

func (h *chaosHost) current() *functionhost.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.host
}

func (h *chaosHost) set(host *functionhost.Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.host = host
}

// kill ends the handler with SIGKILL.
func (h *chaosHost) kill() bool {
	host := h.current()
	return host != nil && host.KillHandler()
}

// startHosts starts two hosts with the same app on the same storage. Only their
// handlers reach it through a proxy: the hosts' own requests are Azure's.
func (c *chaos) startHosts() error {
	if err := c.clock.move(0); err != nil {
		return err
	}
	ports := c.azurite.Ports
	address := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	storage := storagefaults.Endpoints{Blob: address(ports.Blob), Queue: address(ports.Queue), Table: address(ports.Table)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	c.closers = append(c.closers, func() { cancel(); running.Wait() })
	for range 2 {
		h := &chaosHost{}
		var err error
		if h.proxy, err = storagefaults.Start(c.faults, storage, h.kill); err != nil {
			return err
		}
		c.closers = append(c.closers, h.proxy.Close)
		c.hosts = append(c.hosts, h)
		running.Go(func() { c.supervise(ctx, h) })
	}
	return nil
}

// supervise does what the platform does with a host that has ended.
func (c *chaos) supervise(ctx context.Context, h *chaosHost) {
	opts := functionhost.Options{
		AppDir: c.o.app, Settings: c.settings, TimeScale: chaosScale, Log: c.log,
		HandlerSettings: map[string]string{"UsageStorage": h.proxy.Through(c.settings["UsageStorage"]), "MOVED_CLOCK_FILE": c.clock.file},
	}
	for ctx.Err() == nil {
		host, err := functionhost.Start(ctx, opts)
		if err == nil {
			h.set(host)
			select {
			case <-ctx.Done():
				host.KillHost()
				return
			case <-host.Done():
				err = host.Err()
			}
			h.set(nil)
		}
		if errors.Is(err, functionhost.ErrTooManyCrashes) {
			c.count(hostStopped)
		}
		c.log.Info("host ended", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// answers reports whether the handler of a host is up.
func answers(ctx context.Context, host *functionhost.Host) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body, err := get(ctx, host.URL()+"/api/status")
	if err != nil {
		return false
	}
	body.Close()
	return true
}

// movedClock is the clock of the handlers, told to them in a file.
type movedClock struct {
	file    string
	by, max time.Duration
}

// move sets how far the clock is from the right time.
func (m *movedClock) move(by time.Duration) error {
	m.by, m.max = by, max(m.max, by)
	// In one step: a handler that finds half a file would take the right time.
	next := m.file + ".next"
	if err := os.WriteFile(next, []byte(by.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(next, filepath.Clean(m.file))
}

// settle sets the clock ahead of all that was written by it and of the rest that
// a message gets which failed for good, so that nothing waits for its time.
func (m *movedClock) settle() error { return m.move(m.max + 7*time.Hour) }
