package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// TestStorageThatRefusesSomeFiles: 44 hours, of which storage does not take the ten
// oldest.
func TestStorageThatRefusesSomeFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		code   string
		aside  int // files set aside after three tries
	}{
		"for good":     {400, "InvalidHeaderValue", 10},
		"for good, 2":  {403, "PolicyViolation", 10},
		"a proxy":      {403, "", 0},
		"a proxy, 2":   {404, "", 0},
		"a proxy, 3":   {200, "", 0}, // a page to log in at
		"out of order": {500, "InternalError", 0},
		"a right":      {403, "AuthorizationPermissionMismatch", 0},
		"a token":      {401, "InvalidAuthenticationInfo", 0},
	} {
		t.Run(name, func(t *testing.T) {
			refuses, dir := 10, t.TempDir()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := 0
				fmt.Sscanf(filepath.Base(filepath.Dir(r.URL.Path)), "%d", &n)
				hour := 0
				fmt.Sscanf(filepath.Base(r.URL.Path), "%d-", &hour)
				if h := (n-20)*24 + hour; h < refuses { // the first hour is of the 20th
					if tc.code != "" {
						w.Header().Set("x-ms-request-id", "1")
						w.Header().Set("x-ms-error-code", tc.code)
					}
					w.WriteHeader(tc.status)
					return
				}
				w.WriteHeader(http.StatusCreated)
			}))
			t.Cleanup(server.Close)
			client, err := azblob.NewClientWithNoCredential(server.URL, &azblob.ClientOptions{ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}})
			if err != nil {
				t.Fatal(err)
			}
			p := &played{}
			begin := func() *agent.Agent {
				a := newAgent(t, dir, p.source(), blobs.Storage{Client: client})
				a.Now = at(clock(43))
				a.Settings = defaults(smallFirst)
				a.Settings.MaxCatchUp = 100
				return a
			}
			if report, err := begin().Once(t.Context()); err == nil || report.Collected != 44 || report.Uploaded != 34 {
				t.Errorf("%+v, %v", report, err)
			}
			if aside, err := filepath.Glob(filepath.Join(dir, "rejected", "*")); err != nil || len(aside) > 0 {
				t.Errorf("set aside after one try: %v, %v", aside, err)
			}
			for range 2 {
				begin().Once(t.Context())
			}
			aside, err := os.ReadDir(filepath.Join(dir, "rejected"))
			if err != nil || len(aside) != tc.aside {
				t.Errorf("%d files set aside, %v", len(aside), err)
			}
			s, err := status.Read(dir)
			if err != nil || len(s.FailingFiles) != 10 || *s.NextHour != smallFirst+44 {
				t.Errorf("%+v, %v", s, err)
			}
			refuses = 0
			a := begin()
			if report, err := a.Once(t.Context()); err != nil || report.Uploaded != 10 || report.Collected != 0 {
				t.Errorf("once storage takes them: %+v, %v", report, err)
			}
			if s, err := a.Status(); err != nil || len(s.FailingFiles) != 0 {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestWhatIsSetAsideIsOfferedOnceADay by an agent that goes on.
func TestWhatIsSetAsideIsOfferedOnceADay(t *testing.T) {
	p, dir, tries := &played{}, t.TempDir(), 0
	p.storage = func(usage.Hour) error { tries++; return agent.ErrForGood }
	for range 3 {
		p.agent(t, dir, clock(0)).Once(t.Context())
	}
	a := p.agent(t, dir, clock(0))
	a.Once(t.Context())
	before := tries
	a.Once(t.Context())
	if tries != before {
		t.Errorf("offered %d times within a day", tries-before)
	}
	files, err := a.Spool.Rejected()
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "rejected", files[0].Name()), old, old); err != nil {
		t.Fatal(err)
	}
	a.Once(t.Context())
	if tries != before+1 {
		t.Errorf("offered %d times after a day", tries-before)
	}
}

// TestSealedHoursAreCheckedOnce: an hour is asked for once more a day later, and
// other rows are uploaded as a second file.
func TestSealedHoursAreCheckedOnce(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	late := smallFirst + 1 // has another row by then
	src := p.source()
	hour := src.hour
	src.hour = func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
		asked := slices.Contains(p.asked, late)
		n, err := hour(ctx, start, row)
		if err == nil && asked && usage.HourOf(start) == late {
			err = row([]byte(`{"late":true}`))
		}
		return n, err
	}
	begin := func(n int) *agent.Agent {
		a := p.agent(t, dir, clock(n))
		a.Source, a.Settings.MaxCatchUp = src, 100
		return a
	}
	mustOnce(t, begin(2), agent.Report{Hours: 3, Collected: 3, Uploaded: 3, Rows: 3})
	p.mustHave(t, hours(0, 1, 2), hours(0, 1, 2))
	p.asked = hours(1)
	t.Run("not while the stack fails", func(t *testing.T) {
		p.stack = func(usage.Hour) error { return &stackapi.Error{Status: 503} }
		if _, err := begin(26).Once(t.Context()); err == nil {
			t.Error("no error")
		}
		p.stack = nil
	})
	p.asked = hours(1)
	a := begin(26)
	report, err := a.Once(t.Context())
	if err != nil || report.Collected != 24 || report.Changed != 1 || report.Uploaded != 24 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := p.asked[25:]; !slices.Equal(got, hours(0, 1, 2)) {
		t.Errorf("asked again for %v", got)
	}
	if m := scrape(t, a); m["stackusage_agent_checked_hours_total"] != "3" || m["stackusage_agent_changed_hours_total"] != "1" {
		t.Errorf("%v checked, %v changed", m["stackusage_agent_checked_hours_total"], m["stackusage_agent_changed_hours_total"])
	}
	sealed, err := a.Spool.Sealed()
	if err != nil || len(sealed) != 1 || sealed[0].Hour != late {
		t.Errorf("sealed are %v, %v", sealed, err)
	}
	mustOnce(t, a, agent.Report{Uploaded: 1})
	if n := slices.Index(p.uploaded[3:], late); n < 0 {
		t.Error("the second file was not uploaded")
	}
	mustOnce(t, begin(26), agent.Report{})
}

