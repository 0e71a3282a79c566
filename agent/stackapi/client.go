// Package stackapi is a client of the provider usage API of an Azure Stack.
//
// It reads one reported hour as a stream of rows, page by page, and hands each
// row on as the bytes the stack sent: it neither rounds nor interprets them.
//
//	Hour ─> page 1 ─> row, row, ... ─> nextLink ─> page 2 ─> ...
//	          │
//	          └─ throttled or cut: asked again; rows already handed on are
//	             compared and left out
//
// An hour is told whole or not at all: any error means that the rows handed on
// so far are part of an hour and must be discarded. "Not yet" is ErrNotReady
// and never an empty hour. The memory in use does not grow with the number of
// rows.
package stackapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Namespaces of the provider usage API. Stacks before the autumn of 2018 know
// the old one only.
const (
	NamespaceAdmin = "Microsoft.Commerce.Admin"
	NamespaceOld   = "Microsoft.Commerce"
)

// Defaults of Config.
const (
	DefaultRetries = 4
	DefaultBackoff = time.Second
	DefaultMaxWait = 5 * time.Minute
	DefaultTimeout = 5 * time.Minute // a stack's gateway gives up after about 85 s
)

// Bounds of one answer and of one listing.
const (
	maxPageBytes = 256 << 20
	maxPages     = 200_000 // the Azure side accepts 20 million rows: 100 on each
)

// MaxRowBytes is the largest row that is taken. It bounds memory and is far
// above what the Azure side counts (256 KiB): a row that is too long is refused
// there, alone, and must not keep its hour from being collected.
const MaxRowBytes = 32 << 20

const (
	usageVersion         = "2015-06-01-preview"
	subscriptionsVersion = "2015-11-01"
)

// Config says which stack is asked, and how patiently.
type Config struct {
	// Endpoint is the address of the stack's administrative Resource Manager,
	// https://adminmanagement.<region>.<domain>. Plain http is accepted for
	// loopback addresses only, as the token would travel with it.
	Endpoint string

	// ProviderSubscription is the GUID of the default provider subscription.
	ProviderSubscription string

	// Namespace is NamespaceAdmin or NamespaceOld; empty means NamespaceAdmin.
	Namespace string

	// Token returns a bearer token for the stack. It is called before every
	// request and should keep what it got until that expires. Nil sends none.
	Token func(context.Context) (string, error)

	// Refresh, if set, is called when the stack refuses a token: Token then returns
	// another one, with which the page is asked for once more.
	Refresh func(context.Context)

	// HTTP sends the requests; nil means a client of its own. Redirects are
	// never followed, whatever it says.
	HTTP *http.Client

	// Retries is how often one page is asked for again; 0 means
	// DefaultRetries, a negative number never.
	Retries int

	// Backoff is the wait before the first retry, doubled for each one after
	// it, less up to half by chance; 0 means DefaultBackoff.
	Backoff time.Duration

	// MaxWait bounds one wait. A stack that asks for a longer one by
	// Retry-After is not asked again: the error carries what it said. 0 means
	// DefaultMaxWait.
	MaxWait time.Duration

	// Timeout bounds one request, the handing on of its rows included; 0 means
	// DefaultTimeout.
	Timeout time.Duration

	// Retried, if set, is told of every answer after which the page is asked
	// for again, and of the wait before: for metrics and logs.
	Retried func(ctx context.Context, answer *Error, wait time.Duration)
}

// Client asks one stack. It is safe for concurrent use.
type Client struct {
	conf     Config
	base     *url.URL
	http     *http.Client
	sleep    func(context.Context, time.Duration) error
	maxPages int
}

