// Package agent is what runs on the stack: it collects usage by reported hour,
// seals each hour in a spool on its own disk, and uploads it as one blob. It is
// thin: rows go through as the API sent them, neither rounded nor interpreted.
//
//	Source (usage API, page by page) -> spool (one sealed file per hour) -> Upload (one blob, create only)
//	  Run: a round an hour                                                    Run: whatever is sealed
//
// Which hour comes next follows from what was sealed, oldest gap first; the
// clock says only whether it may be asked for yet. An hour that is sealed is
// never asked for again, unless Backfill is told to, one that is uploaded never
// uploaded again; whatever is interrupted starts over at the next run.
// Collecting and uploading do not wait for one another: without the stack the
// backlog still uploads, without storage collecting goes on to the spool's limits.
package agent

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/agent/subscribers"
	"stackusage/shared/landing"
)

// Source is the stack's usage API. Hour hands on each row of one reported hour
// exactly as sent, SubscriberHour those of one subscription; after an error the
// rows handed on are worthless. Subscriptions is the directory tenant of each
// subscription that the stack lists now, empty where it names none.
type Source interface {
	Hour(ctx context.Context, start time.Time, row func(raw []byte) error) (pages int, err error)
	SubscriberHour(ctx context.Context, start time.Time, subscriber string, row func(raw []byte) error) (pages int, err error)
	Subscriptions(ctx context.Context) (map[string]string, error)
}

// Storage stores a sealed hour. It succeeds when these very bytes are there,
// whoever put them.
type Storage interface {
	Put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error
}

// Stack is what an hour's header says about the stack.
type Stack struct {
	CloudID               string
	Region                string
	Domain                string
	ProviderSubscriptions []string
	AgentVersion          string
}

// Agent collects and uploads. All fields are set before the first method is
// called, and of the methods only one runs at a time; Status is free of that.
type Agent struct {
	Source   Source
	Storage  Storage // nil: nothing is uploaded, a person exports the hours
	Spool    *spool.Spool
	Stack    Stack
	Settings Settings // of Run and Once
	Log      *slog.Logger
	Now      func() time.Time
	Metrics  *metrics.Metrics // nil means metrics that nobody reads

	// Ends, if set, is when what the agent signs in with ends: "storage certificate".
	Ends func() map[string]time.Time

	ready   sync.Once
	known   subscribers.Known // used by what collects only
	memory  *memory.Memory
	offered bool // what was set aside, since the start; used by what uploads only
	state   state
}

// Report counts what a run did.
type Report struct {
	Hours     int   // that were to be collected
	Collected int   // asked for and sealed in this run
	Uploaded  int   // uploaded in this run
	Rows      int64 // in the hours collected
	Partial   int   // of the hours collected, asked for subscriber by subscriber
	Again     int   // of the hours collected, collected before: Backfill only
	Damaged   int   // sealed files found torn and set aside
	Changed   int   // hours that had other rows when they were asked for once more
	NotReady  bool  // the stack does not tell the next hour yet
	Behind    bool  // more hours are due than one round takes
}

// prepare recalls what earlier runs knew.
func (a *Agent) prepare(ctx context.Context) {
	a.ready.Do(func() {
		if a.Metrics == nil {
			a.Metrics = metrics.New(a.Now)
		}
		a.recallSubscriptions(ctx)
		text, err := a.Spool.Kept(memory.Note)
		a.warnNote(ctx, memory.Note, err)
		a.memory, err = memory.New(memory.Config{Now: a.Now, Wait: a.Settings.again, Keep: a.keepNote}, text, a.Settings.First)
		a.warnNote(ctx, memory.Note, err)
		a.recallStatus(ctx)
	})
}
