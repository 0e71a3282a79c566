package handlers

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// KeyRequest is what an activation key needs beside the registration: who the
// agent signs in as, and where the stamp is. Its region is the registration's if
// it is left out.
type KeyRequest struct {
	Identity activation.Identity `json:"identity"`
	Stamp    activation.Stamp    `json:"stamp"`
}

// ContainerLister lists the containers whose names begin with prefix.
type ContainerLister interface {
	Containers(ctx context.Context, prefix string) ([]string, error)
}

// ActivationKey makes the key that configures the agent of a registration. The
// container that it names must be there: an agent may not make one, and would
// fail at its first hour. service is the URL of the landing storage's blobs.
func ActivationKey(ctx context.Context, book registration.Book, containers ContainerLister, service string, now time.Time, req KeyRequest) (string, error) {
	held, err := book.On(now.UTC().Format("20060102"))
	if err != nil {
		return "", err
	}
	if !held.End.IsZero() && !now.Before(held.End) {
		return "", refuse(registration.Clash, "RegistrationEnded", "registration %s ended at %s; register the stamp again first", book.Name(), showTime(held.End))
	}
	k := activation.Key{
		Container: landing.Container(book.CloudID), CloudID: book.CloudID, Identity: req.Identity, Stamp: req.Stamp,
		Rules: &activation.Rules{BillingModel: string(held.BillingModel)},
	}
	k.Account, k.BlobServiceURI = accountOf(service)
	k.Stamp.Region = cmp.Or(k.Stamp.Region, held.Region)
	first := usage.HourOf(held.Start)
	k.Rules.FirstHour = &first
	there, err := containers.Containers(ctx, k.Container)
	if err != nil {
		return "", err
	}
	if !slices.Contains(there, k.Container) {
		return "", refuse(registration.Clash, "LandingContainerNotFound", "the deployment has not made the container of this stamp yet; run: az storage container create --auth-mode login --account-name %s --name %s",
			cmp.Or(k.Account, "ACCOUNT"), k.Container)
	}
	key, err := activation.Encode(k)
	if err != nil {
		return "", refuse(registration.Invalid, "InvalidRequestContent", "%v", err)
	}
	return key, nil
}

// RecordProvider keeps the provider subscription that a key names with the
// registration: the stack's own usage is free.
func RecordProvider(ctx context.Context, g *registration.Registrar, book registration.Book, req KeyRequest, why registration.Note) error {
	if req.Stamp.ProviderSubscription == "" {
		return nil
	}
	why.Reason = "an activation key names it"
	_, err := g.RecordProvider(ctx, book.Name(), req.Stamp.ProviderSubscription, why)
	return err
}

// accountOf is the name of an account in the global Azure cloud, or else the URL
// of its blobs.
func accountOf(service string) (account, uri string) {
	service = strings.TrimSuffix(service, "/")
	if u, err := url.Parse(service); err == nil && u.Scheme == "https" && u.Path == "" {
		if name, ok := strings.CutSuffix(u.Host, ".blob.core.windows.net"); ok && activation.CheckAccount(name) == nil {
			return name, ""
		}
	}
	return "", service
}

func (a *App) activationKey(ctx context.Context, r *http.Request) (answer, error) {
	var req KeyRequest
	if err := readRequest(r, &req); err != nil {
		return answer{}, err
	}
	book, err := a.registrar().Named(ctx, mux.Vars(r)["name"])
	if err != nil {
		return answer{}, err
	}
	key, err := ActivationKey(ctx, book, a.Landing, a.LandingService, a.Now(), req)
	if err == nil {
		err = RecordProvider(ctx, a.registrar(), book, req, note(r, ""))
	}
	return answer{status: http.StatusOK, body: map[string]string{"activationKey": key}}, err
}