// New checks conf and returns a client for it.
func New(conf Config) (*Client, error) {
	base, err := endpointURL(conf.Endpoint)
	if err != nil {
		return nil, err
	}
	if id := conf.ProviderSubscription; len(id) != 36 || uuid.Validate(id) != nil {
		return nil, fmt.Errorf("read ProviderSubscription %q: not a GUID", id)
	}
	switch conf.Namespace {
	case "":
		conf.Namespace = NamespaceAdmin
	case NamespaceAdmin, NamespaceOld:
	default:
		return nil, fmt.Errorf("read Namespace %q: neither %s nor %s", conf.Namespace, NamespaceAdmin, NamespaceOld)
	}
	conf.Retries = cmp.Or(conf.Retries, DefaultRetries)
	conf.Backoff = cmp.Or(conf.Backoff, DefaultBackoff)
	conf.MaxWait = cmp.Or(conf.MaxWait, DefaultMaxWait)
	conf.Timeout = cmp.Or(conf.Timeout, DefaultTimeout)

	client := http.Client{}
	if conf.HTTP != nil {
		client = *conf.HTTP
	}
	client.CheckRedirect = noRedirect
	return &Client{conf: conf, base: base, http: &client, sleep: sleep, maxPages: maxPages}, nil
}

// Hour calls row for every row reported in the hour that begins at start, in
// the order served, and returns how many pages held them. start must be a full
// hour. raw is the row's JSON as the stack sent it, compacted only if it spans
// lines, and is valid until row returns; an error of row ends the hour and is
// returned.
//
// Errors of the stack are *Error; one that means "not yet" is also ErrNotReady.
func (c *Client) Hour(ctx context.Context, start time.Time, row func(raw []byte) error) (pages int, err error) {
	return c.SubscriberHour(ctx, start, "", row)
}

// SubscriberHour is Hour for the rows of one subscription, for stacks that are
// too slow to answer for all at once. An empty subscriber means all.
func (c *Client) SubscriberHour(ctx context.Context, start time.Time, subscriber string, row func(raw []byte) error) (pages int, err error) {
	start = start.UTC()
	if !start.Truncate(time.Hour).Equal(start) {
		return 0, fmt.Errorf("collect hour %s: not a full hour", start.Format(time.RFC3339Nano))
	}
	query := url.Values{
		"api-version":            {usageVersion},
		"reportedStartTime":      {start.Format(time.RFC3339)},
		"reportedEndTime":        {start.Add(time.Hour).Format(time.RFC3339)},
		"aggregationGranularity": {"hourly"},
	}
	if subscriber != "" {
		query.Set("subscriberId", subscriber)
	}
	l := &listing{
		client: c, op: "collect hour " + usage.Point(start), row: row,
		end: start.Add(time.Hour), endEmpty: c.conf.Namespace == NamespaceOld,
	}
	return l.list(ctx, c.url(c.conf.Namespace+"/subscriberUsageAggregates", query))
}

// Subscriptions returns the directory tenant of every subscription that the
// provider knows at this moment, both as lower-case GUIDs, the former with
// dashes; the tenant is empty where the list names none. Deleted subscriptions are not in it, though their
// usage still is in Hour.
func (c *Client) Subscriptions(ctx context.Context) (map[string]string, error) {
	const op = "list subscriptions"
	tenants := map[string]string{}
	link := c.url("Microsoft.Subscriptions.Admin/subscriptions", url.Values{"api-version": {subscriptionsVersion}})
	l := &listing{client: c, op: op, row: func(raw []byte) error {
		var s struct {
			SubscriptionID string `json:"subscriptionId"`
			TenantID       string `json:"tenantId"`
		}
		if err := strictjson.Unmarshal(raw, &s); err != nil {
			return fmt.Errorf("%s: read entry: %w", op, err)
		}
		if s.SubscriptionID == "" {
			return fmt.Errorf("%s: read entry: no subscriptionId", op)
		}
		// The default provider subscription of some stacks has no tenant.
		id, tenant := strings.ToLower(usage.DashedGUID(s.SubscriptionID)), strings.ToLower(s.TenantID)
		other := tenants[id]
		if other != "" && tenant != "" && other != tenant {
			return fmt.Errorf("%s: subscription %.60q has two directories", op, id)
		}
		tenants[id] = cmp.Or(tenant, other)
		return nil
	}}
	if _, err := l.list(ctx, link); err != nil {
		return nil, err
	}
	return tenants, nil
}

func (c *Client) url(resource string, query url.Values) *url.URL {
	u := c.base.JoinPath("subscriptions", c.conf.ProviderSubscription, "providers", resource)
	u.RawQuery = query.Encode()
	return u
}
