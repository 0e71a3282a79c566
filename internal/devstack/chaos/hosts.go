package chaos

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

// host is one of the hosts, started again whenever it ends.
type host struct {
	proxy *storagefaults.Proxy

	mu  sync.Mutex
	now *functionhost.Host // nil while there is none
}

func (h *host) current() *functionhost.Host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *host) set(now *functionhost.Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = now
}

// kill ends the handler with SIGKILL.
func (h *host) kill() bool {
	now := h.current()
	return now != nil && now.KillHandler()
}

// startHosts starts two hosts with the same app on the same storage. Only their
// handlers reach it through a proxy: the hosts' own requests are Azure's.
func (r *run) startHosts() (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	stop = func() {
		cancel()
		running.Wait()
		for _, h := range r.hosts {
			h.proxy.Close()
		}
	}
	if err := r.clock.move(0); err != nil {
		return stop, err
	}
	ports := r.Azurite.Ports
	address := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	storage := storagefaults.Endpoints{Blob: address(ports.Blob), Queue: address(ports.Queue), Table: address(ports.Table)}
	for range 2 {
		h := &host{}
		if h.proxy, err = storagefaults.Start(r.faults, storage, h.kill); err != nil {
			return stop, err
		}
		r.hosts = append(r.hosts, h)
		running.Go(func() { r.supervise(ctx, h) })
	}
	return stop, nil
}

// supervise does what the platform does with a host that has ended.
func (r *run) supervise(ctx context.Context, h *host) {
	opts := functionhost.Options{
		AppDir: r.o.App, Settings: r.Settings, TimeScale: hostScale, Log: r.Log,
		HandlerSettings: map[string]string{"UsageStorage": h.proxy.Through(r.Settings["UsageStorage"]), "MOVED_CLOCK_FILE": r.clock.file},
	}
	for ctx.Err() == nil {
		now, err := functionhost.Start(ctx, opts)
		if err == nil {
			h.set(now)
			select {
			case <-ctx.Done():
				now.KillHost()
				return
			case <-now.Done():
				err = now.Err()
			}
			h.set(nil)
		}
		if errors.Is(err, functionhost.ErrTooManyCrashes) {
			r.count(HostStopped)
		}
		r.Log.Info("host ended", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
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
