// Package azurestore keeps what the other packages need kept in Azure Storage:
// rows in tables, contents in blobs, messages in queues. It is the only package
// of the Azure side that knows the storage SDKs; ETags and service errors do not
// leave it.
//
// A connection is named by its setting, as the Functions host does it: a
// connection string, or service URIs with a managed identity.
package azurestore

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
)

// Account is one storage account. Safe for concurrent use.
type Account struct {
	Tables *Tables
	Blobs  *Blobs
	Queues *Queues
}

// Option changes how an account is reached; for tests.
type Option func(*azcore.ClientOptions)

// Through puts a policy in front of every request.
func Through(p policy.Policy) Option {
	return func(o *azcore.ClientOptions) { o.PerRetryPolicies = append(o.PerRetryPolicies, p) }
}

// WithoutRetries makes every failed request an error at once.
func WithoutRetries() Option {
	return func(o *azcore.ClientOptions) { o.Retry.MaxRetries = -1 }
}

// requestTimeout bounds one try of one request; the body of a download is not
// in it.
const requestTimeout = 60 * time.Second

// Connect reads the connection with the given setting name from getenv: the
// setting itself is a connection string; else <name>__blobServiceUri,
// <name>__queueServiceUri and <name>__tableServiceUri, or <name>__accountName in
// the global Azure cloud, with <name>__credential=managedidentity and
// optionally <name>__clientId. Without __credential the default chain of
// azidentity signs in. An account that is named both ways is an error.
func Connect(getenv func(string) string, name string, options ...Option) (*Account, error) {
	opts := azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: 4, TryTimeout: 0, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: 10 * time.Second}}
	opts.Transport = quiet{&http.Client{Transport: transport()}}
	for _, o := range options {
		o(&opts)
	}
	account, err := connect(getenv, name, opts)
	if err != nil {
		return nil, fmt.Errorf("connect storage %s: %w", name, err)
	}
	return account, nil
}

// quiet keeps URLs out of errors: with a shared access signature in the
// connection string, the text of a failed call would carry it into logs.
type quiet struct{ client *http.Client }

func (q quiet) Do(req *http.Request) (*http.Response, error) {
	resp, err := q.client.Do(req)
	if call := (*url.Error)(nil); errors.As(err, &call) {
		err = fmt.Errorf("%s %s: %w", req.Method, req.URL.Host, call.Err)
	}
	return resp, err
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = requestTimeout
	t.MaxIdleConnsPerHost = 64
	return t
}

// accountSettings name an account without a secret. Who signs in is said beside a
// connection string, too: the token for commerce is that identity's.
var accountSettings = []string{"accountName", "blobServiceUri", "queueServiceUri", "tableServiceUri"}

func connect(getenv func(string) string, name string, opts azcore.ClientOptions) (*Account, error) {
	if text := getenv(name); text != "" {
		// The two may name different accounts; and a key that is left over would be
		// used where nobody thinks that there is one.
		for _, setting := range accountSettings {
			if getenv(name+"__"+setting) != "" {
				return nil, fmt.Errorf("%[1]s is a connection string, and %[1]s__%[2]s is set too: remove one of them", name, setting)
			}
		}
		tables, err := aztables.NewServiceClientFromConnectionString(text, &aztables.ClientOptions{ClientOptions: opts})
		if err != nil {
			return nil, err
		}
		blobs, err := azblob.NewClientFromConnectionString(text, &azblob.ClientOptions{ClientOptions: opts})
		if err != nil {
			return nil, err
		}
		queues, err := azqueue.NewServiceClientFromConnectionString(text, &azqueue.ClientOptions{ClientOptions: opts})
		if err != nil {
			return nil, err
		}
		return newAccount(tables, blobs, queues), nil
	}
	uri := func(service string) string {
		if account := getenv(name + "__accountName"); account != "" {
			return "https://" + account + "." + service + ".core.windows.net"
		}
		return getenv(name + "__" + service + "ServiceUri")
	}
	if uri("blob") == "" || uri("queue") == "" || uri("table") == "" {
		return nil, fmt.Errorf("set %[1]s to a connection string, or %[1]s__accountName, or %[1]s__blobServiceUri, __queueServiceUri and __tableServiceUri", name)
	}
	cred, err := Credential(getenv, name)
	if err != nil {
		return nil, err
	}
	tables, err := aztables.NewServiceClient(uri("table"), cred, &aztables.ClientOptions{ClientOptions: opts})
	if err != nil {
		return nil, err
	}
	blobs, err := azblob.NewClient(uri("blob"), cred, &azblob.ClientOptions{ClientOptions: opts})
	if err != nil {
		return nil, err
	}
	queues, err := azqueue.NewServiceClient(uri("queue"), cred, &azqueue.ClientOptions{ClientOptions: opts})
	if err != nil {
		return nil, err
	}
	return newAccount(tables, blobs, queues), nil
}

