package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/functionhost"
	"stackusage/internal/devstack/loopback"
)

// settle ends all faults and waits until all is billed.
func (r *run) settle(ctx context.Context) (balance.Sheet, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Settle, fmt.Errorf("not settled after %s", r.o.Settle))
	defer cancel()
	r.Progress("faults end")
	r.faults.Stop()
	calm := func(server string) error {
		return loopback.Tell(ctx, http.MethodDelete, server+"/_devstack/faults", "")
	}
	if err := errors.Join(calm(r.Commerce), calm(r.Stack), r.clock.settle()); err != nil {
		return balance.Sheet{}, err
	}
	host, err := r.steady(ctx)
	if err != nil {
		return balance.Sheet{}, err
	}
	return r.Balance(ctx, host, r.done)
}

// steady waits until both hosts run with handlers that answer, and returns one.
func (r *run) steady(ctx context.Context) (*functionhost.Host, error) {
	for since := time.Now(); ; {
		first := r.hosts[0].current()
		for _, h := range r.hosts {
			if host := h.current(); host == nil || !answers(ctx, host) {
				since = time.Now()
			}
		}
		// A kill that was under way shows within this time.
		if time.Since(since) > time.Second && first == r.hosts[0].current() {
			return first, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the hosts: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// answers reports whether the handler of a host is up.
func answers(ctx context.Context, host *functionhost.Host) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return loopback.Tell(ctx, http.MethodGet, host.URL()+"/api/status", "") == nil
}
