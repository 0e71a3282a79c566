package registration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// InfrastructureEntry is one entry of the history of the stack's own
// subscriptions, whose usage is free: from its effective day on they are these.
type InfrastructureEntry struct {
	CloudID      string
	EffectiveDay string // 20191210: the first usage day this entry holds for
	Note
	Subscriptions []string // lower case with dashes, ascending
	Confirmed     bool     // by an operator; false: recorded when a day was closed
	Against       []string // ListHash of each list of a header that it was confirmed against
}

func (e InfrastructureEntry) compare(f InfrastructureEntry) int {
	return cmp.Or(cmp.Compare(e.EffectiveDay, f.EffectiveDay), cmp.Compare(e.Number, f.Number))
}

// NormalList is a list of subscriptions in its one form: lower case with dashes,
// ascending, each once.
func NormalList(subscriptions []string) []string {
	normal := make([]string, 0, len(subscriptions))
	for _, s := range subscriptions {
		s = strings.ToLower(s)
		if bare := strings.ReplaceAll(s, "-", ""); len(bare) == 32 {
			s = bare[:8] + "-" + bare[8:12] + "-" + bare[12:16] + "-" + bare[16:20] + "-" + bare[20:]
		}
		normal = append(normal, s)
	}
	slices.Sort(normal)
	return slices.Compact(normal)
}

// ListHash names a list of infrastructure subscriptions: the first 16 hex digits
// of the SHA-256 of its normal form, joined by commas.
func ListHash(subscriptions []string) string {
	sum := sha256.Sum256([]byte(strings.Join(NormalList(subscriptions), ",")))
	return hex.EncodeToString(sum[:8])
}

// KeepsList reports whether a registration can hold a list: that of a header may
// have any length.
func KeepsList(subscriptions []string) bool {
	return len(NormalList(subscriptions)) <= maxInfrastructure
}

// infrastructure is the entry that holds for a registration on a usage day. One
// that holds from its first day holds for the usage before that day, too.
func (b History) infrastructure(usageDay string, of tenure) (held InfrastructureEntry, known bool) {
	day := max(usageDay, of.first.EffectiveDay)
	for _, e := range b.Infrastructure {
		own := of.has(e.EffectiveDay, e.Note) && (!of.later || e.EffectiveDay >= of.first.EffectiveDay)
		if own && e.EffectiveDay <= day && (!known || held.compare(e) < 0) {
			held, known = e, true
		}
	}
	return held, known
}

// SetInfrastructure says what the stack's own subscriptions are from a usage day
// on; today if e names none. An operator who says so confirms it. Asking for what
// holds anyway, and is confirmed, changes nothing.
func (g *Registrar) SetInfrastructure(ctx context.Context, name string, e InfrastructureEntry) (set InfrastructureEntry, err error) {
	err = g.retry(ctx, func() error {
		set, err = g.setInfrastructure(ctx, name, e)
		return err
	})
	return set, err
}

func (g *Registrar) setInfrastructure(ctx context.Context, name string, e InfrastructureEntry) (InfrastructureEntry, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return e, err
	}
	e.EffectiveDay = cmp.Or(e.EffectiveDay, dayOf(g.Now()))
	e.CloudID, e.Confirmed, e.Subscriptions = history.CloudID, true, NormalList(e.Subscriptions)
	held, known := history.infrastructure(e.EffectiveDay, history.tenure(history.heldOn(e.EffectiveDay)))
	if known && held.Confirmed && slices.Equal(held.Subscriptions, e.Subscriptions) && held.EffectiveDay <= e.EffectiveDay {
		return held, nil
	}
	if known && slices.Equal(held.Subscriptions, e.Subscriptions) {
		e.Against = held.Against
	}
	return g.addInfrastructure(ctx, history, e)
}

// ConfirmInfrastructure confirms the list that holds on a usage day, today if it
// is empty, and with it that another list, which headers have, is not the one to
// bill by. against is ListHash of that list; empty: no header has another.
func (g *Registrar) ConfirmInfrastructure(ctx context.Context, name, day, against string, why Note) (confirmed InfrastructureEntry, err error) {
	err = g.retry(ctx, func() error {
		confirmed, err = g.confirmInfrastructure(ctx, name, day, against, why)
		return err
	})
	return confirmed, err
}

func (g *Registrar) confirmInfrastructure(ctx context.Context, name, day, against string, why Note) (InfrastructureEntry, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return InfrastructureEntry{}, err
	}
	day = cmp.Or(day, dayOf(g.Now()))
	e, known := history.infrastructure(day, history.tenure(history.heldOn(day)))
	if !known {
		return e, &Rejection{"InfrastructureNotFound", NotFound, fmt.Sprintf("registration %s has no infrastructure subscriptions on %.40s that could be confirmed; set them first", history.Name(), day)}
	}
	if e.Confirmed && (against == "" || slices.Contains(e.Against, against)) {
		return e, nil
	}
	if e.Confirmed, e.Note = true, why; against != "" {
		e.Against = append(slices.Clone(e.Against), against)
	}
	return g.addInfrastructure(ctx, history, e)
}

func (g *Registrar) addInfrastructure(ctx context.Context, history History, e InfrastructureEntry) (InfrastructureEntry, error) {
	if err := firstBroken(infrastructureRules, change{history: history, infrastructure: &e}, false); err != nil {
		return e, err
	}
	added := Added{Infrastructure: []InfrastructureEntry{e}}
	_, err := g.add(ctx, history, added)
	return added.Infrastructure[0], err
}

// RecordInfrastructure keeps what a closer found to be the stack's own
// subscriptions where the registration of a part of a usage day has no list: from
// its first day on, not confirmed. Where somebody else has changed the
// registration since the history was read it fails with ErrChanged: read the history
// again, and use what stands there.
func (g *Registrar) RecordInfrastructure(ctx context.Context, history History, part Part, subscriptions []string, why Note) (History, error) {
	if part.InfrastructureKnown {
		return history, nil
	}
	e := InfrastructureEntry{CloudID: history.CloudID, EffectiveDay: part.FirstDay, Note: why, Subscriptions: NormalList(subscriptions)}
	if err := firstBroken(infrastructureRules, change{history: history, infrastructure: &e}, false); err != nil {
		return history, err
	}
	return g.add(ctx, history, Added{Infrastructure: []InfrastructureEntry{e}})
}

// RecordProvider keeps the provider subscription that an activation key names.
func (g *Registrar) RecordProvider(ctx context.Context, name, subscription string, why Note) (history History, err error) {
	err = g.retry(ctx, func() error {
		if history, err = g.Named(ctx, name); err != nil {
			return err
		}
		provider := Provider{CloudID: history.CloudID, Note: why, Subscription: NormalList([]string{subscription})[0]}
		if slices.Contains(history.Providers, provider.Subscription) {
			return nil
		}
		if err := firstBroken(providerRules, change{history: history, provider: &provider}, false); err != nil {
			return err
		}
		history, err = g.add(ctx, history, Added{Providers: []Provider{provider}})
		return err
	})
	return history, err
}

// Provider is the provider subscription of an activation key.
type Provider struct {
	CloudID string
	Note
	Subscription string // lower case with dashes
}

// Check reports what makes an entry unreadable.
func (e InfrastructureEntry) Check() error {
	return firstBroken(infrastructureRules, change{infrastructure: &e}, true)
}
