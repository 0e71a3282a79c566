// Package registration is who is charged: what ties a stack to the Azure
// subscription that pays for it, from which usage day on, and under which rules.
//
//	History     everything that was ever said of one cloudId
//	On          the entry of a history that holds on a usage day
//
// A registration is known by its cloudId and has a history: each change is an
// entry with the usage day from which it holds. Nothing is overwritten. The rules
// are one table (rules.go). Package registrar makes changes by them.
package registration

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// BillingModel is how a stack is licensed.
type BillingModel string

// Billing models. PayAsYouUse must report its usage, Capacity may, Development
// reports and is never charged.
const (
	PayAsYouUse BillingModel = "PayAsYouUse"
	Capacity    BillingModel = "Capacity"
	Development BillingModel = "Development"
)

// SubscriptionKind is the kind of offer that the charged subscription is of.
type SubscriptionKind string

// Kinds of subscription.
const (
	EA         SubscriptionKind = "EA"
	CSP        SubscriptionKind = "CSP"
	PayAsYouGo SubscriptionKind = "PayAsYouGo"
	MSDN       SubscriptionKind = "MSDN"
)

// StackKind is what the stack is.
type StackKind string

// Kinds of stack.
const (
	Integrated StackKind = "integrated" // an integrated system
	ASDK       StackKind = "ASDK"       // a Development Kit
)

// AzureCloud is the global Azure cloud.
const AzureCloud = "AzureCloud"

// Note is what each entry of a history says of itself.
type Note struct {
	Number     int    // of the entries for its effective day: 0 the first; the last one holds
	By, Reason string // who said so, and why
	At         time.Time
	Change     int // the number of the change that added it; 0: it was put by hand
}

// Registration is one entry of a registration's history. Kinds and cloud that
// are empty, and a name, stand for what rows had before they could say it: an
// EA subscription in the global cloud for an integrated system (Filled).
type Registration struct {
	CloudID      string // lower case with dashes
	Name         string // of the resource; letters in any case are the same name
	EffectiveDay string // 20191210: the first usage day this entry holds for
	Note
	SubscriptionID   string // the Azure subscription that is charged, lower case with dashes
	SubscriptionKind SubscriptionKind
	Cloud            string // that the subscription is in
	StackKind        StackKind
	BillingModel     BillingModel
	ReportingOff     bool      // hours are kept and counted, and forwarded nowhere
	Start            time.Time // the first reported hour that is expected, UTC, on the hour
	End              time.Time // the first reported hour that is not expected any more; zero: none
	Region           string    // the stack's own region name
	NoHoursExpected  bool      // none is missed, and a day closes by the hours that come: the canary
	DeliveredEvery   int       // days between the deliveries of hours by hand; 0: the agent uploads each hour
	Unwatched        bool      // the stack shall be silent for now: no alert, and no problem of the status
}

// Filled is r with what an empty field stands for.
func (r Registration) Filled() Registration {
	r.Name = cmp.Or(r.Name, DefaultName(r.CloudID))
	r.SubscriptionKind = cmp.Or(r.SubscriptionKind, EA)
	r.Cloud = cmp.Or(r.Cloud, AzureCloud)
	r.StackKind = cmp.Or(r.StackKind, Integrated)
	r.Start, r.End = r.Start.UTC(), r.End.UTC()
	return r
}

// says is r without what differs between two entries of the same content.
func (r Registration) says() Registration {
	r = r.Filled()
	r.EffectiveDay, r.Note = "", Note{}
	return r
}

// namePrefix begins the names of registrations that were given none.
const namePrefix = "AzureStack-"

// DefaultName is the name of a registration that was given none.
func DefaultName(cloudID string) string { return namePrefix + cloudID }

// ErrUnknown means that no registration has this cloudId. Hours of an unknown
// stack are kept and do not count until it is registered.
var ErrUnknown = errors.New("no registration")

// On picks the entry of a history that holds on a usage day (20191210): the
// latest that is effective by then. Usage from before the first entry belongs
// to the first: a stack's first reported hours hold usage of the hours before.
// An empty history is ErrUnknown.
func On(history []Registration, usageDay string) (Registration, error) {
	if len(history) == 0 {
		return Registration{}, ErrUnknown
	}
	sorted := slices.SortedFunc(slices.Values(history), func(a, b Registration) int { return a.compare(b) })
	held := sorted[0]
	for _, r := range sorted {
		// Of what was said for the first day the last holds, for the days before too.
		if r.EffectiveDay <= usageDay || r.EffectiveDay == sorted[0].EffectiveDay {
			held = r
		}
	}
	return held, nil
}

func (r Registration) compare(s Registration) int {
	return cmp.Or(cmp.Compare(r.EffectiveDay, s.EffectiveDay), cmp.Compare(r.Number, s.Number))
}

// Reporting says whether some entry of a history has reporting off, and some on.
func Reporting(history []Registration) (off, on bool) {
	for _, r := range history {
		off, on = off || r.ReportingOff, on || !r.ReportingOff
	}
	return off, on
}

// dayForm is how rows name days.
const dayForm = "20060102"

// DayOf is how rows name the day of a time.
func DayOf(t time.Time) string { return t.UTC().Format(dayForm) }

// IsCloudID reports whether a text is a cloudId in its form: a GUID in lower case
// with dashes.
func IsCloudID(text string) bool { return guid.MatchString(text) }

// SaysSame reports whether two entries say the same of a registration, whoever
// said it when.
func (r Registration) SaysSame(s Registration) bool { return r.says() == s.says() }

// SameName reports whether two names are of one registration: letters in any case
// are the same.
func SameName(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
