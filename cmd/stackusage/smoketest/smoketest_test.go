package smoketest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/registrations"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// run runs the smoke test, or what it advises.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	e := cli.New(getenv, stdout, stderr)
	root := cli.Group("stackusage", "", "", Command(e), registrations.Command(e))
	root.SilenceErrors, root.SilenceUsage = true, true
	e.OutputFlag(root)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// answering is an app whose Status function answers so.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusFound {
			http.Redirect(w, r, "https://login.invalid/", status)
			return
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

var goodStatus = fmt.Sprintf(`{"now":%q,"openDays":[],"openRevisions":[],"failedMessages":0,"queues":{}}`, time.Now().UTC().Format(time.RFC3339))

const payer = "2f1c7c36-51b7-4b6f-9c0b-6a8f3f6d2a10"

// checked runs the command and returns its last line.
func checked(t *testing.T, getenv func(string) string, url string, args ...string) (last string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	err = run(t.Context(), append([]string{"smoke-test", "--app-url", url, "--subscription", payer, "--wait", "1s"}, args...), getenv, &out, &errOut)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1], err
}

func TestSmokeTestIsCalledWrong(t *testing.T) {
	getenv, _ := clitest.Storage(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"without a URL":           {nil, `--app-url "": must be the function app's URL`},
		"with a key in the clear": {[]string{"--app-url", "http://app.invalid"}, "must begin with https://"},
		"with a key in the URL":   {[]string{"--app-url", "https://app.invalid/api/status?code=hush"}, "the key comes from STACKUSAGE_FUNCTION_KEY"},
		"with a key, and no URL":  {[]string{"--app-url", "https://app .invalid?code=hush"}, "without ? and @"},
		"with a password in it":   {[]string{"--app-url", "https://olga:hush@app.invalid"}, "without ? and @"},
		"without a subscription":  {[]string{"--app-url", "https://app.invalid"}, "--subscription is missing"},
		"with no GUID":            {[]string{"--app-url", "https://app.invalid", "--subscription", "mine"}, `--subscription "mine": not a GUID`},
		"for a day to come":       {[]string{"--app-url", "https://app.invalid", "--subscription", payer, "--day", "2999-01-01"}, "--day 2999-01-01: must be over; today is "},
		"for no day":              {[]string{"--app-url", "https://app.invalid", "--days", "0"}, "--days: must be above zero"},
		"with what is left over":  {[]string{"now"}, `unexpected argument "now"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), append([]string{"smoke-test"}, tc.args...), getenv, new(bytes.Buffer), new(bytes.Buffer))
			if err == nil || errors.Is(err, cli.ErrCheckFailed) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSmokeTestStatus(t *testing.T) {
	getenv, _ := clitest.Storage(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, tc := range map[string]struct{ url, want string }{
		"nobody is there":               {closed.URL, "is the URL right, and is the app started?"},
		"the key is wrong":              {answering(t, 401, ""), "set STACKUSAGE_FUNCTION_KEY to a key of the app"},
		"a sign-in page is in front":    {answering(t, 302, ""), "answers 302 Found; the call was not let in"},
		"nothing is deployed":           {answering(t, 404, ""), "is the app deployed (make deploy)"},
		"the storage is out of reach":   {answering(t, 500, ""), "the settings UsageStorage__* and the roles of its identity"},
		"the handler does not start":    {answering(t, 503, ""), "its log names the setting or the role"},
		"it is another app":             {answering(t, 200, "<html>"), "is --app-url another app's?"},
		"it is another app's JSON":      {answering(t, 200, "{}"), "is --app-url another app's?"},
		"the answer does not end early": {answering(t, 200, strings.Repeat(" ", maxStatus+1)+goodStatus), "(too long)"},
	} {
		t.Run(name, func(t *testing.T) {
			last, err := checked(t, getenv, tc.url)
			if !errors.Is(err, cli.ErrCheckFailed) || !strings.Contains(last, "  FAILED  status    ") || !strings.Contains(last, tc.want) {
				t.Errorf("%v\n%s", err, last)
			}
		})
	}
}

// TestSmokeTestStops: each step that does not come names itself and what to do.
func TestSmokeTestStops(t *testing.T) {
	url := answering(t, 200, goodStatus)
	begin := func(t *testing.T) (func(string) string, *canary) {
		getenv, account := clitest.Storage(t)
		c := &canary{app: &cli.Storage{Usage: account, Landing: account, Tables: account.Tables}}
		if err := c.choose(t.Context(), time.Now(), 1); err != nil {
			t.Fatal(err)
		}
		return getenv, c
	}
	expect := func(t *testing.T, getenv func(string) string, step, want string) {
		t.Helper()
		last, err := checked(t, getenv, url)
		if !errors.Is(err, cli.ErrCheckFailed) || !strings.Contains(last, fmt.Sprintf("  FAILED  %-9s ", step)) || !strings.Contains(last, want) {
			t.Errorf("%v\n%s", err, last)
		}
	}
	t.Run("no tables: the handler never started here", func(t *testing.T) {
		getenv, _ := clitest.Storage(t)
		expect(t, func(name string) string {
			if name == "UsageStorage" {
				return strings.Replace(getenv(name), "AccountName=account", "AccountName=nobody", 1)
			}
			return getenv(name)
		}, "register", "UsageStorage must name the app's storage")
	})
	t.Run("the canary's name is another's", func(t *testing.T) {
		getenv, c := begin(t)
		_, _, err := c.app.Registrar(false).Put(t.Context(), registrar.Change{Registration: registration.Registration{
			CloudID: "b31316d4-de02-43a4-903d-eb74f8258b01", Name: canaryName, SubscriptionID: payer, BillingModel: registration.PayAsYouUse,
		}})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, getenv, "register", "CloudIdUpdateNotAllowed: registration stackusage-canary is of cloudId b31316d4")
	})
	t.Run("another model was registered: it is put back", func(t *testing.T) {
		getenv, c := begin(t)
		_, _, err := c.app.Registrar(false).Put(t.Context(), registrar.Change{Registration: registration.Registration{
			CloudID: canaryCloudID, Name: canaryName, EffectiveDay: "20200101", SubscriptionID: payer, SubscriptionKind: registration.EA,
			Cloud: registration.AzureCloud, StackKind: registration.Integrated, BillingModel: registration.PayAsYouUse,
		}})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, getenv, "ingest", "")
		history, err := c.app.Registry().History(t.Context(), canaryCloudID)
		if err != nil {
			t.Fatal(err)
		}
		if held, err := history.On("20240101"); err != nil || held.BillingModel != registration.Development {
			t.Errorf("%+v, %v", held.Registration, err)
		}
	})
	t.Run("it was changed from a later day on: nothing is dropped before it is put back", func(t *testing.T) {
		off := false
		for want, w := range map[string]registrar.Change{
			"has billing model PayAsYouUse": {Registration: registration.Registration{BillingModel: registration.PayAsYouUse, StackKind: registration.Integrated}},
			"reports no usage":              {Registration: registration.Registration{BillingModel: registration.Development, StackKind: registration.ASDK}, Reporting: &off},
			"expects hours from 2024-06-01T00:00Z": {Registration: registration.Registration{BillingModel: registration.Development, StackKind: registration.ASDK,
				Start: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)}},
			"does not accept hours before 2120-01-01T00:00Z": {Registration: registration.Registration{BillingModel: registration.Development, StackKind: registration.ASDK,
				Start: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC), NoHoursExpected: true}},
		} {
			t.Run(want, func(t *testing.T) {
				getenv, c := begin(t)
				if _, err := c.register(t.Context(), payer, "EA", "olga"); err != nil {
					t.Fatal(err)
				}
				w.CloudID, w.Name, w.EffectiveDay, w.SubscriptionID, w.SubscriptionKind, w.Cloud = canaryCloudID, canaryName, "20240601", payer, registration.EA, registration.AzureCloud
				if _, _, err := c.app.Registrar(false).Put(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				last, _ := checked(t, getenv, url)
				_, advice, ok := strings.Cut(last, "restore it with: stackusage ")
				if names, err := c.app.Landing.Blobs.Containers(t.Context(), "landing-"); !ok || !strings.Contains(last, "  FAILED  drop  ") || !strings.Contains(last, want) || err != nil || len(names) > 0 {
					t.Fatalf("containers %v, %v\n%s", names, err, last)
				}
				advice, _, _ = strings.Cut(advice, " (after ")
				if err := run(t.Context(), strings.Fields(advice), getenv, new(bytes.Buffer), new(bytes.Buffer)); err != nil {
					t.Fatalf("what it says to do: %v", err)
				}
				expect(t, getenv, "ingest", "")
			})
		}
	})
	t.Run("no event and no function", func(t *testing.T) {
		getenv, _ := begin(t)
		expect(t, getenv, "ingest", "does the storage's event subscription deliver to queue usage-landed")
	})
	t.Run("the hour was refused", func(t *testing.T) {
		getenv, c := begin(t)
		if _, err := hourlog.Record(t.Context(), c.app.Tables, c.id, hourlog.Hour{Blob: c.name().String(), Verdict: hourlog.Rejected, Code: landing.RejectedTooLarge, Reason: "larger than the limit"}); err != nil {
			t.Fatal(err)
		}
		expect(t, getenv, "ingest", "is rejected: TooLarge larger than the limit")
	})
	t.Run("the hour is ingested between the two looks at it", func(t *testing.T) {
		_, c := begin(t)
		if _, err := hourlog.Record(t.Context(), c.app.Tables, c.id, hourlog.Hour{Blob: c.name().String(), Verdict: hourlog.Accepted}); err != nil {
			t.Fatal(err)
		}
		if h, err := c.counted(t.Context()); h != nil || err != nil {
			t.Errorf("%+v, %v", h, err)
		}
	})
	t.Run("the day is not closed", func(t *testing.T) {
		getenv, c := begin(t)
		if _, err := hourlog.Commit(t.Context(), c.app.Tables, c.id, hourlog.Hour{Blob: c.name().String(), Records: 1, Accepted: 1}, nil); err != nil {
			t.Fatal(err)
		}
		expect(t, getenv, "close", "does Sweep run by SWEEP_SCHEDULE")
	})
}

// TestLateHour: an hour that counts late does not pass for an event that came.
func TestLateHour(t *testing.T) {
	if got := late(time.Minute); got != "" {
		t.Errorf("got %q", got)
	}
	if got := late(16 * time.Minute); !strings.Contains(got, "event subscription delivers to queue usage-landed") {
		t.Errorf("got %q", got)
	}
}

// TestCanaryHour: it is what an agent drops, and the same whoever makes it.
func TestCanaryHour(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)
	_, account := clitest.Storage(t)
	one, two := canary{app: &cli.Storage{Usage: account, Tables: account.Tables}}, canary{}
	if err := one.choose(t.Context(), now, 1); err != nil {
		t.Fatal(err)
	}
	if err := two.take(one.day); err != nil || !bytes.Equal(one.file, two.file) || one.id != two.id {
		t.Errorf("differ: %v %v %v", one.id, two.id, err)
	}
	if got := one.id.Hour.String(); !strings.HasPrefix(got, "2026-02-28T12") {
		t.Errorf("hour %s", got)
	}
	r, err := landing.NewReader(bytes.NewReader(one.file), one.name(), landing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Next(); err != nil {
		t.Error(err)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte(goodStatus))
	f.Add([]byte(`{"now":"2026-03-01T00:00:00Z","openDays":[{"cloudId":"x","since":"0001-01-01T00:00:00Z"}],"queues":{"usage-landed":-1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := decodeStatus(body); err == nil && s.Now.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}
