package signin

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/agent/neterr"
	"stackusage/shared/usage"
)

// Kind is what is wrong, for programs.
type Kind string

// Kinds of Error.
const (
	WrongSecret          Kind = "wrongSecret"
	ExpiredSecret        Kind = "expiredSecret"
	WrongCertificate     Kind = "wrongCertificate"
	ExpiredCertificate   Kind = "expiredCertificate"
	WrongAudience        Kind = "wrongAudience"
	UnknownTenant        Kind = "unknownTenant"
	UnknownClient        Kind = "unknownClient"
	Denied               Kind = "denied"
	ClockOff             Kind = "clockOff"
	NoManagedIdentity    Kind = "noManagedIdentity"
	Unavailable          Kind = "unavailable"
	UnknownHost          Kind = Kind(neterr.UnknownHost)
	Unreachable          Kind = Kind(neterr.Unreachable)
	TimedOut             Kind = Kind(neterr.TimedOut)
	ProxyBroken          Kind = Kind(neterr.ProxyBroken)
	UntrustedCertificate Kind = Kind(neterr.UntrustedCertificate) // of the issuer's server
	Unknown              Kind = "unknown"
)

// Error is a sign-in that failed. It holds no secret.
type Error struct {
	Kind     Kind
	Method   string // of Config
	Host     string // of the issuer
	TenantID string
	ClientID string // may be empty
	Audience string // that the token was to be for
	Status   int    // HTTP status of the issuer's answer; 0 if there was none
	Code     string // the issuer's, such as AADSTS7000215 or MSIS9622; may be empty
	Detail   string // the issuer's words on one line; may be empty
	Err      error  // what broke the connection; may be nil

	skew time.Duration // how far the issuer's clock is ahead
}

// Error is one sentence.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sign in to %s", e.Host)
	if e.ClientID != "" {
		fmt.Fprintf(&b, " as %s", e.ClientID)
	}
	cause := e.cause()
	b.WriteString(": " + cause)
	switch {
	case e.Code != "":
		fmt.Fprintf(&b, " (%s)", e.Code)
	case e.Kind == Unknown && e.Detail != "":
		fmt.Fprintf(&b, " (%d %q)", e.Status, e.Detail)
	case e.Err != nil && !strings.Contains(cause, e.Err.Error()):
		fmt.Fprintf(&b, ": %v", e.Err)
	case e.Status != 0:
		fmt.Fprintf(&b, " (%d)", e.Status)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// NonRetriable tells the Azure SDK not to sign in again at once: the credential
// has done so where it could help.
func (e *Error) NonRetriable() {}

// Transient reports whether signing in later may well succeed with nothing done.
func (e *Error) Transient() bool {
	switch e.Kind {
	case Unavailable, Unreachable, TimedOut, UnknownHost, ProxyBroken:
		return true
	}
	return false
}

// Cause says what is wrong and what to do about it, each in a sentence or two
// for the operator. It knows the errors of credentials made by New and those of
// any connection made through the same client; of others it returns the text,
// and no advice.
func Cause(err error) (cause, advice string) {
	if err == nil {
		return "", ""
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Kind: kindOf(err), Host: "the host", Err: err}
		if e.Kind == Unknown {
			return err.Error(), ""
		}
	}
	cause = e.cause()
	if e.Code != "" {
		cause += " (" + e.Code + ")"
	} else if e.Kind == Unknown && e.Err != nil {
		cause += ": " + e.Err.Error()
	}
	return cause, e.advice()
}

func (e *Error) cause() string {
	switch e.Kind {
	case WrongSecret:
		if strings.HasPrefix(e.Code, "MSIS") {
			return "the client secret or the client id is wrong"
		}
		return "the client secret is wrong"
	case ExpiredSecret:
		return "the client secret has expired"
	case WrongCertificate:
		if strings.HasPrefix(e.Code, "MSIS") {
			return "the client certificate is not registered, or the client id is wrong"
		}
		return "the client certificate is not registered with the application"
	case ExpiredCertificate:
		if e.Code == "" { // found out here, not told by the issuer
			return "the client certificate has expired: " + e.Detail
		}
		return "the client certificate has expired or is not yet valid"
	case WrongAudience:
		return fmt.Sprintf("the audience %q is unknown there", e.Audience)
	case UnknownTenant:
		return fmt.Sprintf("the tenant %q is unknown there", e.TenantID)
	case UnknownClient:
		return fmt.Sprintf("the client id %q is unknown in tenant %q", e.ClientID, e.TenantID)
	case Denied:
		return "the application may not sign in"
	case ClockOff:
		return "this machine's clock is off" + e.offset()
	case NoManagedIdentity:
		return "this machine has no such managed identity"
	case Unavailable:
		return "the token issuer is out of order or busy"
	}
	if why := e.connection(); why.Cause != "" {
		return why.Cause
	}
	return "the sign-in failed for a reason that is not known here"
}

// connection explains a connection that broke.
func (e *Error) connection() neterr.Explanation {
	return neterr.Explain(e.Err, neterr.Place{Host: e.Host})
}

// offset says by how much the clock is off, if the issuer's answer tells.
func (e *Error) offset() string {
	switch s := e.skew.Round(time.Second); {
	case s > maxSkew:
		return fmt.Sprintf(": it is %s behind the issuer's", usage.Span(s))
	case s < -maxSkew:
		return fmt.Sprintf(": it is %s ahead of the issuer's", usage.Span(-s))
	}
	return ""
}

func (e *Error) advice() string {
	switch e.Kind {
	case WrongSecret:
		return "Put the value (not the id) of a secret of application " + e.ClientID + " where the agent reads it."
	case ExpiredSecret:
		return "Make a new secret for application " + e.ClientID + " and put its value where the agent reads it."
	case WrongCertificate:
		return "Register this certificate with application " + e.ClientID + ", or use the one that is registered."
	case ExpiredCertificate:
		return "Make a new certificate, register it with application " + e.ClientID + " and put it where the agent reads it; check this machine's clock."
	case WrongAudience:
		return "Leave the audience to the stack's /metadata/endpoints, or compare it with what that says, to the last slash; check that tenant and login endpoint are the stack's."
	case UnknownTenant:
		return "Check tenantId, and that loginEndpoint is of the cloud that the tenant is in."
	case UnknownClient:
		return "Check clientId and tenantId: the application must be registered in that tenant."
	case Denied:
		return "Ask the directory's administrator to enable the application, to assign it, or to exempt it from the policy; the issuer says: " + e.Detail
	case ClockOff:
		return "Set this machine's clock, and keep it right with NTP."
	case NoManagedIdentity:
		return "Assign a managed identity to this machine, check clientId if it is a user-assigned one, or use another method: only machines in Azure or joined to Azure Arc have one."
	case Unavailable:
		return "Wait: the agent tries again by itself."
	}
	if why := e.connection(); why.Advice != "" {
		return why.Advice
	}
	if e.Detail != "" {
		return "The issuer says: " + e.Detail
	}
	return ""
}
