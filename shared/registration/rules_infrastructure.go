package registration

import (
	"fmt"
	"slices"
)

// maxInfrastructure bounds a list: a column holds 32,768 characters.
const maxInfrastructure = 500

// infrastructureRules are those of the stack's own subscriptions.
var infrastructureRules = []rule{
	{"an infrastructure subscription is a GUID in lower case", "InvalidInfrastructureSubscription", Invalid, true, func(c Candidate) string {
		for _, id := range c.Infrastructure.Subscriptions {
			if !guid.MatchString(id) {
				return fmt.Sprintf("infrastructure subscription %.60q: %s", id, guidForm)
			}
		}
		return ""
	}},
	{"an infrastructure subscription is one", "InvalidInfrastructureSubscription", Invalid, false, func(c Candidate) string {
		return unless(!slices.Contains(c.Infrastructure.Subscriptions, noGUID), "infrastructure subscription %s: names nobody", noGUID)
	}},
	{"a list of infrastructure subscriptions fits a column", "InvalidInfrastructureSubscription", Invalid, false, func(c Candidate) string {
		n := len(c.Infrastructure.Subscriptions)
		return unless(n <= maxInfrastructure, "%d infrastructure subscriptions: at most %d are kept", n, maxInfrastructure)
	}},
	{"an infrastructure list's effective day is a day", "InvalidEffectiveDay", Invalid, true, func(c Candidate) string {
		return unless(isDay(c.Infrastructure.EffectiveDay), "effective day %.60q: must be of the form 20191210", c.Infrastructure.EffectiveDay)
	}},
	{"an infrastructure list's effective day is of this age", "InvalidEffectiveDay", Invalid, false, func(c Candidate) string {
		return unless(ofThisAge(DayTime(c.Infrastructure.EffectiveDay)), "effective day %s: %s", c.Infrastructure.EffectiveDay, age)
	}},
	{"a list is confirmed against the hash of a list", "InvalidListHash", Invalid, true, func(c Candidate) string {
		for _, hash := range c.Infrastructure.Against {
			if !listHash.MatchString(hash) {
				return fmt.Sprintf("hash of a list %.60q: must be 16 hex digits in lower case, as the finding shows it", hash)
			}
		}
		return ""
	}},
	{"who and why fit one line, of an infrastructure list too", "InvalidReason", Invalid, false, func(c Candidate) string { return badWhy(c.Infrastructure.Note) }},
}

// providerRules are those of the provider subscription of an activation key.
var providerRules = []rule{
	{"a provider subscription is a GUID", "InvalidProviderSubscription", Invalid, true, func(c Candidate) string {
		return unless(guid.MatchString(c.Provider.Subscription) && c.Provider.Subscription != noGUID, "provider subscription %.60q: must be a GUID that names one", c.Provider.Subscription)
	}},
}
