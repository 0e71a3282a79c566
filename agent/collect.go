package agent

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/agent/subscribers"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// maxChanged is how often an hour is asked for anew within one try because a
// page of it changed between two answers.
const maxChanged = 3

// seal collects one hour into the spool.
func (a *Agent) seal(ctx context.Context, h usage.Hour, report *Report) error {
	rows, inParts, err := a.take(ctx, h, "")
	if errors.Is(err, stackapi.ErrNotReady) {
		a.Metrics.NotReady.Inc()
	}
	if err != nil {
		return err
	}
	if inParts {
		report.Partial++
		a.Metrics.PartialHours.Inc()
	}
	report.Collected++
	report.Rows += rows
	a.collected(h)
	a.memory.Hours.Fixed(ctx, h)
	return nil
}

// errSame ends the check of an hour that has the rows it had.
var errSame = errors.New("the hour has the same rows")

// take seals what the stack tells of an hour: for all subscribers at once, or, where
// that is too much for its gateway, subscriber by subscriber. An hour with the rows
// of the given hash is not sealed again but is errSame.
func (a *Agent) take(ctx context.Context, h usage.Hour, same string) (rows int64, inParts bool, err error) {
	stale := a.lookUpTenants(ctx, h)
	a.Metrics.TenantsStale(stale)
	inParts = !a.Settings.NoSplit && a.memory.InParts()
	if !inParts {
		rows, err = a.sealUnchanged(ctx, h, stale, nil, same)
		if err == nil || err == errSame {
			a.setParts(ctx, false)
		}
		if answer := (*stackapi.Error)(nil); a.Settings.NoSplit || !errors.As(err, &answer) || !answer.TimedOut() {
			return rows, false, err
		}
		a.Log.WarnContext(ctx, "request for all subscribers timed out, collecting one by one", slog.String("hour", h.String()), slog.String("error", err.Error()))
		if !a.memory.PartsSince().IsZero() {
			a.setParts(ctx, true) // still, and asked for all just now
		}
	}
	ids := a.known.List(h, a.Stack.ProviderSubscriptions)
	if len(ids) == 0 {
		return 0, true, cmp.Or(err, errors.New("no subscriber is known"))
	}
	rows, err = a.sealUnchanged(ctx, h, stale, ids, same)
	if !inParts && (err == nil || err == errSame) {
		a.setParts(ctx, true)
	}
	return rows, true, err
}

// sealUnchanged asks for the hour anew when a page changed between two answers:
// the rows kept are those of one telling.
func (a *Agent) sealUnchanged(ctx context.Context, h usage.Hour, stale bool, ids []string, same string) (rows int64, err error) {
	for try := 1; ; try++ {
		rows, err = a.sealOnce(ctx, h, stale, ids, same)
		if !errors.Is(err, stackapi.ErrChanged) {
			return rows, err
		}
		a.Metrics.ChangedPages.Inc()
		a.Log.WarnContext(ctx, "page changed between two responses, hour restarted",
			slog.String("hour", h.String()), slog.String("error", err.Error()))
		if try > maxChanged {
			return rows, err
		}
	}
}

func (a *Agent) sealOnce(ctx context.Context, h usage.Hour, stale bool, ids []string, same string) (rows int64, err error) {
	f, err := a.Spool.Create(h)
	if err != nil {
		return 0, err
	}
	defer a.Spool.Discard(f)
	buf := bufio.NewWriterSize(f, 64<<10) // gzip writes in pieces of 240 bytes
	w, err := landing.NewWriter(buf, landing.Header{
		CloudID: a.Stack.CloudID, Region: a.Stack.Region, Domain: a.Stack.Domain,
		ReportedStart: h.Start(), ReportedEnd: h.End(), CollectedAt: a.Now(), AgentVersion: a.Stack.AgentVersion,
		ProviderSubscriptions: a.Stack.ProviderSubscriptions, Tenants: a.known.Tenants, TenantsStale: stale, TenantsAt: a.known.ReadAt,
		PartialSource: ids,
	})
	if err != nil {
		return 0, err
	}
	look := &subscribers.Look{Reported: h, Known: &a.known}
	pages, err := a.ask(ctx, h, ids, func(raw []byte) error {
		look.Row(raw)
		return w.Row(raw)
	})
	if err != nil {
		return 0, err
	}
	name, trailer, err := w.Close(pages)
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		return 0, err
	}
	// Before the hour counts, or a kill would lose them.
	a.keepSubscriptions(ctx)
	if same == trailer.RowSetHash {
		return 0, errSame
	}
	if same == "" && a.Settings.CheckAfter > 0 {
		a.memory.CheckLater(ctx, memory.Check{Hour: h, Hash: trailer.RowSetHash, At: a.Now().UTC().Add(a.Settings.CheckAfter), Parts: ids != nil})
	}
	if err := a.Spool.Seal(f, spool.Entry{Hour: h, SHA16: name.SHA16}.Name()); err != nil {
		return 0, err
	}
	a.Metrics.HoursCollected.Inc()
	a.Metrics.Rows.Add(float64(trailer.Records))
	a.Metrics.Pages.Add(float64(pages))
	if look.Odd > 0 {
		a.Metrics.OddRows.Add(float64(look.Odd))
		a.Log.WarnContext(ctx, "rows with an implausible usage hour, kept as sent", slog.String("hour", h.String()),
			slog.Int64("rows", look.Odd), slog.String("first", look.Oddest))
	}
	a.Log.InfoContext(ctx, "hour collected", slog.String("hour", h.String()), slog.Int64("rows", trailer.Records), slog.Int("pages", pages))
	return trailer.Records, nil
}

