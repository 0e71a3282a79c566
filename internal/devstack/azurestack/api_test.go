package azurestack_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
)

func TestRefusals(t *testing.T) {
	now := time.Date(2024, 3, 2, 14, 30, 0, 0, time.UTC)
	s := newScenario(t, azurestack.Options{Now: func() time.Time { return now }})
	for _, tc := range []struct {
		name, target string
		status       int
		code, says   string
	}{
		{"no api-version", usage(adminPath, burstHour, "api-version", ""), 400, "NoApiVersion", "api-version"},
		{"unknown api-version", usage(adminPath, burstHour, "api-version", "2020-01-01"), 400, "InvalidProperty", "'api-version'"},
		{"no start", usage(adminPath, burstHour, "reportedStartTime", ""), 400, "InvalidProperty", "'reportedStartTime'"},
		{"no end", usage(adminPath, burstHour, "reportedEndTime", ""), 400, "InvalidProperty", "'reportedEndTime'"},
		{"start is no time", usage(adminPath, burstHour, "reportedStartTime", "x"), 400, "InvalidProperty", "'reportedStartTime'"},
		{"start off the hour", usage(adminPath, burstHour, "reportedStartTime", "2024-03-02T12:59:00Z"), 400, "InvalidProperty", "full hour"},
		{"daily, which is the default", usage(adminPath, burstHour, "aggregationGranularity", ""), 400, "InvalidAggregationGranularity", "hourly only"},
		{"end before start", usage(adminPath, burstHour, "reportedEndTime", "2024-03-02T12:00:00Z"), 400, "InvalidProperty", "'reportedEndTime'"},
		{"end in the future", usage(adminPath, "2024-03-02T14:00:00Z"), 400, "RequestEndTimeIsInFuture", "future"},
		{"granularity", usage(adminPath, burstHour, "aggregationGranularity", "weekly"), 400, "InvalidAggregationGranularity", "weekly"},
		{"foreign subscriber", usage(adminPath, burstHour, "subscriberId", "09065051-cfe9-4fcf-b90c-87f2af292fc9"), 400, "SubscriberIdIsNotDirectTenant", "direct tenant"},
		{"no subscription", usage(strings.ReplaceAll(adminPath, "{provider}", ""), burstHour), 400, "SubscriptionIdMissingInRequest", "missing"},
		{"tenant on the provider's path", usage(strings.ReplaceAll(adminPath, "{provider}", s.Subscriptions()[3].SubscriptionID), burstHour), 404, "SubscriptionNotFound", "found"},
		{"broken token", usage(adminPath, burstHour, "continuationToken", "x"), 400, "InvalidProperty", "'continuationToken'"},
		{"unknown type", usage("/subscriptions/{provider}/providers/Microsoft.Commerce/rateCard", burstHour), 404, "InvalidResourceType", "ratecard"},
		{"unknown path", "/nothing", 404, "NotFound", ""},
		{"subscriptions without version", "/subscriptions/{provider}/providers/Microsoft.Subscriptions.Admin/subscriptions", 400, "NoApiVersion", ""},
		{"metadata without version", "/metadata/endpoints", 400, "NoApiVersion", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := get(s, tc.target)
			body := mustDecode[map[string]map[string]any](t, w.Body.Bytes())["error"]
			if w.Code != tc.status || body["code"] != tc.code || !strings.Contains(fmt.Sprint(body["message"]), tc.says) {
				t.Errorf("got %d %v", w.Code, body)
			}
			mustEqual(t, any([]any{}), body["details"])
		})
	}
}

func TestTokenIsAskedFor(t *testing.T) {
	s := newScenario(t, azurestack.Options{Token: "right"})
	for _, header := range []string{"", "right", "Bearer wrong", "Basic right"} {
		if w := get(s, usage(adminPath, burstHour), "Authorization", header); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", header, w.Code)
		}
	}
	if w := get(s, usage(adminPath, burstHour), "Authorization", "Bearer right"); w.Code != http.StatusOK {
		t.Errorf("the right token: %d", w.Code)
	}
	if w := get(s, "/metadata/endpoints?api-version=1.0"); w.Code != http.StatusOK {
		t.Errorf("metadata: %d", w.Code)
	}
}

