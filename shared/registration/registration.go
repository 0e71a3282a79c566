// Package registration is who is charged: what ties a stamp to the Azure
// subscription that pays for it, from which hour on, under which billing model.
//
// A registration is known by its cloudId and has a history: each change is an
// entry with the day from which it holds.
package registration

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// BillingModel is how a stack is licensed.
type BillingModel string

// Billing models. PayAsYouUse must report its usage.
const (
	PayAsYouUse BillingModel = "PayAsYouUse"
)

// Registration is one entry of a registration's history.
type Registration struct {
	CloudID        string // lower case with dashes
	EffectiveDay   string // 20191210: the first usage day this entry holds for
	SubscriptionID string // the Azure subscription that is charged, lower case with dashes
	BillingModel   BillingModel
	Start          time.Time // the first reported hour that is expected, UTC, on the hour
	Region         string    // the stamp's own region name
}

// ErrUnknown means that no registration has this cloudId. Hours of an unknown
// stamp are kept and do not count until it is registered.
var ErrUnknown = errors.New("no registration")

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func isDay(text string) bool {
	_, err := time.Parse("20060102", text)
	return err == nil
}

// Validate reports the first thing that is wrong with r, and what to do.
func (r Registration) Validate() error {
	switch {
	case !guid.MatchString(r.CloudID):
		return fmt.Errorf("registration: cloudId %q: must be a GUID in lower case with dashes", r.CloudID)
	case !guid.MatchString(r.SubscriptionID):
		return fmt.Errorf("registration %s: subscriptionId %q: must be a GUID in lower case with dashes", r.CloudID, r.SubscriptionID)
	case !isDay(r.EffectiveDay):
		return fmt.Errorf("registration %s: effective day %q: must be of the form 20191210", r.CloudID, r.EffectiveDay)
	case r.BillingModel != PayAsYouUse:
		return fmt.Errorf("registration %s: billing model %q: only %s is known", r.CloudID, r.BillingModel, PayAsYouUse)
	case r.Start.IsZero() || !r.Start.Equal(r.Start.Truncate(time.Hour)):
		return fmt.Errorf("registration %s: start %s: must be a full hour", r.CloudID, r.Start.Format(time.RFC3339))
	}
	return nil
}

// On picks the entry of a history that holds on a usage day (20191210): the
// latest that is effective by then. Usage from before the first entry belongs
// to the first: a stamp's first reported hours hold usage of the hours before.
// An empty history is ErrUnknown.
func On(history []Registration, usageDay string) (Registration, error) {
	if len(history) == 0 {
		return Registration{}, ErrUnknown
	}
	var first, held *Registration
	for i := range history {
		r := &history[i]
		if first == nil || r.EffectiveDay < first.EffectiveDay {
			first = r
		}
		if r.EffectiveDay <= usageDay && (held == nil || r.EffectiveDay > held.EffectiveDay) {
			held = r
		}
	}
	if held == nil {
		held = first
	}
	return *held, nil
}
