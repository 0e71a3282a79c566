package stackapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
)

const token = "secret-of-the-stack"

// burst is a reported hour of the scenario with more than one page.
var burst = time.Date(2024, 3, 2, 13, 0, 0, 0, time.UTC)

// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) {
	return scenarios.Generate("three-days", 1)
})

// stand is a client and the stack it talks to.
type stand struct {
	stack  *azurestack.Stack
	url    string
	client *stackapi.Client
	waits  []time.Duration
}

func newStand(t *testing.T, opts azurestack.Options, change func(*stackapi.Config)) *stand {
	t.Helper()
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	opts.Token = token
	stack, err := azurestack.New(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{stack: stack}
	s.connect(t, stack, change)
	return s
}

func (s *stand) connect(t *testing.T, h http.Handler, change func(*stackapi.Config)) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	conf := stackapi.Config{
		Endpoint:             srv.URL,
		ProviderSubscription: "39c82aed-b2b7-4a66-abdb-611de00bf11e",
		Token:                func(context.Context) (string, error) { return token, nil },
		HTTP:                 srv.Client(),
	}
	if s.stack != nil {
		conf.ProviderSubscription = s.stack.Provider()
	}
	if change != nil {
		change(&conf)
	}
	var err error
	if s.client, err = stackapi.New(conf); err != nil {
		t.Fatal(err)
	}
	s.client.OnWait(func(d time.Duration) { s.waits = append(s.waits, d) })
}

// answering returns a stand whose stack is h.
func answering(t *testing.T, h http.HandlerFunc) *stand {
	s := &stand{}
	s.connect(t, h, nil)
	return s
}

// collect returns the rows of an hour as they were handed on.
func (s *stand) collect(t *testing.T, hour time.Time) (rows []string, pages int, err error) {
	t.Helper()
	pages, err = s.client.Hour(t.Context(), hour, func(raw []byte) error {
		rows = append(rows, string(raw))
		return nil
	})
	return rows, pages, err
}

// served returns what the stack holds for an hour.
func (s *stand) served(t *testing.T, hour time.Time) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	s.stack.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+hour.Format(time.RFC3339), nil))
	return strings.Split(strings.TrimSuffix(rec.Body.String(), "\n"), "\n")
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func TestHourIsHandedOnByteForByte(t *testing.T) {
	for _, tc := range []struct {
		name      string
		opts      azurestack.Options
		namespace string
		pages     int
	}{
		{"pages of a thousand", azurestack.Options{}, "", 2},
		{"small pages", azurestack.Options{PageSize: 100}, "", 12},
		{"old namespace", azurestack.Options{}, stackapi.NamespaceOld, 2},
		{"an empty page at the end", azurestack.Options{Endings: []string{azurestack.EndPage}}, "", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStand(t, tc.opts, func(c *stackapi.Config) { c.Namespace = tc.namespace })
			rows, pages, err := s.collect(t, burst)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, s.served(t, burst), rows)
			mustEqual(t, tc.pages, pages)
		})
	}
}

func TestRecordedHourIsHandedOnByteForByte(t *testing.T) {
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	src, err := azurestack.Recordings(dir)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no recordings (set STACKUSAGE_RECORDINGS): %v", err)
	}
	s := &stand{}
	if s.stack, err = azurestack.New(src, azurestack.Options{Token: token, PageSize: 100}); err != nil {
		t.Fatal(err)
	}
	s.connect(t, s.stack, nil)
	rows, pages, err := s.collect(t, s.stack.First())
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, 3, pages)
	mustEqual(t, s.served(t, s.stack.First()), rows)
	text, err := os.ReadFile(filepath.Join(dir, s.stack.First().Format("2006-01-02T15")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, string(text), `{"value":[`+strings.Join(rows, ",")+`]}`)
}

func TestHourWithoutUsageIsOnePageOfNothing(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	rows, pages, err := s.collect(t, s.stack.End().AddDate(0, 0, 1))
	if err != nil || len(rows) != 0 || pages != 1 {
		t.Fatalf("got %d rows on %d pages, %v", len(rows), pages, err)
	}
}

