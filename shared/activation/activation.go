// Package activation is the activation key: what an operator carries from the
// registration in Azure to the agent on the stack, so that nothing is typed.
//
//	key = base64url, without padding, of
//	{"format":"stackusage-activation/1","account":...,"container":...,
//	 "cloudId":...,"identity":{...},"stack":{...},"rules":{...}}
//
// A key holds no secret: who reads it knows where usage goes, and can send none.
// docs/formats/activation-key.md describes it.
package activation

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Format is the one format of keys there is. Fields may join it that an agent
// can do without; what an agent must not overlook gets another format.
const Format = "stackusage-activation/1"

// MaxKey is the most bytes that a key may have.
const MaxKey = 8 << 10

// Methods by which an agent signs in to storage.
const (
	ClientSecret      = "clientSecret"
	ClientCertificate = "clientCertificate"
	ManagedIdentity   = "managedIdentity"
)

// Methods lists them.
var Methods = []string{ClientSecret, ClientCertificate, ManagedIdentity}

// Key is what an activation key says. Exactly one of Account and
// BlobServiceURI is set.
type Key struct {
	Format         string   `json:"format"`
	Account        string   `json:"account,omitempty"`        // name of the storage account in the global Azure cloud
	BlobServiceURI string   `json:"blobServiceUri,omitempty"` // https://..., where the account's name is not enough
	Container      string   `json:"container"`                // landing-<cloudId>
	CloudID        string   `json:"cloudId"`                  // the registration: lower case with dashes
	Identity       Identity `json:"identity"`
	Stack          Stack    `json:"stack"`
	Rules          *Rules   `json:"rules,omitempty"`
}

// Identity is who may create blobs in the container. Its secret travels
// another way.
type Identity struct {
	TenantID string `json:"tenantId,omitempty"` // GUID; needed unless Method is ManagedIdentity
	ClientID string `json:"clientId,omitempty"` // GUID; likewise
	Method   string `json:"method"`             // one of Methods
}

// Stack is the stack, as it was registered.
type Stack struct {
	Region               string `json:"region"`                         // local
	Domain               string `json:"domain"`                         // azurestack.external
	Endpoint             string `json:"endpoint,omitempty"`             // of the admin Resource Manager, if not adminmanagement.<region>.<domain>
	ProviderSubscription string `json:"providerSubscription,omitempty"` // GUID
}

// Rules are what the registration asks of the agent and of its operator.
type Rules struct {
	BillingModel string      `json:"billingModel,omitempty"` // PayAsYouUse, Capacity, Development
	FirstHour    *usage.Hour `json:"firstHour,omitempty"`    // the first reported hour that is expected
}

// AdminEndpoint is the address of the stack's administrative Resource Manager.
func (s Stack) AdminEndpoint() string {
	if s.Endpoint != "" {
		return s.Endpoint
	}
	return "https://adminmanagement." + s.Region + "." + s.Domain
}

// Encode checks k and returns its key. An empty Format means Format.
func Encode(k Key) (string, error) {
	if k.Format == "" {
		k.Format = Format
	}
	if err := k.Validate(); err != nil {
		return "", fmt.Errorf("encode activation key: %w", err)
	}
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("encode activation key: %w", err)
	}
	key := base64.RawURLEncoding.EncodeToString(text)
	if len(key) > MaxKey {
		return "", fmt.Errorf("encode activation key: %d bytes, more than %d", len(key), MaxKey)
	}
	return key, nil
}

// Decode reads a key, with white space around it. Names that this version does
// not know are skipped; a name that comes twice is refused.
func Decode(text string) (Key, error) {
	k, err := decode(strings.TrimSpace(text))
	if err != nil {
		return Key{}, fmt.Errorf("read activation key: %w", err)
	}
	return k, nil
}

var strict = base64.RawURLEncoding.Strict()

func decode(text string) (k Key, err error) {
	switch {
	case text == "":
		return k, errors.New("it is empty: copy the key that the registration shows")
	case len(text) > MaxKey:
		return k, fmt.Errorf("%d bytes, more than %d: this is no activation key", len(text), MaxKey)
	case strings.ContainsAny(text, " \t\r\n"): // DecodeString skips line ends
		return k, errors.New("white space inside: copy it whole and on one line")
	}
	raw, err := strict.DecodeString(text)
	if err != nil {
		return k, errors.New("not base64url without padding: copy it whole, from the first character to the last")
	}
	if err := strictjson.Unmarshal(raw, &k); err != nil {
		return k, fmt.Errorf("not the JSON of a key: %w: copy it whole, or ask for it again", err)
	}
	return k, k.Validate()
}

