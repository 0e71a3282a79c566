package main

import (
	"context"
	"strings"
	"time"

	"stackusage/shared/table"
)

// Kinds of faults that storm gives itself; storage, handler and commerce have
// theirs.
const (
	hostStopped   = "host stopped after three crashes, started again"
	azuriteEnded  = "Azurite ended by SIGTERM, started again"
	clockAhead    = "clock moved ahead"
	clockBack     = "clock moved back"
	messageTwice  = "message put on its queue a second time"
	unreadable    = "message that cannot be read"
	sweepTwice    = "Sweep on both hosts at once"
	poisoned      = "message poisoned after five failures"
	outage        = "storage refused all writes for seconds"
	sentAgain     = "message that failed for good, sent again"
	agentFailed   = "agent run that failed, repeated"
	stackFaults   = "usage API answered 202, 429, 503, 504 or was cut"
	garbledText   = "%%% this is not base64"
	troublePause  = time.Second
	outageLength  = 8 * time.Second // five tries of a message, a second apart
	sweepPause    = 1500 * time.Millisecond
	requestLimit  = 5 * time.Second // of one request of storm: handlers die under it
	firstDayLimit = 45 * time.Second
	maxClockAhead = 36 * time.Hour // CLOSE_DELAY is 48 h: no day shall close with gaps
)

// storm runs the agent with everything around it failing, until every kind of
// fault has happened and all hours are judged, or --storm is over.
func (c *chaos) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.progress("faults begin, seed %d", c.o.seed)
	if err := c.commerceFaults(ctx); err != nil {
		return err
	}
	if err := c.stackFaults(ctx); err != nil {
		return err
	}
	agent := make(chan error, 1)
	go func() { agent <- c.agentAtLast(ctx) }()
	end := time.After(c.o.storm)
	trouble, sweep, show := time.NewTicker(troublePause), time.NewTicker(sweepPause), time.NewTicker(3*time.Second)
	defer trouble.Stop()
	defer sweep.Stop()
	defer show.Stop()
	var queue []func(context.Context) error
	collected := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-agent:
			if err != nil {
				return err
			}
			collected = true
			continue
		case <-end:
			c.progress("--storm is over")
			if collected {
				return nil
			}
			c.faults.Stop() // the agent still needs storage that works
			return <-agent
		case <-show.C:
			judged, open, err := c.progressed(ctx)
			left := c.outstanding()
			c.progress("%d hours ingested, %d days or revisions open; faults to come: %d %s", judged, open, len(left), strings.Join(left[:min(len(left), 3)], ", "))
			if err == nil && collected && judged >= c.hoursServed() && (open == 0 || c.o.quick) && len(left) == 0 {
				return nil
			}
		case <-sweep.C:
			c.sweepSomewhere(ctx)
			c.outageOnce(ctx)
		case <-trouble.C:
			if len(queue) == 0 {
				queue = c.troubles()
			}
			if err := queue[0](ctx); err != nil {
				return err
			}
			queue = queue[1:]
		}
	}
}

func (c *chaos) hoursServed() int { return int(c.stack.End().Sub(c.stack.First()) / time.Hour) }

// progressed says how many blobs have a verdict and how much is open.
func (c *chaos) progressed(ctx context.Context) (judged, open int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	if judged, _, err = c.hours(ctx); err != nil {
		return 0, 0, err
	}
	for _, err := range c.usage.Tables.List(ctx, table.OpenDays, "", "", "") {
		if err != nil {
			return 0, 0, err
		}
		open++
	}
	return judged, open, nil
}

// agentAtLast runs the agent until it has collected all hours. It begins with
// those that the first day needs to close, and goes on when that has been stated
// or should have been: what comes late is then a correction.
func (c *chaos) agentAtLast(ctx context.Context) error {
	first := c.stack.First()
	if enough := first.Add(30 * time.Hour); !c.o.quick && enough.Before(c.stack.End()) {
		if err := c.agentRepeated(ctx, enough); err != nil {
			return err
		}
		for limit := time.Now().Add(firstDayLimit); time.Now().Before(limit) && ctx.Err() == nil; time.Sleep(300 * time.Millisecond) {
			if n, err := c.revisions(ctx); err == nil && n > 0 {
				break
			}
		}
	}
	return c.agentRepeated(ctx, c.stack.End())
}

func (c *chaos) revisions(ctx context.Context) (n int, err error) {
	for _, err := range c.usage.Tables.List(ctx, table.UsageDays, cloudID, "", "") {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// agentRepeated runs the agent until it succeeds, as its timer does.
func (c *chaos) agentRepeated(ctx context.Context, end time.Time) error {
	spool, err := c.folder("spool")
	if err != nil {
		return err
	}
	for {
		err := c.agentUntil(ctx, spool, end)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.count(agentFailed)
		c.log.Warn("agent failed", "error", err)
		time.Sleep(500 * time.Millisecond)
	}
}
