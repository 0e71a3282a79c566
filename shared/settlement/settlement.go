// Package settlement is what decides who pays for a usage day and what of it is
// free: settled when the day is first closed, and kept for every later revision.
//
//	headers of the counted inputs -> Settler -> Settlement -> Terms of daily.Rules
package settlement

import (
	"encoding/json"
	"fmt"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// SettlementFormat names the layout of a settlement file.
const SettlementFormat = "stackusage-settlement/1"

// Settlement is all that decides who pays for a usage day and what of it is
// free. It is made when the day is first closed with reporting on, kept beside
// the daily files, and used by every later revision. docs/formats/daily-files.md.
// GUIDs are lower case with dashes.
type Settlement struct {
	Format        string                         `json:"format"`
	CloudID       string                         `json:"cloudId"`
	UsageDay      usage.Day                      `json:"usageDay"`
	Change        int                            `json:"change"`    // number of the registration's change that the parts are by
	Catalogue     string                         `json:"catalogue"` // SHA-256 of the catalogue of meters
	Parts         []SettledPart                  `json:"parts"`
	Inputs        []SettledInput                 `json:"inputs"`
	Subscriptions map[string]SettledSubscription `json:"subscriptions"`
	Differs       []Observation                  `json:"differs"`
	Seen          []SeenInfrastructure           `json:"infrastructureSeen"`
}

// SettledPart is what the registration said of a part of the day: of all of it,
// unless one registration ended inside the day and another began.
type SettledPart struct {
	Until                 time.Time                 `json:"until,omitzero"` // end of the part; zero in the last one
	Registration          string                    `json:"registration"`   // its name
	BillingSubscriptionID string                    `json:"billingSubscriptionId"`
	BillingModel          registration.BillingModel `json:"billingModel"`
	Region                string                    `json:"region"`
	Reporting             string                    `json:"reporting,omitempty"` // ReportingOff
	Infrastructure        []string                  `json:"infrastructure"`      // ascending
	Mappings              map[string]string         `json:"mappings"`            // tenant -> Azure subscription
}

// SettledInput is a counted input whose header was looked at.
type SettledInput struct {
	Input    string `json:"input"`    // its RowKey in DayInputs
	Revision int    `json:"revision"` // that looked at it first
}

// SettledSubscription is the tenant of a stack subscription with usage on the
// day; no tenant if no counted input named one.
type SettledSubscription struct {
	Tenant     string    `json:"tenant,omitempty"`
	ObservedAt time.Time `json:"observedAt,omitzero"`
	Input      string    `json:"input,omitempty"`
	Revision   int       `json:"revision"` // that settled it
}

// Observation is what a later input says of a subscription, where it differs
// from what is settled.
type Observation struct {
	Subscription string    `json:"subscription"`
	Tenant       string    `json:"tenant"`
	ObservedAt   time.Time `json:"observedAt"`
	Input        string    `json:"input"`
}

// SeenInfrastructure is a list of the stack's own subscriptions that counted
// headers name, where it differs from what is settled.
type SeenInfrastructure struct {
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`  // registration.ListHash
	Input         string   `json:"input"` // the latest that has it
}

// Findings is how much of the settlement differs from what the stack said.
func (s Settlement) Findings() int { return len(s.Differs) + len(s.Seen) }

// Encode is the bytes of the settlement file; the same settlement gives the same.
func (s Settlement) Encode() ([]byte, error) {
	s.Format = SettlementFormat
	text, err := linefile.Encode(s)
	if err != nil {
		return nil, fmt.Errorf("encode settlement of day %s: %w", s.UsageDay, err)
	}
	return append(text, '\n'), nil
}

// DecodeSettlement reads a settlement file.
func DecodeSettlement(text []byte) (Settlement, error) {
	var s Settlement
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read settlement: %w", err)
	}
	if s.Format != SettlementFormat {
		return s, fmt.Errorf("read settlement: format %.40q; only %q is read", s.Format, SettlementFormat)
	}
	if len(s.Parts) == 0 {
		return s, fmt.Errorf("read settlement of day %s: it has no part", s.UsageDay)
	}
	return s, nil
}

// TermsOf is how the parts of a day are charged, in order.
func TermsOf(parts []SettledPart) []daily.Terms {
	all := make([]daily.Terms, len(parts))
	for i, p := range parts {
		all[i] = daily.Terms{
			Until: p.Until, BillingModel: p.BillingModel, BillingSubscriptionID: p.BillingSubscriptionID,
			Infrastructure: daily.Infrastructure(p.Infrastructure), Mapped: make(map[string]string, len(p.Mappings)),
			Unreported: p.Reporting == daily.ReportingOff,
		}
		for tenant, subscription := range p.Mappings {
			all[i].Mapped[usage.NormalGUID(tenant)] = subscription
		}
	}
	return all
}
