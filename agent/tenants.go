package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"stackusage/agent/subscribers"
	"stackusage/shared/usage"
)

const (
	subscriptionsNote = "subscriptions.json"
	tenantsNote       = "tenants.json" // of earlier agents, which kept the map in a note of its own
)

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

// recallSubscriptions reads the notes of an earlier run, also as agents before this
// one kept them: a list of ids, and the map in another note. Without them the hour is
// still told, so nothing here is an error.
func (a *Agent) recallSubscriptions(ctx context.Context) {
	var note json.RawMessage
	a.recallNote(ctx, subscriptionsNote, &note)
	var ever []string
	a.known = subscribers.Known{}
	if note != nil && json.Unmarshal(note, &ever) != nil {
		a.warnNote(ctx, subscriptionsNote, json.Unmarshal(note, &a.known))
	}
	if note = nil; a.recallNote(ctx, tenantsNote, &note) {
		if json.Unmarshal(note, &a.known) != nil || a.known.Tenants == nil {
			a.known = subscribers.Known{}
			a.warnNote(ctx, tenantsNote, json.Unmarshal(note, &a.known.Tenants))
		}
		ever = slices.AppendSeq(ever, maps.Keys(a.known.Tenants))
	}
	if a.known.Tenants == nil {
		a.known.Tenants = map[string]string{}
	}
	seen := a.known.Seen
	a.known.Seen = map[string]usage.Hour{}
	for id, day := range seen {
		a.known.Add(usage.DashedGUID(strings.ToLower(id)), day)
	}
	a.known.Fresh = false
	for _, id := range ever {
		a.known.Add(usage.DashedGUID(strings.ToLower(id)), usage.HourOf(a.Now()))
	}
}

func (a *Agent) keepSubscriptions(ctx context.Context) {
	if a.known.Fresh && a.keepNote(ctx, subscriptionsNote, a.known) {
		a.known.Fresh = false
		if err := a.Spool.Forget(tenantsNote); err != nil {
			a.warnNote(ctx, tenantsNote, err)
		}
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
