// Package resource is a registration as the registration API and the command line
// show it, and as the API takes it: a resource in the manner of Azure Resource
// Manager.
package resource

import (
	"fmt"
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Type is the type of a registration, as in Azure.
const Type = "Microsoft.AzureStack/registrations"

// Registration is a registration as the API takes and shows it. What is
// only shown is ignored in a request, so that what was read can be sent back.
type Registration struct {
	ID         string     `json:"id,omitempty"`   // shown
	Name       string     `json:"name,omitempty"` // shown
	Type       string     `json:"type,omitempty"` // shown
	Location   string     `json:"location,omitempty"`
	ETag       string     `json:"etag,omitempty"` // shown
	Properties Properties `json:"properties"`
}

// Properties are what holds today. A request says what shall hold
// from effectiveDay on.
type Properties struct {
	CloudID          string `json:"cloudId"`
	SubscriptionID   string `json:"subscriptionId"`                 // the Azure subscription that is charged
	SubscriptionKind string `json:"subscriptionKind"`               // EA, CSP, PayAsYouGo, MSDN
	Cloud            string `json:"azureEnvironmentName,omitempty"` // AzureCloud
	StackKind        string `json:"stackKind,omitempty"`            // integrated, ASDK
	BillingModel     string `json:"billingModel"`
	Reporting        *bool  `json:"usageReportingEnabled,omitempty"`
	Region           string `json:"region,omitempty"`
	Start            string `json:"start,omitempty"`              // 2019-12-10T19:00:00Z: the first reported hour that is expected
	End              string `json:"end,omitempty"`                // the first that is not any more
	ExpectsHours     *bool  `json:"expectsHours,omitempty"`       // false: no hour is ever missed, and a day closes by the hours that come; true if left out
	DeliveredEvery   int    `json:"deliveredEveryDays,omitempty"` // hours are delivered by hand, with at most so many days between; left out: the agent uploads each hour
	Watched          *bool  `json:"watched,omitempty"`            // false: the stack shall be silent for now, and nobody is alerted; true if left out
	EffectiveDay     string `json:"effectiveDay,omitempty"`       // asked for: 2019-12-10, the first usage day that the change is for; today if left out
	Reason           string `json:"reason,omitempty"`

	Since   string       `json:"effectiveSince,omitempty"` // shown: the first usage day it holds for
	By      string       `json:"by,omitempty"`             // shown
	At      string       `json:"at,omitempty"`             // shown
	History []Properties `json:"history,omitempty"`        // shown: all entries, oldest first
}

func propertiesOf(r registration.Registration) Properties {
	on := !r.ReportingOff
	var expects, watched *bool // shown where they are false
	if r.NoHoursExpected {
		expects = new(bool)
	}
	if r.Unwatched {
		watched = new(bool)
	}
	return Properties{
		ExpectsHours: expects, Watched: watched, DeliveredEvery: r.DeliveredEvery,
		CloudID: r.CloudID, SubscriptionID: r.SubscriptionID, SubscriptionKind: string(r.SubscriptionKind), Cloud: r.Cloud, StackKind: string(r.StackKind),
		BillingModel: string(r.BillingModel), Reporting: &on, Region: r.Region, Start: Time(r.Start), End: Time(r.End),
		Reason: r.Reason, Since: usage.ShowDay(r.EffectiveDay), By: r.By, At: Time(r.At),
	}
}

// Of is a registration as it holds on a day.
func Of(b registration.History, now time.Time) (Registration, error) {
	today := now.UTC().Format("20060102")
	held, err := b.On(today)
	if err != nil {
		return Registration{}, err
	}
	held.End = b.End(today)
	shown := Registration{ID: ID(held.Registration), Name: b.Name(), Type: Type, Location: "global", ETag: ETag(b), Properties: propertiesOf(held.Registration)}
	for _, r := range b.Registrations {
		shown.Properties.History = append(shown.Properties.History, propertiesOf(r))
	}
	return shown, nil
}

// ID is the path by which Azure names a registration.
func ID(r registration.Registration) string {
	return "/subscriptions/" + r.SubscriptionID + "/resourceGroups/azurestack/providers/" + Type + "/" + r.Name
}

// ETag stands for a version of a registration.
func ETag(b registration.History) string { return fmt.Sprintf(`"%d"`, b.Version) }

// Time is a time in a resource; empty if it is zero.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
