package registration

import (
	"fmt"
	"slices"
)

// maxInfrastructure bounds a list: a column holds 32,768 characters.
const maxInfrastructure = 500

// infrastructureRules are those of the stack's own subscriptions.
var infrastructureRules = []rule{
	{"an infrastructure subscription is a GUID in lower case", "InvalidInfrastructureSubscription", Invalid, true, func(c change) string {
		for _, id := range c.infrastructure.Subscriptions {
			if !guid.MatchString(id) {
				return fmt.Sprintf("infrastructure subscription %.60q: %s", id, guidForm)
			}
		}
		return ""
	}},
	{"an infrastructure subscription is one", "InvalidInfrastructureSubscription", Invalid, false, func(c change) string {
		return unless(!slices.Contains(c.infrastructure.Subscriptions, noGUID), "infrastructure subscription %s: names nobody", noGUID)
	}},
	{"a list of infrastructure subscriptions fits a column", "InvalidInfrastructureSubscription", Invalid, false, func(c change) string {
		n := len(c.infrastructure.Subscriptions)
		return unless(n <= maxInfrastructure, "%d infrastructure subscriptions: at most %d are kept", n, maxInfrastructure)
	}},
	{"an infrastructure list's effective day is a day", "InvalidEffectiveDay", Invalid, true, func(c change) string {
		return unless(isDay(c.infrastructure.EffectiveDay), "effective day %.60q: must be of the form 20191210", c.infrastructure.EffectiveDay)
	}},
	{"an infrastructure list's effective day is of this age", "InvalidEffectiveDay", Invalid, false, func(c change) string {
		return unless(ofThisAge(dayTime(c.infrastructure.EffectiveDay)), "effective day %s: %s", c.infrastructure.EffectiveDay, age)
	}},
	{"a list is confirmed against the hash of a list", "InvalidListHash", Invalid, true, func(c change) string {
		for _, hash := range c.infrastructure.Against {
			if !listHash.MatchString(hash) {
				return fmt.Sprintf("hash of a list %.60q: must be 16 hex digits in lower case, as the finding shows it", hash)
			}
		}
		return ""
	}},
	{"who and why fit one line, of an infrastructure list too", "InvalidReason", Invalid, false, func(c change) string { return badWhy(c.infrastructure.Note) }},
}

// providerRules are those of the provider subscription of an activation key.
var providerRules = []rule{
	{"a provider subscription is a GUID", "InvalidProviderSubscription", Invalid, true, func(c change) string {
		return unless(guid.MatchString(c.provider.Subscription) && c.provider.Subscription != noGUID, "provider subscription %.60q: must be a GUID that names one", c.provider.Subscription)
	}},
}
