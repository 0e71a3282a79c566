package agent

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"stackusage/shared/usage"
)

const (
	tenantsNote       = "tenants.json"       // the last known map
	subscriptionsNote = "subscriptions.json" // every subscription ever seen
)

// maxSubscriptions bounds what is remembered: rows could name any number.
const maxSubscriptions = 100_000

// subscriptions is what the agent remembers of them between hours and runs.
type subscriptions struct {
	tenants   map[string]string // directory tenants, last known
	tenantsAt time.Time         // when the stack was asked for them; zero if it is not known
	ever      map[string]bool   // seen in the list or in a row, lower case with dashes
	fresh     bool              // ever has more than the note
}

// tenantMap is the note of the last known map. Notes of earlier agents are the
// map alone, and do not say when it was read.
type tenantMap struct {
	ReadAt  time.Time         `json:"readAt"`
	Tenants map[string]string `json:"tenants"`
}

func (s *subscriptions) add(id string) {
	if !s.ever[id] && len(s.ever) < maxSubscriptions {
		s.ever[id], s.fresh = true, true
	}
}

// list is every subscription to ask for where the whole stamp cannot be: ever
// seen, or given as the stamp's own. Deleted ones are in it; their usage comes
// after they have left the stack's list. Each is in it once, however it was
// spelled, or its rows would come twice; what is no subscription would be refused,
// and the hour with it.
func (s *subscriptions) list(own []string) []string {
	all := map[string]bool{}
	for _, ids := range []iter.Seq[string]{maps.Keys(s.ever), maps.Keys(s.tenants), slices.Values(own)} {
		for id := range ids {
			if usage.CheckGUID(id) == nil {
				all[usage.DashedGUID(id)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// lookUpTenants renews the subscription -> directory tenant map. Its failure
// must not cost the hour: the last known map is used and marked stale.
// Subscriptions that left the list keep their last known tenant.
func (a *Agent) lookUpTenants(ctx context.Context) (stale bool) {
	asked := a.Now().UTC()
	now, err := a.Source.Subscriptions(ctx)
	a.setStale(err != nil)
	if err != nil {
		a.Log.WarnContext(ctx, "tenants not known, the last known map is used", slog.String("error", err.Error()))
		return true
	}
	merged := maps.Clone(a.known.tenants)
	for id, tenant := range now {
		a.known.add(id)
		if tenant != "" {
			merged[id] = tenant
		}
	}
	a.known.tenants, a.known.tenantsAt = merged, asked
	a.keepNote(ctx, tenantsNote, tenantMap{ReadAt: asked, Tenants: merged})
	return false
}

// recallSubscriptions reads the notes of an earlier run. Without them the hour
// is still told, so nothing here is an error.
func (a *Agent) recallSubscriptions(ctx context.Context) {
	a.known = subscriptions{tenants: map[string]string{}, ever: map[string]bool{}}
	var note json.RawMessage
	if a.recallNote(ctx, tenantsNote, &note) {
		var known tenantMap
		if err := json.Unmarshal(note, &known); err != nil || known.Tenants == nil {
			known = tenantMap{}
			err = json.Unmarshal(note, &known.Tenants)
			a.warnNote(ctx, tenantsNote, err)
		}
		if known.Tenants != nil {
			a.known.tenants, a.known.tenantsAt = known.Tenants, known.ReadAt
		}
	}
	var ever []string
	if a.recallNote(ctx, subscriptionsNote, &ever) {
		for _, id := range ever {
			if usage.CheckGUID(id) == nil {
				a.known.add(id)
			}
		}
		a.known.fresh = false
	}
}

func (a *Agent) keepSubscriptions(ctx context.Context) {
	if a.known.fresh {
		a.known.fresh = !a.keepNote(ctx, subscriptionsNote, slices.Sorted(maps.Keys(a.known.ever)))
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
