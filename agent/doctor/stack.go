package doctor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/shared/usage"
)

func (e *examination) metadata(ctx context.Context) (stackapi.Metadata, Result) {
	found, err := e.parts.Stack.Metadata(ctx)
	if err != nil {
		return found, failed("the stack does not say where to sign in: "+brief(err),
			"Check that stack.endpoint is the administrative Resource Manager (adminmanagement.<region>.<domain>); or set stack.loginEndpoint and stack.audience.")
	}
	kind := "Microsoft Entra ID"
	if found.ADFS {
		kind = "AD FS"
	}
	where := kind + " at " + hostOf(found.LoginEndpoint) + ", audience " + found.Audience
	conf := e.parts.Config.Stack
	switch tenant := conf.SignIn.TenantID; {
	case conf.SignIn.Method == signin.ManagedIdentity:
	case found.ADFS && !strings.EqualFold(tenant, "adfs"):
		return found, warning("the stack signs in by AD FS, which has no tenants, and stack.signIn.tenantId names one", "Set stack.signIn.tenantId to adfs.")
	case !found.ADFS && strings.EqualFold(tenant, "adfs"):
		return found, failed("the stack signs in by Microsoft Entra ID, and stack.signIn.tenantId is adfs", "Set stack.signIn.tenantId to the directory's GUID or domain name.")
	}
	if conf.LoginEndpoint != "" || conf.Audience != "" {
		where += " (by the configuration)"
	}
	return found, ok(where)
}

func (e *examination) stackSignIn(ctx context.Context) Result {
	if err := e.parts.Stack.SignIn(ctx); err != nil {
		return explainSignIn("stack.signIn", err)
	}
	return ok(e.parts.Config.Stack.SignIn.Method)
}

func explainSignIn(section string, err error) Result {
	cause, advice := signin.Cause(err)
	if advice == "" {
		advice = "Check " + section + " in the configuration."
	}
	return failed(strings.Join(strings.Fields(cause), " "), advice)
}

// errSeen ends the reading of an hour: one row shows all that is asked here.
var errSeen = errors.New("a row was seen")

// settled is how long ago an hour is that any stack can tell.
const settled = 36 * time.Hour

func (e *examination) usage(ctx context.Context) Result {
	began := time.Now()
	hour := began.UTC().Add(-settled).Truncate(time.Hour)
	_, err := e.parts.Stack.Hour(ctx, hour, func([]byte) error { return errSeen })
	namespace := e.parts.Stack.Namespace()
	switch {
	case err == nil:
		return ok(namespace + " answers: no usage in the hour of " + usage.Point(hour))
	case errors.Is(err, errSeen):
		return ok(namespace + " answers: usage in the hour of " + usage.Point(hour))
	case errors.Is(err, stackapi.ErrNotReady):
		return ok(namespace + " answers that it is not ready yet, which is no fault")
	}
	return e.explainUsage(err, time.Since(began))
}

func (e *examination) explainUsage(err error, took time.Duration) Result {
	conf := e.parts.Config.Stack
	const reader = "On the stack, give the application the role Reader on the default provider subscription "
	var answer *stackapi.Error
	var refused *signin.Error
	if errors.As(err, &refused) {
		return explainSignIn("stack.signIn", err)
	}
	if !errors.As(err, &answer) || answer.Status == 0 {
		if errors.Is(err, context.DeadlineExceeded) {
			return warning("the stack has not answered for "+usage.Span(took), "Try again with more time: --timeout 5m. A stack's gateway gives up after about 85 s; the agent asks again.")
		}
		return failed("the stack does not tell usage: "+brief(err), "Try again; if it stays so, look at the health of the stack.")
	}
	told := answer.Code
	if answer.RequestID != "" {
		told += ", x-ms-request-id " + answer.RequestID
	}
	switch {
	case answer.Code == "InvalidAuthenticationTokenAudience":
		return failed("the audience is wrong: the stack takes no tokens for it ("+told+")", "Leave stack.audience empty: the stack says itself for whom tokens are.")
	case answer.Code == "ExpiredAuthenticationToken":
		return failed("the stack holds the token for expired: its clock and the issuer's differ ("+told+")", "Compare the stack's clock with the issuer's.")
	case answer.Status == http.StatusUnauthorized:
		return failed("the stack does not believe the token ("+told+")", "Check that stack.signIn.tenantId is the directory that the stack was deployed with, and stack.loginEndpoint its own.")
	case answer.Status == http.StatusForbidden:
		return failed("permission is missing: the application may not read usage ("+told+")", reader+conf.ProviderSubscription+".")
	case answer.Code == "SubscriptionNotFound":
		return failed("the stack does not know the provider subscription, or not to this application ("+told+")", "Check stack.providerSubscription. "+reader+"as well.")
	case answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable || answer.Status == http.StatusGatewayTimeout:
		return warning("the stack is busy ("+told+")", "Wait: the agent asks again by itself, and after repeated 504 subscriber by subscriber.")
	case answer.Status == http.StatusNotFound:
		return failed("there is no usage API at this address ("+told+")", "Check that stack.endpoint is the administrative Resource Manager, not the tenants' (management.<region>.<domain>), and leave stack.namespace at auto.")
	}
	return failed("the stack does not tell usage: "+brief(err), "Look at the health of the stack; its support will ask for the x-ms-request-id.")
}
