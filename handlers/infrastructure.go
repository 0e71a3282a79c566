package handlers

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// InfrastructureResource is the list of a stack's own subscriptions, whose usage
// is free. What is only shown is ignored in a request.
type InfrastructureResource struct {
	ID         string                   `json:"id,omitempty"` // shown
	Properties InfrastructureProperties `json:"properties"`
}

// InfrastructureProperties are what holds today. PUT sets the list from
// effectiveDay on; POST confirms the list that holds on effectiveDay.
type InfrastructureProperties struct {
	Subscriptions []string `json:"subscriptions,omitempty"`
	EffectiveDay  string   `json:"effectiveDay,omitempty"` // 2019-12-10; today if left out
	Against       string   `json:"against,omitempty"`      // asked for by POST: hash of the list in a header that differs
	Reason        string   `json:"reason,omitempty"`

	Hash      string                     `json:"hash,omitempty"`             // shown
	Confirmed bool                       `json:"confirmed"`                  // shown: by an operator
	Confirms  []string                   `json:"confirmedAgainst,omitempty"` // shown: hashes of lists in headers
	By        string                     `json:"by,omitempty"`               // shown
	At        string                     `json:"at,omitempty"`               // shown
	History   []InfrastructureProperties `json:"history,omitempty"`          // shown: all entries, oldest first
}

func infrastructureOf(e registration.InfrastructureEntry) InfrastructureProperties {
	return InfrastructureProperties{
		Subscriptions: e.Subscriptions, EffectiveDay: usage.ShowDay(e.EffectiveDay), Reason: e.Reason, Hash: registration.ListHash(e.Subscriptions),
		Confirmed: e.Confirmed, Confirms: e.Against, By: e.By, At: resource.Time(e.At),
	}
}

// infrastructure reads, sets or confirms a registration's infrastructure
// subscriptions.
func (a *App) infrastructure(ctx context.Context, r *http.Request) (answer, error) {
	name := mux.Vars(r)["name"]
	if r.Method == http.MethodGet {
		return a.shownInfrastructure(ctx, name)
	}
	var resource InfrastructureResource
	if err := readRequest(r, &resource); err != nil {
		return answer{}, err
	}
	p := resource.Properties
	day, err := apiDay(p.EffectiveDay)
	if err != nil {
		return answer{}, err
	}
	registrar, err := a.changing(r)
	if err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodPost {
		if p.Reason == "" { // also where the list is confirmed already: nobody should believe that he has done something
			return answer{}, refuse(registration.Invalid, "InvalidReason", "reason is missing: say why the list that holds is right")
		}
		_, err = registrar.ConfirmInfrastructure(ctx, name, day, p.Against, note(r, p.Reason))
	} else {
		_, err = registrar.SetInfrastructure(ctx, name, registration.InfrastructureEntry{EffectiveDay: day, Subscriptions: p.Subscriptions, Note: note(r, p.Reason)})
	}
	if err != nil {
		return answer{}, err
	}
	return a.shownInfrastructure(ctx, name)
}

func (a *App) shownInfrastructure(ctx context.Context, name string) (answer, error) {
	history, err := a.registrar().Named(ctx, name)
	if err != nil {
		return answer{}, err
	}
	held, err := history.On(a.Now().UTC().Format("20060102"))
	if err != nil {
		return answer{}, err
	}
	shown := InfrastructureResource{ID: resource.ID(held.Registration) + "/infrastructure", Properties: InfrastructureProperties{
		Subscriptions: held.Infrastructure, Confirmed: held.InfrastructureConfirmed, Confirms: held.InfrastructureAgainst,
	}}
	if held.InfrastructureKnown {
		shown.Properties.Hash = registration.ListHash(held.Infrastructure)
	}
	for _, e := range history.Infrastructure {
		shown.Properties.History = append(shown.Properties.History, infrastructureOf(e))
	}
	return answer{status: http.StatusOK, body: shown, etag: resource.ETag(history)}, nil
}
