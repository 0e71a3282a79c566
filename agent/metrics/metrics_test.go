package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"stackusage/agent/metrics"
)

var now = time.Date(2024, 3, 5, 6, 7, 8, 0, time.UTC)

func TestNamesFollowTheConventions(t *testing.T) {
	m := metrics.New(func() time.Time { return now })
	problems, err := testutil.GatherAndLint(m.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		// Reported hours are things that are counted here, not a unit of time.
		if p.Text == `use base unit "seconds" instead of "hours"` {
			continue
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "stackusage_agent_") {
			own++
		} else if !strings.HasPrefix(f.GetName(), "go_") && !strings.HasPrefix(f.GetName(), "process_") {
			t.Errorf("%s has no prefix of ours", f.GetName())
		}
	}
	if own < 20 {
		t.Errorf("%d metrics of our own", own)
	}
}

func TestTheAgeIsThatOfTheScrape(t *testing.T) {
	clock := now
	m := metrics.New(func() time.Time { return clock })
	age := func(want string) {
		t.Helper()
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if !strings.Contains(w.Body.String(), "\nstackusage_agent_oldest_spooled_hour_age_seconds "+want+"\n") {
			t.Errorf("not %s: %d %s", want, w.Code, w.Body)
		}
	}
	age("0")
	m.Backlog(1, 10, now.Add(-time.Hour))
	age("3600")
	clock = clock.Add(time.Minute)
	age("3660")
	m.Backlog(1, 10, clock.Add(time.Hour)) // by a clock that was wrong
	age("0")
	m.Backlog(0, 0, time.Time{})
	age("0")
}