func TestMetadataHasTheRecordedShape(t *testing.T) {
	s := newScenario(t, azurestack.Options{LoginEndpoint: "http://127.0.0.1:8100/adfs"})
	w := get(s, "http://127.0.0.1:8099/Metadata/Endpoints?api-version=2015-01-01")
	mustEqual(t, map[string]any{
		"galleryEndpoint": "http://127.0.0.1:8099/",
		"graphEndpoint":   "http://127.0.0.1:8099/",
		"portalEndpoint":  "http://127.0.0.1:8099/",
		"authentication": map[string]any{
			"loginEndpoint": "http://127.0.0.1:8100/adfs",
			"audiences":     []any{s.Audience()},
		},
	}, mustDecode[map[string]any](t, w.Body.Bytes()))
}

func TestHeadersForTheSupportCase(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	a, b := get(s, usage(adminPath, burstHour)).Header(), get(s, "/nothing").Header()
	for _, name := range []string{"x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id", "x-ms-ratelimit-remaining-subscription-reads"} {
		if a.Get(name) == "" || b.Get(name) == "" || a.Get(name) == b.Get(name) {
			t.Errorf("%s: %q, then %q", name, a.Get(name), b.Get(name))
		}
	}
}

func TestPages(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  azurestack.Options
		pages int
	}{
		{"of a thousand", azurestack.Options{}, 2},
		{"of a hundred", azurestack.Options{PageSize: 100}, 12},
		{"with an empty last one", azurestack.Options{Endings: []string{azurestack.EndPage}}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScenario(t, tc.opts)
			want := strings.Split(strings.TrimSuffix(get(s, "/_devstack/rows?hour="+burstHour).Body.String(), "\n"), "\n")
			rows, pages := all(t, s, "http://127.0.0.1:8099"+usage(adminPath, burstHour))
			var got []string
			for _, raw := range rows {
				got = append(got, string(raw))
			}
			mustEqual(t, want, got)
			mustEqual(t, tc.pages, pages)
		})
	}
}

func TestPageThatFitsHasNoNextLink(t *testing.T) {
	rows := len(mustPage(t, newScenario(t, azurestack.Options{PageSize: 5000}), usage(adminPath, burstHour)).Value)
	s := newScenario(t, azurestack.Options{PageSize: rows})
	if body := get(s, usage(adminPath, burstHour)).Body.String(); strings.Contains(body, "nextLink") {
		t.Error("an answer that fits has a nextLink")
	}
}

func TestContinuationTokenIsGoodForItsQueryOnly(t *testing.T) {
	s := newScenario(t, azurestack.Options{PageSize: 100})
	next := mustPage(t, s, "http://127.0.0.1:8099"+usage(adminPath, burstHour)).NextLink
	link, err := url.Parse(*next)
	if err != nil {
		t.Fatal(err)
	}
	if link.Scheme != "http" || link.Host != "127.0.0.1:8099" || link.Path != strings.ReplaceAll(adminPath, "{provider}", s.Provider()) {
		t.Errorf("nextLink is %s", link)
	}
	token := link.Query().Get("continuationToken")
	if w := get(s, usage(adminPath, "2024-03-02T12:00:00Z", "continuationToken", token)); w.Code != http.StatusBadRequest {
		t.Errorf("the token of another hour: %d", w.Code)
	}
}

