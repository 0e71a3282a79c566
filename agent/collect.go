package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// maxChanged is how often an hour is asked for anew within one try because a
// page of it changed between two answers.
const maxChanged = 3

// seal collects one hour into the spool: from the whole stamp, or subscriber by
// subscriber where the stack's gateway keeps giving up on that.
func (a *Agent) seal(ctx context.Context, h usage.Hour, report *Report) error {
	stale := a.lookUpTenants(ctx)
	a.Metrics.TenantsStale(stale)
	rows, err := a.sealUnchanged(ctx, h, stale, nil)
	if answer := (*stackapi.Error)(nil); errors.As(err, &answer) && answer.TimedOut() {
		a.setTimeouts(ctx, a.timeouts+1)
		subscribers := a.known.list(a.Stamp.ProviderSubscriptions)
		if most := a.Settings.stampTimeouts(); most < 0 || a.timeouts < most || len(subscribers) == 0 {
			return err
		}
		a.Log.WarnContext(ctx, "the stack gives up on the whole stamp, it is asked subscriber by subscriber",
			slog.String("hour", h.String()), slog.Int("subscribers", len(subscribers)), slog.String("error", err.Error()))
		if rows, err = a.sealUnchanged(ctx, h, stale, subscribers); err == nil {
			report.Partial++
			a.Metrics.PartialHours.Inc()
		}
	} else if err == nil {
		a.setTimeouts(ctx, 0)
	}
	if errors.Is(err, stackapi.ErrNotReady) {
		a.Metrics.NotReady.Inc()
	}
	if err != nil {
		return err
	}
	report.Collected++
	report.Rows += rows
	a.collected(h)
	return nil
}

// sealUnchanged asks for the hour anew when a page changed between two answers:
// the rows kept are those of one telling.
func (a *Agent) sealUnchanged(ctx context.Context, h usage.Hour, stale bool, subscribers []string) (rows int64, err error) {
	for try := 1; ; try++ {
		rows, err = a.sealOnce(ctx, h, stale, subscribers)
		if !errors.Is(err, stackapi.ErrChanged) {
			return rows, err
		}
		a.Metrics.ChangedPages.Inc()
		a.Log.WarnContext(ctx, "a page has other rows than a moment ago, the hour is asked for anew",
			slog.String("hour", h.String()), slog.String("error", err.Error()))
		if try > maxChanged {
			return rows, err
		}
	}
}

func (a *Agent) sealOnce(ctx context.Context, h usage.Hour, stale bool, subscribers []string) (rows int64, err error) {
	f, err := a.Spool.Create(h)
	if err != nil {
		return 0, err
	}
	defer a.Spool.Discard(f)
	buf := bufio.NewWriterSize(f, 64<<10) // gzip writes in pieces of 240 bytes
	w, err := landing.NewWriter(buf, landing.Header{
		CloudID: a.Stamp.CloudID, Region: a.Stamp.Region, Domain: a.Stamp.Domain,
		ReportedStart: h.Start(), ReportedEnd: h.End(), CollectedAt: a.Now(), AgentVersion: a.Stamp.AgentVersion,
		ProviderSubscriptions: a.Stamp.ProviderSubscriptions, Tenants: a.known.tenants, TenantsStale: stale, TenantsAt: a.known.tenantsAt,
		PartialSource: subscribers,
	})
	if err != nil {
		return 0, err
	}
	look := &look{reported: h, known: &a.known}
	pages, err := a.ask(ctx, h, subscribers, func(raw []byte) error {
		look.row(raw)
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
	a.keepSubscriptions(ctx) // before the hour counts, or a kill would lose them
	if err := a.Spool.Seal(f, spool.Entry{Hour: h, SHA16: name.SHA16}.Name()); err != nil {
		return 0, err
	}
	a.Metrics.HoursCollected.Inc()
	a.Metrics.Rows.Add(float64(trailer.Records))
	a.Metrics.Pages.Add(float64(pages))
	if look.odd > 0 {
		a.Metrics.OddRows.Add(float64(look.odd))
		a.Log.WarnContext(ctx, "rows whose usage hour is not plausible, kept as sent", slog.String("hour", h.String()),
			slog.Int64("rows", look.odd), slog.String("first", look.oddest))
	}
	a.Log.InfoContext(ctx, "hour collected", slog.String("hour", h.String()), slog.Int64("rows", trailer.Records), slog.Int("pages", pages))
	return trailer.Records, nil
}

// ask hands on the rows of the hour: of the whole stamp, or of each subscriber.
// One that the stack refuses as no direct tenant of its own is left out: a
// delegated provider's, whose usage the whole stamp's answer does not have
// either.
func (a *Agent) ask(ctx context.Context, h usage.Hour, subscribers []string, row func([]byte) error) (pages int, err error) {
	if subscribers == nil {
		return a.Source.Hour(ctx, h.Start(), row)
	}
	refused := 0
	for _, id := range subscribers {
		n, err := a.Source.SubscriberHour(ctx, h.Start(), id, row)
		if answer := (*stackapi.Error)(nil); errors.As(err, &answer) && answer.NotDirectTenant() && n == 0 {
			refused++
			a.Log.WarnContext(ctx, "the stack refuses a subscriber as no direct tenant, its hour is left out",
				slog.String("hour", h.String()), slog.String("subscriber", id))
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("subscriber %s: %w", id, err)
		}
		pages += n
	}
	if refused == len(subscribers) {
		return 0, errors.New("the stack refuses every subscriber as no direct tenant")
	}
	a.Metrics.Refused.Add(float64(refused))
	return pages, nil
}

// timeoutsNote keeps how often in a row the gateway gave up on the whole stamp,
// for agents that are started anew for each round.
const timeoutsNote = "timeouts.json"

func (a *Agent) setTimeouts(ctx context.Context, n int) {
	if n != a.timeouts {
		a.timeouts = n
		a.keepNote(ctx, timeoutsNote, n)
	}
}
