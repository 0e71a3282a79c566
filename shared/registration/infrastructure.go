package registration

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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

// InfrastructureOn is the entry that holds at the end of a usage day.
func (b History) InfrastructureOn(usageDay string) (held InfrastructureEntry, known bool) {
	return b.infrastructure(usageDay, b.tenure(b.heldOn(usageDay)))
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

// Provider is the provider subscription of an activation key.
type Provider struct {
	CloudID string
	Note
	Subscription string // lower case with dashes
}

// Check reports what makes an entry unreadable.
func (e InfrastructureEntry) Check() error {
	return firstBroken(infrastructureRules, Candidate{Infrastructure: &e}, true)
}
