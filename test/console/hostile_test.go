package console

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"stackusage/internal/browsertest"
	"stackusage/internal/closeddays"
	"stackusage/internal/devstack/azurite"
	"stackusage/shared/azurestore"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	tenant  = "11111111-1111-4111-8111-111111111111"

	script = `<script>alert(1)</script>`
	image  = `"><img src=x onerror=alert(1)>`
	arabic = "خادم-الويب"
)

var long = strings.Repeat("abcdefghij", 400)

// hostile is storage of a stack whose users named their resources to break pages, and of an
// operator who gave such a reason.
func hostile(t *testing.T) (env []string, blob landing.Name) {
	t.Helper()
	storage, err := azurite.Start(t.Context(), azurite.Options{Dir: t.TempDir(), Accounts: 1, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storage.Kill() })
	connection := storage.ConnectionString(0)
	account, err := azurestore.Connect(func(name string) string { return map[string]string{"UsageStorage": connection}[name] }, "UsageStorage")
	ok(t, err)
	ok(t, account.Tables.Create(t.Context(), table.Names()...))
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20240301", Start: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), Region: "local"}))
	meters, err := meter.BuiltIn()
	ok(t, err)
	s := closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(), Billing: cloudID, Model: registration.PayAsYouUse}
	day, err := usage.ParseDay("2024-03-02")
	ok(t, err)
	quantity, err := usage.ParseQuantity("8")
	ok(t, err)
	for _, name := range []string{script, image, arabic, long} {
		s.Use(usage.Record{Hour: day.First(), Quantity: quantity, Shown: usage.Shown{SubscriptionID: tenant, MeterID: meter.WindowsVM, Tags: `{"dept":"` + script + `"}`, ResourceURI: uri(name)}})
	}
	ok(t, s.Close(t.Context(), day, closeddays.Revision{}))
	blob = hostileHour(t, account, script, image, arabic, long)
	env = []string{"UsageStorage=" + connection, "LandingStorage=" + connection, "STACKUSAGE_CACHE=" + t.TempDir()}
	cmd := exec.Command(tool, "hour", "accept-missing", "--registration", "hamburg", "--from", "2024-03-01T01:00Z", "--to", "2024-03-01T02:00Z", "--reason", script+arabic)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return env, blob
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func uri(name string) string {
	return "/subscriptions/" + tenant + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + name
}

// TestHostileNames: what users of a stack write is shown as what it is.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	env, blob := hostile(t)
	p := start(t, env)
	ctx := browsertest.Browse(t)
	var dialogs atomic.Int32
	chromedp.ListenTarget(ctx, func(event any) {
		if _, is := event.(*page.EventJavascriptDialogOpening); is {
			dialogs.Add(1)
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(true)) }()
		}
	})
	browsertest.Run(t, ctx, chromedp.Navigate(p.address))
	browsertest.At(t, ctx, p.base+"/", "Overview")
	of := "registration=" + cloudID + "&day=2024-03-02"
	explain := func(name string) string {
		return "/explain?" + of + "&meter=" + meter.WindowsVM + "&resource=" + url.QueryEscape(uri(name))
	}
	for name, c := range map[string]struct {
		address string
		shows   []string
	}{
		"usage":          {"/usage?month=2024-03&by=resource", []string{script, image, arabic}},
		"day":            {"/day?" + of, []string{script, image, arabic}},
		"decisions":      {"/decisions", []string{script + arabic}},
		"explain-script": {explain(script), []string{script}},
		"explain-image":  {explain(image), []string{image}},
		"explain-arabic": {explain(arabic), []string{arabic}},
		"explain-long":   {explain(long), nil},
		"search":         {"/usage?month=2024-03&by=meter&resource=" + url.QueryEscape(script), nil},
		"hour":           {"/hour?registration=" + cloudID + "&hour=2024-03-02T01:00Z", []string{script, image, arabic}},
		"row-script":     {hostileRow(blob, 1), []string{script}},
		"row-image":      {hostileRow(blob, 2), []string{image}},
		"row-arabic":     {hostileRow(blob, 3), []string{arabic}},
		"row-long":       {hostileRow(blob, 4), []string{long}},
		"row-rejected":   {hostileRow(blob, 5), []string{script}},
		"row-no-json":    {hostileRow(blob, 6), []string{image}},
		"quarantine":     {"/quarantine", nil},
		"no-such-page":   {"/" + url.PathEscape(script), []string{script}},
		"no-such-day":    {"/day?registration=" + url.QueryEscape(script) + "&day=" + long, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, width := range []int64{1280, 375} {
				browsertest.Run(t, ctx, browsertest.Look(width, "light"), chromedp.Navigate(p.base+c.address))
				whole(t, ctx)
				look(t, ctx, fmt.Sprintf("hostile-%s-%d", name, width))
			}
			var elements int
			var text string
			browsertest.Run(t, ctx, chromedp.Evaluate(`document.querySelectorAll('script, img, iframe, object, [onerror]').length`, &elements), chromedp.Evaluate(`document.body.textContent`, &text))
			if elements != 0 {
				t.Errorf("%d elements come from a name", elements)
			}
			for _, name := range c.shows {
				if !strings.Contains(text, name) {
					t.Errorf("%q is not in\n%s", name, text)
				}
			}
		})
	}
	if n := dialogs.Load(); n > 0 {
		t.Errorf("%d scripts ran", n)
	}
	t.Run("whole in a title, and from right to left", func(t *testing.T) {
		var titled bool
		var direction string
		browsertest.Run(t, ctx, chromedp.Navigate(p.base+"/day?"+of),
			chromedp.Evaluate(`Array.from(document.querySelectorAll('[title]')).some(e => e.title.includes(`+browsertest.QuoteJS(long)+`) && e.textContent.length < 200)`, &titled),
			chromedp.Evaluate(`(e => e ? getComputedStyle(e).direction : 'none')(Array.from(document.querySelectorAll('td, bdi, a')).find(e => e.textContent.trim().startsWith(`+browsertest.QuoteJS(arabic)+`)))`, &direction))
		if !titled || direction != "rtl" {
			t.Errorf("a long name in a title: %t; direction of Arabic: %s", titled, direction)
		}
	})
	t.Run("CSV", func(t *testing.T) {
		var cookie string
		browsertest.Run(t, ctx, chromedp.ActionFunc(func(ctx context.Context) error {
			all, err := network.GetCookies().Do(ctx)
			for _, c := range all {
				if c.Name == "stackusage-"+p.port {
					cookie = c.Name + "=" + c.Value
				}
			}
			return err
		}))
		a := p.get(t, "/usage?month=2024-03&by=resource&csv=usage", cookie)
		rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if a.status != http.StatusOK || err != nil {
			t.Fatalf("status %d, %v\n%.2000s", a.status, err, a.body)
		}
		for _, name := range []string{script, image, arabic, long} {
			if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Contains(row, uri(name)) }) {
				t.Errorf("%.100q is not in\n%.2000s", name, a.body)
			}
		}
	})
}

// whole waits until a page has read all that it shows.
func whole(t *testing.T, ctx context.Context) {
	t.Helper()
	wait(t, "the whole page", func() (is bool) {
		err := chromedp.Run(ctx, chromedp.Evaluate(`document.readyState === 'complete' && !document.querySelector('[role=status], [aria-busy=true]')`, &is))
		return err == nil && is
	})
}
