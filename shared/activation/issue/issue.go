// Package issue makes activation keys from registrations.
//
//	registration + sign-in and place of the stack -> key; provider subscription -> registration
package issue

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// Request is what a key needs beside the registration: who the agent signs in as,
// and where the stack is. Its region is the registration's if it is left out.
type Request struct {
	Identity activation.Identity `json:"identity"`
	Stack    activation.Stack    `json:"stack"`
}

// ContainerLister lists the containers whose names begin with prefix.
type ContainerLister interface {
	Containers(ctx context.Context, prefix string) ([]string, error)
}

// Issuer makes keys.
type Issuer struct {
	Registrar  *registrar.Registrar
	Containers ContainerLister // of the landing storage
	Service    string          // URL of the landing storage's blobs, without a signature
}

// Key makes the key that configures the agent of a registration, and records the
// provider subscription that it names: the stack's own usage is free. The container
// that it names must exist: an agent may not make one, and would fail at its first
// hour.
func (i Issuer) Key(ctx context.Context, name string, req Request, by string) (string, error) {
	history, err := i.Registrar.Named(ctx, name)
	if err != nil {
		return "", err
	}
	key, err := i.make(ctx, history, req)
	if err != nil || req.Stack.ProviderSubscription == "" {
		return key, err
	}
	_, err = i.Registrar.RecordProvider(ctx, history.Name(), req.Stack.ProviderSubscription, registration.Note{By: by, Reason: "an activation key names it"})
	return key, err
}

func (i Issuer) make(ctx context.Context, history registration.History, req Request) (string, error) {
	now := i.Registrar.Now()
	held, err := history.On(now.UTC().Format("20060102"))
	if err != nil {
		return "", err
	}
	if !held.End.IsZero() && !now.Before(held.End) {
		return "", clash("RegistrationEnded", "registration %s ended at %s; register the stack again first", history.Name(), resource.Time(held.End))
	}
	k := activation.Key{
		Container: landing.Container(history.CloudID), CloudID: history.CloudID, Identity: req.Identity, Stack: req.Stack,
		Rules: &activation.Rules{BillingModel: string(held.BillingModel)},
	}
	k.Account, k.BlobServiceURI = accountOf(i.Service)
	k.Stack.Region = cmp.Or(k.Stack.Region, held.Region)
	first := usage.HourOf(held.Start)
	k.Rules.FirstHour = &first
	there, err := i.Containers.Containers(ctx, k.Container)
	if err != nil {
		return "", err
	}
	if !slices.Contains(there, k.Container) {
		return "", clash("LandingContainerNotFound", "the deployment has not made the container of this stack yet; run: az storage container create --auth-mode login --account-name %s --name %s",
			cmp.Or(k.Account, "ACCOUNT"), k.Container)
	}
	key, err := activation.Encode(k)
	if err != nil {
		return "", &registration.Rejection{Code: "InvalidRequestContent", Kind: registration.Invalid, Message: err.Error()}
	}
	return key, nil
}

func clash(code, format string, args ...any) error {
	return &registration.Rejection{Code: code, Kind: registration.Clash, Message: fmt.Sprintf(format, args...)}
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
