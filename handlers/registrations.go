package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"stackusage/shared/registration"
)

// Types of resources, as in Azure.
const (
	typeRegistration = "Microsoft.AzureStack/registrations"
	typeCustomer     = typeRegistration + "/customerSubscriptions"
)

// RegistrationResource is a registration as the API takes and shows it. What is
// only shown is ignored in a request, so that what was read can be sent back.
type RegistrationResource struct {
	ID         string                 `json:"id,omitempty"`   // shown
	Name       string                 `json:"name,omitempty"` // shown
	Type       string                 `json:"type,omitempty"` // shown
	Location   string                 `json:"location,omitempty"`
	ETag       string                 `json:"etag,omitempty"` // shown
	Properties RegistrationProperties `json:"properties"`
}

// RegistrationProperties are what holds today. A request says what shall hold
// from effectiveDay on.
type RegistrationProperties struct {
	CloudID          string `json:"cloudId"`
	SubscriptionID   string `json:"subscriptionId"`                 // the Azure subscription that is charged
	SubscriptionKind string `json:"subscriptionKind"`               // EA, CSP, PayAsYouGo, MSDN
	Cloud            string `json:"azureEnvironmentName,omitempty"` // AzureCloud
	StampKind        string `json:"stampKind,omitempty"`            // integrated, ASDK
	BillingModel     string `json:"billingModel"`
	Reporting        *bool  `json:"usageReportingEnabled,omitempty"`
	Region           string `json:"region,omitempty"`
	Start            string `json:"start,omitempty"`        // 2019-12-10T19:00:00Z: the first reported hour that is expected
	End              string `json:"end,omitempty"`          // the first that is not any more
	ExpectsHours     *bool  `json:"expectsHours,omitempty"` // false: no hour is ever missed, and a day closes by the hours that come; true if left out
	EffectiveDay     string `json:"effectiveDay,omitempty"` // asked for: 2019-12-10, the first usage day that the change is for; today if left out
	Reason           string `json:"reason,omitempty"`

	Since   string                   `json:"effectiveSince,omitempty"` // shown: the first usage day it holds for
	By      string                   `json:"by,omitempty"`             // shown
	At      string                   `json:"at,omitempty"`             // shown
	History []RegistrationProperties `json:"history,omitempty"`        // shown: all entries, oldest first
}

func propertiesOf(r registration.Registration) RegistrationProperties {
	on := !r.ReportingOff
	var expects *bool
	if r.NoHoursExpected {
		expects = new(bool)
	}
	return RegistrationProperties{
		ExpectsHours: expects,
		CloudID:      r.CloudID, SubscriptionID: r.SubscriptionID, SubscriptionKind: string(r.SubscriptionKind), Cloud: r.Cloud, StampKind: string(r.StampKind),
		BillingModel: string(r.BillingModel), Reporting: &on, Region: r.Region, Start: showTime(r.Start), End: showTime(r.End),
		Reason: r.Reason, Since: ShowDay(r.EffectiveDay), By: r.By, At: showTime(r.At),
	}
}

// ShowRegistration is a registration as it holds on a day.
func ShowRegistration(b registration.Book, now time.Time) (RegistrationResource, error) {
	today := now.UTC().Format("20060102")
	held, err := b.On(today)
	if err != nil {
		return RegistrationResource{}, err
	}
	held.End = b.End(today)
	shown := RegistrationResource{ID: registrationID(held.Registration), Name: b.Name(), Type: typeRegistration, Location: "global", ETag: etagOf(b), Properties: propertiesOf(held.Registration)}
	for _, r := range b.Registrations {
		shown.Properties.History = append(shown.Properties.History, propertiesOf(r))
	}
	return shown, nil
}

func registrationID(r registration.Registration) string {
	return "/subscriptions/" + r.SubscriptionID + "/resourceGroups/azurestack/providers/" + typeRegistration + "/" + r.Name
}

// wish reads what a request wants of a registration.
func (p RegistrationProperties) wish(name string, r *http.Request) (w registration.Wish, err error) {
	reg := registration.Registration{
		CloudID: p.CloudID, Name: name, Note: note(r, p.Reason), SubscriptionID: p.SubscriptionID, SubscriptionKind: registration.SubscriptionKind(p.SubscriptionKind),
		Cloud: p.Cloud, StampKind: registration.StampKind(p.StampKind), BillingModel: registration.BillingModel(p.BillingModel), Region: p.Region,
	}
	reg.NoHoursExpected = p.ExpectsHours != nil && !*p.ExpectsHours
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
	w = registration.Wish{Registration: reg, Reporting: p.Reporting}
	w.Match, err = condition(r)
	return w, err
}

func (a *App) registrar() *registration.Registrar {
	return &registration.Registrar{Store: a.Registrations, Now: a.Now, Closed: ClosedDays(a.Ledger), Grace: a.settling()}
}

// changing is the registrar of a request, which may confirm that closed days are
// to be restated.
func (a *App) changing(r *http.Request) (*registration.Registrar, error) {
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
func (a *App) shown(status int, b registration.Book) (answer, error) {
	resource, err := ShowRegistration(b, a.Now())
	return answer{status: status, body: resource, etag: etagOf(b)}, err
}

// registrations lists them.
func (a *App) registrations(ctx context.Context, _ *http.Request) (answer, error) {
	books, err := a.Registrations.Books(ctx)
	if err != nil {
		return answer{}, err
	}
	list := []RegistrationResource{}
	for _, b := range books {
		if len(b.Registrations) == 0 {
			continue
		}
		shown, err := ShowRegistration(b, a.Now())
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
		var resource RegistrationResource
		if err := readRequest(r, &resource); err != nil {
			return answer{}, err
		}
		wish, err := resource.Properties.wish(name, r)
		if err != nil {
			return answer{}, err
		}
		registrar, err := a.changing(r)
		if err != nil {
			return answer{}, err
		}
		book, made, err := registrar.Put(ctx, wish)
		if err != nil {
			return answer{}, err
		}
		if made {
			return a.shown(http.StatusCreated, book)
		}
		return a.shown(http.StatusOK, book)
	case http.MethodDelete:
		end, err := apiTime("end", r.URL.Query().Get("end"))
		if err != nil {
			return answer{}, err
		}
		if end.IsZero() {
			end = NextHour(a.Now())
		}
		match, err := condition(r)
		if err != nil {
			return answer{}, err
		}
		registrar, err := a.changing(r)
		if err != nil {
			return answer{}, err
		}
		book, err := registrar.End(ctx, name, end, note(r, r.URL.Query().Get("reason")), match)
		if err != nil {
			return answer{}, err
		}
		return a.shown(http.StatusOK, book)
	default:
		book, err := a.registrar().Named(ctx, name)
		if err != nil {
			return answer{}, err
		}
		return a.shown(http.StatusOK, book)
	}
}

// NextHour is the end that a registration gets when nobody names one: the rows of
// the hour that runs are reported after it.
func NextHour(now time.Time) time.Time { return now.UTC().Truncate(time.Hour).Add(time.Hour) }