// TestASubscriberLeavesAfterSixtyDays: one that the stack lists no more, and that
// has no rows, is asked for as long.
func TestASubscriberLeavesAfterSixtyDays(t *testing.T) {
	listed := map[string]string{subscriber(1): "", subscriber(2): ""}
	var asked []string
	src := source{
		subscriptions: func(context.Context) (map[string]string, error) { return listed, nil },
		hour: func(context.Context, time.Time, func([]byte) error) (int, error) {
			return 0, &stackapi.Error{Status: 504}
		},
		subscriber: func(_ context.Context, _ time.Time, id string, row func([]byte) error) (int, error) {
			if id == subscriber(2) {
				asked = append(asked, id)
			}
			return 1, nil
		},
	}
	dir := t.TempDir()
	ask := func(day int) bool {
		t.Helper()
		asked = nil
		h := smallFirst + usage.Hour(day*24)
		a := newAgent(t, dir, src, upload((&played{}).upload()))
		a.Now = func() time.Time { return h.End().Add(time.Hour) }
		if _, err := collect(t.Context(), a, h, h+1); err != nil {
			t.Fatal(err)
		}
		return len(asked) > 0
	}
	if !ask(0) {
		t.Error("not asked for while it is listed")
	}
	listed = map[string]string{subscriber(1): ""}
	for day, want := range map[int]bool{59: true, 60: true} {
		if ask(day) != want {
			t.Errorf("day %d: asked for is %v", day, !want)
		}
	}
	if ask(61) {
		t.Error("asked for after 61 days")
	}
}

// TestAnHourThatIsCollectedByHandFailsNoMore, whatever collected it.
func TestAnHourThatIsCollectedByHandFailsNoMore(t *testing.T) {
	p, dir := &played{stack: func(usage.Hour) error { return &stackapi.Error{Status: 503} }}, t.TempDir()
	if _, err := p.agent(t, dir, clock(0)).Once(t.Context()); err == nil {
		t.Fatal("no error")
	}
	p.stack = nil
	a := p.agent(t, dir, clock(0))
	if _, err := a.Backfill(t.Context(), smallFirst, smallFirst+1); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Status(); err != nil || len(s.FailingHours) != 0 {
		t.Errorf("%+v, %v", s.FailingHours, err)
	}
}

// TestACheckThatComesTooLateIsLeftOut: the stack may have forgotten the hour.
func TestACheckThatComesTooLateIsLeftOut(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	mustOnce(t, p.agent(t, dir, clock(0)), agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
	a := p.agent(t, dir, clock(24*16))
	a.Settings.MaxCatchUp = 1000
	p.asked = nil
	if report, err := a.Once(t.Context()); err != nil || report.Changed != 0 || slices.Contains(p.asked, smallFirst) {
		t.Errorf("%+v, %v; asked again: %v", report, err, slices.Contains(p.asked, smallFirst))
	}
	mustOnce(t, a, agent.Report{})
}

// TestStorageThatLetsNobodyInIsAskedTwice, not for each of many files.
func TestStorageThatLetsNobodyInIsAskedTwice(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	p.storage = func(usage.Hour) error { return errBroken }
	p.agent(t, dir, clock(20)).Once(t.Context())
	tries := 0
	p.storage = func(usage.Hour) error { tries++; return agent.ErrAccount }
	a := p.agent(t, dir, clock(20))
	a.Once(t.Context())
	if s, err := a.Status(); tries != 2 || err != nil || s.BacklogHours != 21 || s.UploadError == nil {
		t.Errorf("%d tries, %+v, %v", tries, s, err)
	}
}

// TestWhatIsSaidOfManyFilesIsShort: the status names each, and its error none of the
// hundreds that fail alike, but always that storage is away.
func TestWhatIsSaidOfManyFilesIsShort(t *testing.T) {
	p, dir, tries := &played{}, t.TempDir(), 0
	p.storage = func(usage.Hour) error { return agent.ErrRejected }
	a := p.agent(t, dir, clock(20))
	_, err := a.Once(t.Context())
	if s, unknown := a.Status(); unknown != nil || len(s.FailingFiles) != 21 || strings.Count(s.UploadError.Text, "\n") > 3 || strings.Count(err.Error(), "\n") > 3 {
		t.Errorf("%v\n%s\n%v", unknown, s.UploadError.Text, err)
	}
	p.storage = func(usage.Hour) error {
		if tries++; tries > 10 {
			return agent.ErrStorage
		}
		return agent.ErrRejected
	}
	if _, err := p.agent(t, dir, clock(20)).Once(t.Context()); !errors.Is(err, agent.ErrStorage) || tries != 11 {
		t.Errorf("%d tries, %v", tries, err)
	}
}
