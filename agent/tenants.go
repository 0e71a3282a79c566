package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"

	"stackusage/agent/subscribers"
	"stackusage/shared/usage"
)

const subscriptionsNote = "subscriptions.json"

// lookUpTenants renews the subscription -> directory tenant map, before an hour is
// asked for. Its failure must not cost the hour: the last known map is used and
// marked stale. Subscriptions that left the list keep their last known tenant.
func (a *Agent) lookUpTenants(ctx context.Context, h usage.Hour) (stale bool) {
	asked := a.Now().UTC()
	now, err := a.Source.Subscriptions(ctx)
	a.setStale(err != nil)
	if err != nil {
		a.Log.WarnContext(ctx, "tenants unknown, the last known map is used", slog.String("error", err.Error()))
		return true
	}
	merged := maps.Clone(a.known.Tenants)
	for id, tenant := range now {
		a.known.Add(id, usage.HourOf(asked))
		if tenant != "" {
			merged[id] = tenant
		}
	}
	a.known.Leave(now, min(h, usage.HourOf(asked)))
	a.known.Tenants, a.known.ReadAt = merged, asked
	a.known.Fresh = true
	a.keepSubscriptions(ctx)
	return false
}

// recallSubscriptions reads the note of an earlier run. Without it the hour is still
// reported, so nothing here is an error.
func (a *Agent) recallSubscriptions(ctx context.Context) {
	var was subscribers.Known
	if !a.recallNote(ctx, subscriptionsNote, &was) {
		was = subscribers.Known{}
	}
	a.known = subscribers.Known{ReadAt: was.ReadAt, Tenants: was.Tenants, Seen: map[string]usage.Hour{}}
	if a.known.Tenants == nil {
		a.known.Tenants = map[string]string{}
	}
	for id, day := range was.Seen {
		a.known.Add(usage.DashedGUID(strings.ToLower(id)), day)
	}
	a.known.Fresh = false
}

func (a *Agent) keepSubscriptions(ctx context.Context) {
	if a.known.Fresh && a.keepNote(ctx, subscriptionsNote, a.known) {
		a.known.Fresh = false
	}
}

// keepNote writes a note that a run can do without.
func (a *Agent) keepNote(ctx context.Context, name string, value any) bool {
	text, err := json.Marshal(value)
	if err == nil {
		err = a.Spool.Keep(name, text)
	}
	if err != nil {
		a.Log.WarnContext(ctx, "note not written for later runs", slog.String("note", name), slog.String("error", err.Error()))
	}
	return err == nil
}

func (a *Agent) recallNote(ctx context.Context, name string, value any) bool {
	text, err := a.Spool.Kept(name)
	if err == nil && text != nil {
		err = json.Unmarshal(text, value)
	}
	a.warnNote(ctx, name, err)
	return err == nil && text != nil
}

func (a *Agent) warnNote(ctx context.Context, name string, err error) {
	if err != nil {
		a.Log.WarnContext(ctx, "note of earlier runs unreadable, continuing without it", slog.String("note", name), slog.String("error", err.Error()))
	}
}