func TestSubscriptionsAreListed(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	w := get(s, "/subscriptions/{provider}/providers/Microsoft.Subscriptions.Admin/subscriptions?api-version=2015-11-01")
	got := mustDecode[struct{ Value []azurestack.Subscription }](t, w.Body.Bytes())
	mustEqual(t, s.Subscriptions(), got.Value)
	directories := map[string]bool{}
	for _, sub := range got.Value {
		if !slices.Contains(s.InfrastructureSubscriptions(), sub.SubscriptionID) {
			directories[sub.TenantID] = true
		}
	}
	mustEqual(t, 2, len(directories))
}

func TestFaults(t *testing.T) {
	s := newScenario(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 429, RetryAfter: 7}}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	ask := func() (int, string, http.Header, error) {
		resp, err := srv.Client().Get(srv.URL + strings.ReplaceAll(usage(adminPath, burstHour), "{provider}", s.Provider()))
		if err != nil {
			return 0, "", nil, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), resp.Header, err
	}
	order := func(fault string) int {
		resp, err := srv.Client().Post(srv.URL+"/_devstack/faults", "application/json", strings.NewReader(fault))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}

	if status, _, h, err := ask(); status != 429 || h.Get("Retry-After") != "7" || err != nil {
		t.Errorf("throttled: %d, %v, %v", status, h, err)
	}
	order(`{"status":504,"skip":1,"count":2}`)
	for i, want := range []int{200, 504, 504, 200} {
		if status, body, _, err := ask(); status != want || err != nil || (want == 504) != strings.Contains(body, "GatewayTimeout") {
			t.Errorf("request %d: %d %.80s, %v", i, status, body, err)
		}
	}
	order(`{"status":202}`)
	if status, body, _, err := ask(); status != 202 || !strings.Contains(body, "processing not complete") || err != nil {
		t.Errorf("not ready: %d %s, %v", status, body, err)
	}
	// The transport repeats a GET whose connection dies before the answer
	// begins, if the connection was used before: hence the fresh one.
	srv.Client().CloseIdleConnections()
	order(`{}`)
	srv.Client().CloseIdleConnections()
	if status, _, _, err := ask(); err == nil {
		t.Errorf("cut: %d", status)
	}
	order(`{"cutAfter":1000}`)
	if _, body, _, err := ask(); err == nil || len(body) > 1000 || !strings.HasPrefix(body, `{"value":[`) {
		t.Errorf("cut within the answer: %d bytes, %v", len(body), err)
	}
	order(`{"status":503,"count":5}`)
	req, err := http.NewRequest(http.MethodDelete, srv.URL+"/_devstack/faults", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := srv.Client().Do(req); err != nil {
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	if status, body, _, err := ask(); status != 200 || !json.Valid([]byte(body)) || err != nil {
		t.Errorf("after the faults: %d, %v", status, err)
	}
	for _, bad := range []string{`{"status":418}`, `{"count":-1}`, `{"statuz":503}`, `x`} {
		if status := order(bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := azurestack.New(nil, azurestack.Options{}); err == nil {
		t.Error("no source: accepted")
	}
	if _, err := azurestack.New(src, azurestack.Options{PageSize: -1}); err == nil {
		t.Error("negative page size: accepted")
	}
	if _, err := azurestack.New(src, azurestack.Options{Faults: []azurestack.Fault{{Status: 418}}}); err == nil {
		t.Error("unknown fault: accepted")
	}
}

func TestAStackOf2017(t *testing.T) {
	s := newScenario(t, azurestack.Options{OldNamespace: true})
	hour := "?api-version=2015-06-01-preview&reportedStartTime=2024-03-01T00:00:00Z&reportedEndTime=2024-03-01T01:00:00Z&aggregationGranularity=hourly"
	for namespace, status := range map[string]int{"Microsoft.Commerce": http.StatusOK, "Microsoft.Commerce.Admin": http.StatusNotFound} {
		if w := get(s, "/subscriptions/{provider}/providers/"+namespace+"/subscriberUsageAggregates"+hour); w.Code != status {
			t.Errorf("%s: %d %s", namespace, w.Code, w.Body)
		}
	}
}
