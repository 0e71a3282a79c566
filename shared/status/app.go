package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/queue"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// messages counts what waits and what failed.
func (rd *reading) messages(ctx context.Context) {
	var since time.Time
	queues := tally{}
	for m, err := range queue.FailedMessages(ctx, rd.Tables) {
		if err != nil {
			rd.notRead(ctx, nil, "failed messages", err)
			break
		}
		if m.Dismissed() {
			continue
		}
		rd.all.FailedMessages++
		queues[m.Queue]++
		if since.IsZero() || m.LastSeen.Before(since) {
			since = m.LastSeen
		}
	}
	list := []Step{{Command: "stackusage message list"}}
	if rd.all.FailedMessages > 0 {
		rd.found(Finding{Code: MessagesFailed, Text: count(rd.all.FailedMessages, "message") + " failed for good", Details: []string{queues.String()}, Since: since, Next: list})
	}
	names, err := queue.Names()
	if err != nil {
		rd.notRead(ctx, nil, "the queues", err)
	}
	poisoned := tally{}
	for _, name := range names {
		n, err := rd.Queues.Depth(ctx, name)
		if err != nil {
			rd.notRead(ctx, nil, "queue "+name, err)
			continue
		}
		if rd.all.Queues[name] = n; n > 0 && strings.HasSuffix(name, queue.Poison("")) {
			poisoned[name] = int(n)
		}
	}
	if len(poisoned) > 0 {
		rd.found(Finding{Code: MessagesPoisoned, Text: "messages are on a poison queue; Sweep moves them to the failed ones", Details: []string{poisoned.String()}, Next: list})
	}
}

// sweepLimit is how long Sweep may be away. Alert rule sweep-silent has the same.
const sweepLimit = 30 * time.Minute

// sweep reads when Sweep last ended without an error.
func (rd *reading) sweep(ctx context.Context) {
	run, err := sweep.LastRun(ctx, rd.Tables)
	f := Finding{Code: SweepSilent, Since: run.At, Next: []Step{{Command: "az functionapp show", Note: "does the app run? its log has the error of Sweep"}}}
	switch {
	case errors.Is(err, table.ErrNotFound):
		f.Text = "no run of Sweep has ended yet: nothing that was lost is found again"
	case err != nil:
		rd.notRead(ctx, nil, "the last run of Sweep", err)
		return
	default:
		rd.all.Sweep = &Run{At: run.At.UTC(), Version: run.Version}
		ago := rd.now.Sub(run.At)
		if ago <= sweepLimit {
			return
		}
		f.Text = fmt.Sprintf("no run of Sweep has ended without an error since %s (%s)", usage.Point(run.At), usage.Span(ago))
	}
	rd.found(f)
}
