package chaos

import (
	"context"
	"errors"
	"strings"
	"time"

	"stackusage/shared/table"
)

// Kinds of faults that storm gives itself; storage, handler and commerce have
// theirs.
const (
	HostStopped   = "host stopped after three crashes, started again"
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
	stackAnswers  = "usage API answered 202, 429, 503, 504 or was cut"
	garbledText   = "%%% this is not base64"
	troublePause  = time.Second
	outageLength  = 8 * time.Second // five tries of a message, a second apart
	sweepPause    = 1500 * time.Millisecond
	requestLimit  = 5 * time.Second // of one request of storm: handlers die under it
	firstDayLimit = 45 * time.Second
	maxClockAhead = 36 * time.Hour // CLOSE_DELAY is 48 h: no day shall close with gaps
)

// storm runs the agent with everything around it failing, until every kind of
// fault has happened and all hours are ingested, or its time is over.
func (r *run) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.Progress("faults begin, seed %d", r.o.Seed)
	if err := errors.Join(r.commerceFaults(ctx), r.stackFaults(ctx)); err != nil {
		return err
	}
	agent := make(chan error, 1)
	go func() { agent <- r.agentAtLast(ctx) }()
	end := time.After(r.o.Storm)
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
			r.Progress("the time for faults is over")
			if collected {
				return nil
			}
			r.faults.Stop() // the agent still needs storage that works
			return <-agent
		case <-show.C:
			ingested, open, err := r.progressed(ctx)
			left := r.outstanding()
			r.Progress("%d hours ingested, %d days or revisions open; faults to come: %d %s", ingested, open, len(left), strings.Join(left[:min(len(left), 3)], ", "))
			all := ingested >= int(r.End.Sub(r.First)/time.Hour)
			if err == nil && collected && all && (open == 0 || r.o.Quick) && len(left) == 0 {
				return nil
			}
		case <-sweep.C:
			r.sweepSomewhere(ctx)
			r.outageOnce(ctx)
		case <-trouble.C:
			if len(queue) == 0 {
				queue = r.troubles()
			}
			if err := queue[0](ctx); err != nil {
				return err
			}
			queue = queue[1:]
		}
	}
}

// progressed returns how many landed files were ingested and how much is open.
func (r *run) progressed(ctx context.Context) (ingested, open int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	if ingested, err = r.Ingested(ctx); err != nil {
		return 0, 0, err
	}
	open, err = r.rows(ctx, table.OpenDays, "")
	return ingested, open, err
}

// rows counts the rows of a table.
func (r *run) rows(ctx context.Context, name, partition string) (n int, err error) {
	for _, err := range r.Tables.List(ctx, name, partition, "", "") {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// agentAtLast runs the agent until it has collected all hours. It begins with
// those that the first day needs to close, and goes on when that is closed or
// should be: what comes late is then a correction.
func (r *run) agentAtLast(ctx context.Context) error {
	first := r.First
	if enough := first.Add(30 * time.Hour); !r.o.Quick && enough.Before(r.End) {
		if err := r.agentRepeated(ctx, enough); err != nil {
			return err
		}
		for limit := time.Now().Add(firstDayLimit); time.Now().Before(limit) && ctx.Err() == nil; time.Sleep(300 * time.Millisecond) {
			if n, err := r.rows(ctx, table.UsageDays, r.CloudID); err == nil && n > 0 {
				break
			}
		}
	}
	return r.agentRepeated(ctx, r.End)
}

// agentRepeated runs the agent until it succeeds, as its timer does.
func (r *run) agentRepeated(ctx context.Context, end time.Time) error {
	for {
		err := r.Agent(ctx, end)
		if err == nil || ctx.Err() != nil {
			return err
		}
		r.count(agentFailed)
		r.Log.Warn("agent failed", "error", err)
		time.Sleep(500 * time.Millisecond)
	}
}
