package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// once runs one round over the stand's small stack up to the n-th hour.
func (s *stand) once(t *testing.T, n int) (agent.Report, error) {
	t.Helper()
	a := s.agent(t)
	a.Now = at(clock(n))
	a.Settings.First = smallFirst
	return a.Once(t.Context())
}

func TestAStackTooSlowForAllSubscribers(t *testing.T) {
	const provider = "39c82aed-b2b7-4a66-abdb-611de00bf11e"
	s := newStand(t, smallStack(t, 6, func(int) int { return 7 }), azurestack.Options{PageSize: 2, Deleted: []string{subscriber(1)}})
	if _, err := s.once(t, 0); err != nil { // rows of all three subscriptions, one of them deleted
		t.Fatal(err)
	}
	s.post(t, "/_devstack/faults", strings.NewReader(`{"status":504,"only":"stack","count":2}`))
	t.Run("is asked subscriber by subscriber at once, and so from then on", func(t *testing.T) {
		if report, err := s.once(t, 2); err != nil || report.Collected != 2 || report.Partial != 2 || report.Uploaded != 2 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("is asked for all at once after a day, and the other way if it is still too slow", func(t *testing.T) {
		if report, err := s.once(t, 26); err != nil || report.Partial != 24 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("is asked for all at once from then on if it answers, and once more for what was asked for in parts", func(t *testing.T) {
		report, err := s.once(t, 51)
		if err == nil && report.Behind {
			var more agent.Report
			more, err = s.once(t, 51)
			report.Collected, report.Partial = report.Collected+more.Collected, report.Partial+more.Partial
		}
		if err != nil || report.Collected != 25 || report.Partial != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	landed := s.landed(t)
	asked := []string{subscriber(0), subscriber(1), subscriber(2), provider}
	for n, h := range hours(0, 1, 2, 3, 27) {
		got, want := landed[h], s.served(h)
		var partial []string
		if n >= 1 && n <= 3 {
			partial, want = asked, sorted(want)
			got.Rows = sorted(got.Rows)
		}
		if diff := cmp.Diff(want, got.Rows); diff != "" {
			t.Errorf("hour %d (-served +landed)\n%s", n, diff)
		}
		slices.Sort(got.Header.PartialSource)
		slices.Sort(partial)
		if diff := cmp.Diff(partial, got.Header.PartialSource); diff != "" {
			t.Errorf("hour %d says it was asked for from (-want +got)\n%s", n, diff)
		}
	}
}

func TestAPartialHour(t *testing.T) {
	slow := &stackapi.Error{Status: 504}
	refused := &stackapi.Error{Status: 400, Code: "SubscriberIdIsNotDirectTenant"}
	row := func(id string) string {
		return fmt.Sprintf(`{"properties":{"subscriptionId":"%s","usageStartTime":"%s"}}`, id, (smallFirst - 1).Start().Format(time.RFC3339))
	}
	// answers are those for each subscriber; others are not direct tenants.
	begin := func(t *testing.T, answers map[string]error) (*agent.Agent, *landed, *bytes.Buffer) {
		src := source{
			subscriptions: func(context.Context) (map[string]string, error) {
				return map[string]string{subscriber(1): "", subscriber(2): "x", subscriber(3): "y"}, nil
			},
			hour: func(context.Context, time.Time, func([]byte) error) (int, error) { return 0, slow },
			subscriber: func(_ context.Context, _ time.Time, id string, each func([]byte) error) (int, error) {
				if err, ok := answers[id]; !ok {
					return 0, refused
				} else if err != nil {
					return 0, err
				}
				return 1, each([]byte(row(id)))
			},
		}
		got, log := &landed{}, &bytes.Buffer{}
		a := newAgent(t, t.TempDir(), src, keepIn(t, got))
		a.Log = slog.New(slog.NewTextHandler(log, nil))
		a.Settings = defaults(smallFirst)
		a.Now = at(clock(0))
		return a, got, log
	}
	t.Run("leaves out who is no direct tenant, and says so", func(t *testing.T) {
		a, got, log := begin(t, map[string]error{subscriber(1): nil, subscriber(3): nil})
		mustOnce(t, a, agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 2, Partial: 1})
		if sorted(got.Rows) != row(subscriber(1))+"\n"+row(subscriber(3))+"\n" || len(got.Header.PartialSource) != 4 || got.Trailer.Pages != 2 {
			t.Errorf("landed %+v", got)
		}
		if diff := cmp.Diff(map[string]string{subscriber(2): "x", subscriber(3): "y"}, got.Header.Tenants); diff != "" {
			t.Errorf("tenants: %s", diff)
		}
		if !strings.Contains(log.String(), "subscriber="+subscriber(2)) {
			t.Errorf("the operator reads %s", log)
		}
	})
	t.Run("is none when one subscriber fails", func(t *testing.T) {
		a, _, _ := begin(t, map[string]error{subscriber(1): nil, subscriber(2): errBroken, subscriber(3): nil})
		if report, err := a.Once(t.Context()); err == nil || !strings.Contains(err.Error(), "subscriber "+subscriber(2)) || report.Collected != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("is none when one subscriber is not ready", func(t *testing.T) {
		a, _, _ := begin(t, map[string]error{subscriber(1): nil, subscriber(3): &stackapi.Error{Status: 202, Err: stackapi.ErrNotReady}})
		mustOnce(t, a, agent.Report{Hours: 1, NotReady: true})
	})
	t.Run("is none when nobody is a direct tenant", func(t *testing.T) {
		a, _, _ := begin(t, nil)
		if report, err := a.Once(t.Context()); err == nil || report.Collected != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
	t.Run("is never asked for where that is set", func(t *testing.T) {
		a, _, _ := begin(t, map[string]error{subscriber(1): nil})
		a.Settings.NoSplit = true
		if report, err := a.Once(t.Context()); err == nil || report.Collected != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// keepIn is an upload that reads the last hour into got.
func keepIn(t *testing.T, got *landed) upload {
	return func(_ context.Context, name landing.Name, body io.ReadSeekCloser) error {
		file, err := io.ReadAll(body)
		if err == nil {
			*got = read(t, name, file)
		}
		return err
	}
}

func TestAPageThatChangesHasItsHourAskedForAnew(t *testing.T) {
	for _, changes := range []int{1, 3, 4} {
		t.Run(fmt.Sprintf("%d times", changes), func(t *testing.T) {
			p := &played{}
			left := changes
			p.stack = func(usage.Hour) error {
				if left--; left >= 0 {
					return &stackapi.Error{Code: "PageChanged", Err: stackapi.ErrChanged}
				}
				return nil
			}
			a := p.agent(t, t.TempDir(), clock(0))
			report, err := a.Once(t.Context())
			if (err == nil) != (changes <= 3) || report.Rows > 1 {
				t.Errorf("%+v, %v", report, err)
			}
			if got := scrape(t, a)["stackusage_agent_changed_pages_total"]; got != fmt.Sprint(changes) {
				t.Errorf("%s changes counted", got)
			}
		})
	}
}

func TestRowsOutsideAnySaneHourAreToldAndKept(t *testing.T) {
	rows := []string{
		`{"properties":{"usageStartTime":"2019-12-20T05:00:00+00:00"}}`, // fine: the hour is 06
		`{"properties":{"usageStartTime":"2019-12-20T06:59:59+00:00"}}`, // fine
		`{"properties":{"usageStartTime":"2019-12-20T07:00:00+00:00"}}`,
		`{"properties":{"usageStartTime":"2019-11-01T07:00:00+00:00"}}`,
		`{"properties":{"usageStartTime":"2019-11-01T07:00:00+00:00"}}`,
		`{"properties":{"usageStartTime":"0001-01-01T00:00:00+00:00"}}`,
		`{"properties":{"usageStartTime":"yesterday"}}`,
		`{"properties":{}}`,
		`no JSON at all`,
		`{"properties":{ "usageStartTime" : "2019-12-20T05:00:00Z"}}`, // fine
	}
	src := (&played{}).source()
	src.hour = func(_ context.Context, _ time.Time, row func([]byte) error) (int, error) {
		for _, text := range rows {
			if err := row([]byte(text)); err != nil {
				return 0, err
			}
		}
		return 1, nil
	}
	var got landed
	var log bytes.Buffer
	a := newAgent(t, t.TempDir(), src, keepIn(t, &got))
	a.Log = slog.New(slog.NewTextHandler(&log, nil))
	h := usage.HourOf(time.Date(2019, 12, 20, 6, 0, 0, 0, time.UTC))
	if _, err := collect(t.Context(), a, h, h+1); err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(rows, "\n") + "\n"; got.Rows != want {
		t.Errorf("landed\n%s", got.Rows)
	}
	if got := scrape(t, a)["stackusage_agent_odd_rows_total"]; got != "7" || strings.Count(log.String(), "implausible usage hour") != 1 || !strings.Contains(log.String(), "rows=7 first=2019-12-20T07:00:00+00:00") {
		t.Errorf("%s rows counted; the operator reads %s", got, &log)
	}
}

func TestASubscriptionIsAskedForOnceHoweverItIsSpelled(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	plain := strings.ToUpper(strings.ReplaceAll(subscriber(1), "-", ""))
	day := `":"` + smallFirst.Day().Start().Format(time.RFC3339) + `"`
	text := `{"seen":{"` + subscriber(1) + day + `,"` + plain + day + `,"not one` + day + `}}`
	if err := os.WriteFile(filepath.Join(dir, "subscriptions.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := p.agent(t, dir, clock(0))
	src := p.source()
	src.hour = func(context.Context, time.Time, func([]byte) error) (int, error) {
		return 0, &stackapi.Error{Status: 504}
	}
	var asked []string
	src.subscriber = func(_ context.Context, _ time.Time, id string, row func([]byte) error) (int, error) {
		p.mu.Lock()
		asked = append(asked, id)
		p.mu.Unlock()
		return 1, row([]byte(`{}`))
	}
	a.Source = src
	if _, err := a.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(asked)
	if diff := cmp.Diff([]string{subscriber(1), "39c82aed-b2b7-4a66-abdb-611de00bf11e"}, asked); diff != "" {
		t.Errorf("asked for (-want +got)\n%s", diff)
	}
}
