package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/usage"
)

const (
	subscriptionsNote = "subscriptions.json"
	tenantsNote       = "tenants.json" // of earlier agents, which kept the map in a note of its own
)

// maxSubscriptions bounds what is remembered: rows could name any number.
const maxSubscriptions = 100_000

// goneAfter is how many days after it left the stack's list and had its last row a
// subscription is not asked for any more: usage of deleted ones comes late.
const goneAfter = 60

// subscriptions is what the agent remembers of them between hours and runs.
type subscriptions struct {
	ReadAt  time.Time             `json:"readAt,omitzero"` // when the stack was asked for the tenants
	Tenants map[string]string     `json:"tenants"`         // directory tenants, last known
	Seen    map[string]usage.Hour `json:"seen"`            // the last day in the list or with a row, by its first hour; lower case with dashes

	fresh bool // there is more than the note has
}

func (s *subscriptions) add(id string, at usage.Hour) {
	day := at.Day().First()
	if usage.CheckGUID(id) != nil { // it would be refused, and with it the hour that it is asked for
		return
	}
	if was, ok := s.Seen[id]; !ok && len(s.Seen) >= maxSubscriptions || ok && was >= day {
		return
	}
	s.Seen[id], s.fresh = day, true
}

// list is every subscription to ask for where the whole stamp cannot be: seen up to
// 60 days before the hour, or given as the stamp's own. Each is in it once, however
// it was spelled, or its rows would come twice.
func (s *subscriptions) list(h usage.Hour, own []string) []string {
	all := map[string]bool{}
	for id, day := range s.Seen {
		if day+goneAfter*24 >= h {
			all[id] = true
		}
	}
	for _, id := range own {
		if usage.CheckGUID(id) == nil {
			all[usage.DashedGUID(id)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// lookUpTenants renews the subscription -> directory tenant map, before an hour is
// asked for. Its failure must not cost the hour: the last known map is used and
// marked stale. Subscriptions that left the list keep their last known tenant.
func (a *Agent) lookUpTenants(ctx context.Context, h usage.Hour) (stale bool) {
	asked := a.Now().UTC()
	now, err := a.Source.Subscriptions(ctx)
	a.setStale(err != nil)
	if err != nil {
		a.Log.WarnContext(ctx, "tenants not known, the last known map is used", slog.String("error", err.Error()))
		return true
	}
	merged := maps.Clone(a.known.Tenants)
	for id, tenant := range now {
		a.known.add(id, usage.HourOf(asked))
		if tenant != "" {
			merged[id] = tenant
		}
	}
	maps.DeleteFunc(a.known.Seen, func(id string, day usage.Hour) bool {
		_, listed := now[id]
		return !listed && day+goneAfter*24 < min(h, usage.HourOf(asked))
	})
	a.known.Tenants, a.known.ReadAt = merged, asked
	a.known.fresh = true
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
	a.known = subscriptions{}
	if note != nil && json.Unmarshal(note, &ever) != nil {
		a.warnNote(ctx, subscriptionsNote, json.Unmarshal(note, &a.known))
	}
	if note = nil; a.recallNote(ctx, tenantsNote, &note) {
		if json.Unmarshal(note, &a.known) != nil || a.known.Tenants == nil {
			a.known = subscriptions{}
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
		a.known.add(usage.DashedGUID(strings.ToLower(id)), day)
	}
	a.known.fresh = false
	for _, id := range ever {
		a.known.add(usage.DashedGUID(strings.ToLower(id)), usage.HourOf(a.Now()))
	}
}

func (a *Agent) keepSubscriptions(ctx context.Context) {
	if a.known.fresh && a.keepNote(ctx, subscriptionsNote, a.known) {
		a.known.fresh = false
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
		a.Log.WarnContext(ctx, "a note is not kept for later runs", slog.String("note", name), slog.String("error", err.Error()))
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
		a.Log.WarnContext(ctx, "a note of earlier runs cannot be read, and is done without", slog.String("note", name), slog.String("error", err.Error()))
	}
}
