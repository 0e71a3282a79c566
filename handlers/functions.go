package handlers

import (
	"context"
	"encoding/json"
	"time"

	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/forward"
	"stackusage/shared/ingest"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/sweep"
	"stackusage/shared/telemetry"
)

// message reads the message that a queue function was called with.
func message[T any](req invoke.Request, parse func(text string) (T, error)) (m T, err error) {
	text, err := req.Text("message")
	if err != nil {
		return m, err
	}
	return parse(text)
}

func (a *App) forwardBatch(ctx context.Context, req invoke.Request) error {
	id, err := message(req, queue.ParseBatch)
	if err != nil {
		return err
	}
	f := forward.Forwarder{Tables: a.Tables, Blobs: a.Blobs, Queues: a.Queues, Commerce: a.Commerce, Now: a.Now,
		Retry: a.Settings.ForwardRetry, SendLimit: a.Settings.SendLimit, InvocationLimit: a.Settings.InvocationLimit}
	return f.Forward(ctx, id)
}

func (a *App) closer() *closing.Closer {
	return &closing.Closer{Tables: a.Tables, Hours: a.hours(), Blobs: a.Blobs, Queues: a.Queues, Registrations: a.Registrations,
		Meters: a.Meters, Now: a.Now, Rules: a.Settings.Rules, SpillSums: a.Settings.SpillSums, TempDir: a.Settings.TempDir}
}

func (a *App) closeDay(ctx context.Context, req invoke.Request) error {
	m, err := message(req, queue.ParseDay)
	if err != nil {
		return err
	}
	return a.closer().Close(ctx, m.CloudID, m.UsageDay)
}

// hours opens hour blobs, landed and corrected ones.
func (a *App) hours() content.Opener { return landing.Files{Landed: a.Landing, Corrected: a.Blobs} }

func (a *App) ingester() ingest.Ingester {
	return ingest.Ingester{Tables: a.Tables, Hours: a.hours(), Registrations: a.Registrations, App: a.Blobs, Now: a.Now,
		Limits: a.Settings.Limits, SettlingHours: a.Settings.SettlingHours,
		Settings: ingest.Settings{TempDir: a.Settings.TempDir, SpillSums: a.Settings.SpillSums}}
}

func (a *App) ingestHour(ctx context.Context, req invoke.Request) error {
	text, err := req.Text("message")
	if err != nil {
		return err
	}
	name, aside, err := queue.ParseLanded(text)
	if err != nil || aside {
		return err
	}
	return a.ingester().IngestHour(ctx, name)
}

func (a *App) sweep(ctx context.Context, req invoke.Request) error {
	sw := sweep.Sweeper{Tables: a.Tables, Landing: a.Landing, Queues: a.Queues, Registrations: a.Registrations, Now: a.Now,
		Ingester: a.ingester(), Closer: a.closer(), Grace: a.Settings.SweepGrace, Lookback: a.Settings.SweepLookback,
		Version: telemetry.Version()}
	return sw.Sweep(ctx, lastRun(req))
}

// lastRun is when the timer last fired, as the host remembers it; the zero time if it
// does not say.
func lastRun(req invoke.Request) time.Time {
	var timer struct{ ScheduleStatus *struct{ Last time.Time } }
	if err := json.Unmarshal(req.Data["timer"], &timer); err != nil || timer.ScheduleStatus == nil {
		return time.Time{}
	}
	return timer.ScheduleStatus.Last
}