// atOnce is how many subscribers are asked at a time.
const atOnce = 4

// ask hands on the rows of the hour: of the whole stack, or of each subscriber.
// One that the stack refuses as no direct tenant of its own is left out: a
// delegated provider's, whose usage the whole stack's answer does not have
// either.
func (a *Agent) ask(ctx context.Context, h usage.Hour, ids []string, row func([]byte) error) (pages int, err error) {
	if ids == nil {
		return a.Source.Hour(ctx, h.Start(), row)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // of what is below, and of row
	var first error
	refused := 0
	one := func(id string) {
		n, err := a.Source.SubscriberHour(ctx, h.Start(), id, func(raw []byte) error {
			mu.Lock()
			defer mu.Unlock()
			return row(raw)
		})
		mu.Lock()
		defer mu.Unlock()
		pages += n
		if answer := (*stackapi.Error)(nil); errors.As(err, &answer) && answer.NotDirectTenant() && n == 0 {
			refused++
			a.Log.WarnContext(ctx, "the stack rejects the subscriber, because it is not a direct tenant; the hour is collected without it",
				slog.String("hour", h.String()), slog.String("subscriber", id))
		} else if err != nil && first == nil {
			first = fmt.Errorf("subscriber %s: %w", id, err)
			cancel() // the others: the hour is told whole or not at all
		}
	}
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, id := range ids {
		turns <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() { one(id); <-turns })
	}
	all.Wait()
	switch {
	case first != nil:
		return 0, first
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case refused == len(ids):
		return 0, errors.New("the stack rejects every subscriber as no direct tenant")
	}
	a.Metrics.SubscribersSkipped.Add(float64(refused))
	return pages, nil
}

// oldNotReady is from which age on "not yet" is no answer: a stack that does not tell
// the current UTC day tells an hour after a day at the latest.
const oldNotReady = 48 * time.Hour

// hourFailed notes that an hour was not collected, and why. That the stack does not
// tell a young hour yet is no failure.
func (a *Agent) hourFailed(ctx context.Context, h usage.Hour, err error) (failure error) {
	waiting := errors.Is(err, stackapi.ErrNotReady) && a.Now().Sub(h.End()) < oldNotReady
	t := a.memory.Hours.Failed(ctx, h, err, waiting)
	at := []any{slog.String("hour", h.String()), slog.String("error", err.Error()), slog.Int("tries", t.Tries), slog.Time("nextTry", t.Next)}
	if waiting {
		a.Log.InfoContext(ctx, "usage for this hour is not available yet", at...)
		return nil
	}
	a.Log.ErrorContext(ctx, "hour not collected, others continue", at...)
	return fmt.Errorf("hour %s: %w", h, err)
}

// setParts notes how the stack has answered.
func (a *Agent) setParts(ctx context.Context, inParts bool) {
	since := a.memory.SetParts(ctx, inParts)
	switch {
	case inParts && since.IsZero():
		a.Log.WarnContext(ctx, "collecting subscriber by subscriber from now on; a request for all is tried once a day", slog.Duration("every", memory.ProbeEvery))
	case !inParts && !since.IsZero():
		a.Log.InfoContext(ctx, "collecting all subscribers at once again; the hours since are checked", slog.Time("since", since))
	}
}