func TestSubscriberHourHoldsItsRowsOnly(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	all := s.served(t, burst)
	total := 0
	for _, sub := range s.stack.Subscriptions() {
		_, err := s.client.SubscriberHour(t.Context(), burst, sub.SubscriptionID, func(raw []byte) error {
			if !strings.Contains(string(raw), `"subscriptionId":"`+sub.SubscriptionID+`"`) || !slices.Contains(all, string(raw)) {
				t.Errorf("%s: foreign row %s", sub.DisplayName, raw)
			}
			total++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mustEqual(t, len(all), total)
}

func TestSubscriptionsNameTheirDirectory(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	got, err := s.client.Subscriptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, sub := range s.stack.Subscriptions() {
		want[sub.SubscriptionID] = sub.TenantID
	}
	mustEqual(t, want, got)
}

func TestSubscriptionsOfOtherShapes(t *testing.T) {
	s, _ := pages(t, `{"value":[{"subscriptionId":"AA","tenantId":"BB"},{"subscriptionId":"cc"}],"nextLink":"%s/2"}`,
		`{"value":[{"subscriptionId":"dd","tenantId":"ee"}]}`, `{"value":[{"tenantId":"ee"}]}`, `{"value":[1]}`,
		`{"value":[{"subscriptionId":"aa","tenantId":"b","TenantId":"c"}]}`, `{"value":[{"subscriptionId":"aa","tenantId":"b"},{"subscriptionId":"AA","tenantId":"c"}]}`)
	got, err := s.client.Subscriptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, map[string]string{"aa": "bb", "cc": "", "dd": "ee"}, got)
	for _, shape := range []string{"an entry without id", "an entry that is no object", "an entry with two directories", "two entries with two directories"} {
		if _, err := s.client.Subscriptions(t.Context()); err == nil {
			t.Errorf("%s: accepted", shape)
		}
	}
}

func TestASubscriptionSpelledInTwoWaysIsOne(t *testing.T) {
	const dashed, plain = "39c82aed-b2b7-4a66-abdb-611de00bf11e", "39C82AEDB2B74A66ABDB611DE00BF11E"
	s, _ := pages(t, `{"value":[{"subscriptionId":"`+plain+`","tenantId":"AA"},{"subscriptionId":"`+dashed+`"}]}`,
		`{"value":[{"subscriptionId":"`+plain+`","tenantId":"aa"},{"subscriptionId":"`+dashed+`","tenantId":"bb"}]}`)
	got, err := s.client.Subscriptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, map[string]string{dashed: "aa"}, got)
	// In a header the Azure side would refuse the whole hour for it.
	if got, err := s.client.Subscriptions(t.Context()); err == nil {
		t.Errorf("two directories were taken: %v", got)
	}
}

func TestHourMustBeFull(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	if _, _, err := s.collect(t, burst.Add(time.Minute)); err == nil {
		t.Fatal("an hour that begins at :01 was collected")
	}
}

func TestHourInAnotherZoneIsTheSameHour(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	rows, _, err := s.collect(t, burst.In(time.FixedZone("", 2*3600)))
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, s.served(t, burst), rows)
}

func TestErrorOfRowEndsTheHour(t *testing.T) {
	s := newStand(t, azurestack.Options{}, nil)
	full := errors.New("disk full")
	n := 0
	pages, err := s.client.Hour(t.Context(), burst, func([]byte) error {
		n++
		if n == 7 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || n != 7 || pages != 0 || len(s.waits) != 0 {
		t.Fatalf("got %v after %d rows on %d pages, %d waits", err, n, pages, len(s.waits))
	}
}

func TestNewRefuses(t *testing.T) {
	const id = "39c82aed-b2b7-4a66-abdb-611de00bf11e"
	for name, conf := range map[string]stackapi.Config{
		"no endpoint":          {ProviderSubscription: id},
		"plain http":           {Endpoint: "http://adminmanagement.local.azurestack.external", ProviderSubscription: id},
		"password in endpoint": {Endpoint: "https://user:pass@adminmanagement.local.azurestack.external", ProviderSubscription: id},
		"query in endpoint":    {Endpoint: "https://adminmanagement.local.azurestack.external?x=y", ProviderSubscription: id},
		"no subscription":      {Endpoint: "https://adminmanagement.local.azurestack.external"},
		"path as subscription": {Endpoint: "https://adminmanagement.local.azurestack.external", ProviderSubscription: "../../x"},
		"unknown namespace":    {Endpoint: "https://adminmanagement.local.azurestack.external", ProviderSubscription: id, Namespace: "Microsoft.Billing"},
	} {
		if _, err := stackapi.New(conf); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: the error quotes the password: %v", name, err)
		}
	}
}