// Credential is the identity that a connection's settings name.
func Credential(getenv func(string) string, name string) (azcore.TokenCredential, error) {
	switch kind := getenv(name + "__credential"); kind {
	case "managedidentity":
		opts := &azidentity.ManagedIdentityCredentialOptions{}
		if id := getenv(name + "__clientId"); id != "" {
			opts.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(opts)
	case "":
		return azidentity.NewDefaultAzureCredential(nil)
	default:
		return nil, fmt.Errorf("%s__credential %q: only managedidentity is known", name, kind)
	}
}

func newAccount(tables *aztables.ServiceClient, blobs *azblob.Client, queues *azqueue.ServiceClient) *Account {
	return &Account{Tables: &Tables{service: tables}, Blobs: &Blobs{client: blobs}, Queues: &Queues{service: queues}}
}

// WhatToDo is what to do about an error of storage; empty if there is nothing to say.
func WhatToDo(err error) string {
	op, dial := errors.AsType[*net.OpError](err)
	switch status, code := answerOf(err); {
	case dial && op.Op == "dial":
		// The SDK's error has the address, and not whose it is.
		return "nothing answers there; check that UsageStorage and LandingStorage name the right storage, and that it runs"
	case code == "AuthorizationPermissionMismatch":
		return "your identity has no role that allows it; to read, it needs Storage Table, Blob and Queue Data Reader on the app's account and Storage Blob Data Reader on the landing account"
	case code == "AuthorizationFailure":
		return "the network rules of the storage account keep this machine out, or it needs another way to sign in"
	case status == http.StatusForbidden:
		return "storage does not take this sign-in; check the connection in UsageStorage and LandingStorage, and the clock of this machine"
	}
	return ""
}

// hasCode reports whether err is an answer of the service with one of the codes.
func hasCode(err error, codes ...string) bool {
	_, code := answerOf(err)
	return code != "" && slices.Contains(codes, code)
}

// hasStatus is hasCode by HTTP status, for answers that carry no code.
func hasStatus(err error, status int) bool {
	have, _ := answerOf(err)
	return have == status
}

// The answer to a transaction that failed is a 202, in whose parts the status
// and the code of the failed write are; the SDK does not look there.
var (
	partStatus = regexp.MustCompile(`(?m)^HTTP/1\.1 ([45]\d\d) `)
	partCode   = regexp.MustCompile(`"odata\.error"\s*:\s*\{\s*"code"\s*:\s*"(\w+)"`)
)

// answerOf is the status and the code with which the service refused; zero if
// err is something else.
func answerOf(err error) (status int, code string) {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		return 0, ""
	}
	status, code = resp.StatusCode, resp.ErrorCode
	if status != http.StatusAccepted || resp.RawResponse == nil {
		return status, code
	}
	body, err := runtime.Payload(resp.RawResponse)
	if err != nil {
		return status, code
	}
	if m := partStatus.FindSubmatch(body); m != nil {
		status, _ = strconv.Atoi(string(m[1])) // digits
	}
	if m := partCode.FindSubmatch(body); m != nil {
		code = string(m[1])
	}
	return status, code
}
