package handlers

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	"stackusage/shared/daybook"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
)

const typeCustomer = resource.Type + "/customerSubscriptions"

// wish reads what a request wants of a registration.
func wish(p resource.Properties, name string, r *http.Request) (w registrar.Change, err error) {
	reg := registration.Registration{
		CloudID: p.CloudID, Name: name, Note: note(r, p.Reason), SubscriptionID: p.SubscriptionID, SubscriptionKind: registration.SubscriptionKind(p.SubscriptionKind),
		Cloud: p.Cloud, StackKind: registration.StackKind(p.StackKind), BillingModel: registration.BillingModel(p.BillingModel), Region: p.Region,
	}
	reg.NoHoursExpected = p.ExpectsHours != nil && !*p.ExpectsHours
	reg.DeliveredEvery = p.DeliveredEvery
	reg.Unwatched = p.Watched != nil && !*p.Watched
	if p.SubscriptionKind == "" {
		return w, refuse(registration.Invalid, "SubscriptionKindNotAllowed", "subscriptionKind is missing: say of what kind the charged subscription is, EA or CSP for an integrated system")
	}
	if reg.EffectiveDay, err = apiDay(p.EffectiveDay); err != nil {
		return w, err
	}
	if reg.Start, err = apiTime("start", p.Start); err != nil {
		return w, err
	}
	if reg.End, err = apiTime("end", p.End); err != nil {
		return w, err
	}
	w = registrar.Change{Registration: reg, Reporting: p.Reporting}
	w.Match, err = condition(r)
	return w, err
}

func (a *App) registrar() *registrar.Registrar {
	return &registrar.Registrar{Store: a.Registrations, Now: a.Now, Closed: func(ctx context.Context, cloudID string) ([]registration.ClosedDay, error) {
		return daybook.ClosedDays(ctx, a.Tables, cloudID)
	}, Grace: a.Settings.Settling()}
}

// changing is the registrar of a request, which may confirm that closed days are
// to be restated.
func (a *App) changing(r *http.Request) (*registrar.Registrar, error) {
	g := a.registrar()
	switch text := r.URL.Query().Get("confirm"); text {
	case "", "false":
	case "true":
		g.Confirmed = true
	default:
		return nil, refuse(registration.Invalid, "InvalidConfirm", "confirm=%.40q: must be true or false", text)
	}
	return g, nil
}

// shown answers with a registration.
func (a *App) shown(status int, b registration.History) (answer, error) {
	shown, err := resource.Of(b, a.Now())
	return answer{status: status, body: shown, etag: resource.ETag(b)}, err
}

// registrations lists them.
func (a *App) registrations(ctx context.Context, _ *http.Request) (answer, error) {
	histories, err := a.Registrations.Histories(ctx)
	if err != nil {
		return answer{}, err
	}
	list := []resource.Registration{}
	for _, b := range histories {
		if len(b.Registrations) == 0 {
			continue
		}
		shown, err := resource.Of(b, a.Now())
		if err != nil {
			return answer{}, err
		}
		shown.Properties.History = nil
		list = append(list, shown)
	}
	return answer{status: http.StatusOK, body: map[string]any{"value": list}}, nil
}

// registration reads, makes, changes or ends one.
func (a *App) registration(ctx context.Context, r *http.Request) (answer, error) {
	name := mux.Vars(r)["name"]
	switch r.Method {
	case http.MethodPut:
		var wanted resource.Registration
		if err := readRequest(r, &wanted); err != nil {
			return answer{}, err
		}
		wish, err := wish(wanted.Properties, name, r)
		if err != nil {
			return answer{}, err
		}
		registrar, err := a.changing(r)
		if err != nil {
			return answer{}, err
		}
		history, made, err := registrar.Put(ctx, wish)
		if err != nil {
			return answer{}, err
		}
		if made {
			return a.shown(http.StatusCreated, history)
		}
		return a.shown(http.StatusOK, history)
	case http.MethodDelete:
		end, err := apiTime("end", r.URL.Query().Get("end"))
		if err != nil {
			return answer{}, err
		}
		if end.IsZero() {
			end = registrar.DefaultEnd(a.Now())
		}
		match, err := condition(r)
		if err != nil {
			return answer{}, err
		}
		registrar, err := a.changing(r)
		if err != nil {
			return answer{}, err
		}
		history, err := registrar.End(ctx, name, end, note(r, r.URL.Query().Get("reason")), match)
		if err != nil {
			return answer{}, err
		}
		return a.shown(http.StatusOK, history)
	default:
		history, err := a.registrar().Named(ctx, name)
		if err != nil {
			return answer{}, err
		}
		return a.shown(http.StatusOK, history)
	}
}
