package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/functionhost"
)

// settle ends all faults and waits until all is billed.
func (c *chaos) settle(ctx context.Context) (balance.Sheet, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.timeout, fmt.Errorf("not settled after %s", c.o.timeout))
	defer cancel()
	c.progress("faults end")
	c.faults.Stop()
	if err := errors.Join(c.commerceCalm(ctx), c.stackCalm(ctx), c.clock.settle()); err != nil {
		return balance.Sheet{}, err
	}
	host, err := c.steady(ctx)
	if err != nil {
		return balance.Sheet{}, err
	}
	c.host = host
	waited := c.waitUntilBilled(ctx)
	if waited == nil {
		waited = c.waitForPoison(ctx)
	}
	sheet, err := c.results(context.WithoutCancel(ctx))
	if err != nil {
		return sheet, errors.Join(waited, err)
	}
	if waited != nil {
		sheet.Balanced = false
		sheet.Problems = append(sheet.Problems, waited.Error())
	}
	return sheet, nil
}

// waitForPoison waits until Sweep has emptied the poison queues: it takes up to
// its lease if it was killed over them.
func (c *chaos) waitForPoison(ctx context.Context) error {
	for {
		st, err := c.status(ctx)
		left := int64(0)
		for queue, n := range st.Queues {
			if strings.HasSuffix(queue, "-poison") {
				left += n
			}
		}
		if err == nil && left == 0 {
			return nil
		}
		if err := errors.Join(err, c.sweep(ctx)); err != nil {
			return fmt.Errorf("wait for the poison queues: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the poison queues: %w; %d messages left", context.Cause(ctx), left)
		case <-time.After(time.Second):
		}
	}
}

// steady waits until both hosts run with handlers that answer, and returns one.
func (c *chaos) steady(ctx context.Context) (*functionhost.Host, error) {
	for since := time.Now(); ; {
		first := c.hosts[0].current()
		for _, h := range c.hosts {
			if host := h.current(); host == nil || !answers(ctx, host) {
				since = time.Now()
			}
		}
		// A kill that was under way shows within this time.
		if time.Since(since) > time.Second && first == c.hosts[0].current() {
			return first, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the hosts: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