var (
	accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	dnsLabel    = `[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`
	regionName  = regexp.MustCompile(`^` + dnsLabel + `$`)
	domainName  = regexp.MustCompile(`^` + dnsLabel + `(\.` + dnsLabel + `)+$`)
	modelName   = regexp.MustCompile(`^[A-Za-z]{1,40}$`)
)

// Validate reports everything that is wrong with k.
func (k Key) Validate() error {
	if k.Format != Format {
		return fmt.Errorf("format %.60q: this version reads %s only; install an agent of the key's version", k.Format, Format)
	}
	var errs []error
	check := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	switch {
	case k.Account != "" && k.BlobServiceURI != "":
		check("account, blobServiceUri", errors.New("both are there, and only one may be"))
	case k.BlobServiceURI != "":
		check("blobServiceUri", CheckURL(k.BlobServiceURI))
	default:
		check("account", CheckAccount(k.Account))
	}
	check("cloudId", CheckCloudID(k.CloudID))
	if k.Container != "landing-"+k.CloudID {
		check("container", errors.New("must be landing-<cloudId>: hours in any other container are rejected"))
	}
	check("identity", k.Identity.validate())
	if !regionName.MatchString(k.Stack.Region) {
		check("stack.region", errors.New("missing or not a name, such as local"))
	}
	if len(k.Stack.Domain) > 253 || !domainName.MatchString(k.Stack.Domain) {
		check("stack.domain", errors.New("missing or not a domain name, such as azurestack.external"))
	}
	if k.Stack.Endpoint != "" {
		check("stack.endpoint", CheckURL(k.Stack.Endpoint))
	}
	if k.Stack.ProviderSubscription != "" {
		check("stack.providerSubscription", usage.CheckGUID(k.Stack.ProviderSubscription))
	}
	if k.Rules != nil && k.Rules.BillingModel != "" && !modelName.MatchString(k.Rules.BillingModel) {
		check("rules.billingModel", errors.New("not a name, such as PayAsYouUse"))
	}
	return errors.Join(errs...)
}

func (i Identity) validate() error {
	switch i.Method {
	case ClientSecret, ClientCertificate:
		if err := usage.CheckGUID(i.TenantID); err != nil {
			return fmt.Errorf("tenantId: %w", err)
		}
		if err := usage.CheckGUID(i.ClientID); err != nil {
			return fmt.Errorf("clientId: %w", err)
		}
		return nil
	case ManagedIdentity:
		if i.ClientID != "" {
			if err := usage.CheckGUID(i.ClientID); err != nil {
				return fmt.Errorf("clientId: %w", err)
			}
		}
		if i.TenantID != "" {
			if err := usage.CheckGUID(i.TenantID); err != nil {
				return fmt.Errorf("tenantId: %w", err)
			}
		}
		return nil
	}
	return fmt.Errorf("method %.40q: must be one of %s", i.Method, strings.Join(Methods, ", "))
}

// CheckAccount reports what is wrong with the name of a storage account.
func CheckAccount(name string) error {
	if !accountName.MatchString(name) {
		return errors.New("missing or not the name of a storage account: 3 to 24 lower-case letters and digits")
	}
	return nil
}

// CheckCloudID reports what is wrong with a registration's cloudId.
func CheckCloudID(id string) error {
	if err := usage.CheckGUID(id); err != nil {
		return err
	}
	if usage.DashedGUID(id) != id {
		return errors.New("must be in lower case with dashes")
	}
	return nil
}

// CheckURL reports what is wrong with the address of a service: https, a host,
// nothing that could be a secret. Plain http is for loopback addresses only. The
// address is never shown.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > 2048 || err != nil || u.Hostname() == "" || strings.ContainsAny(text, "\"\\ "):
		return errors.New("not of the form https://host")
	case u.User != nil:
		return errors.New("a user or password is in it: secrets never stand here")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return errors.New("something follows ? or #: a signature is a secret and never stands here")
	case u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())):
		return errors.New("must begin with https://")
	}
	return nil
}

// Loopback says whether a host is this machine for certain.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
