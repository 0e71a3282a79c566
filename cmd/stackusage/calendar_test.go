package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/calendar"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

// TestCalendar: the console's calendar has what hour list prints.
func TestCalendar(t *testing.T) {
	t.Parallel()
	getenv, account := conflict(t)
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID, BillingModel: registration.PayAsYouUse,
		EffectiveDay: "20191210", Start: hour19.Start().Add(-2 * time.Hour), End: hour19.Start().Add(5 * time.Hour), Region: "local"}))
	env := cli.New(getenv, io.Discard, io.Discard)
	get := func(address string) string {
		t.Helper()
		u, err := url.Parse(address)
		ok(t, err)
		w := httptest.NewRecorder()
		r := &page.Request{Context: t.Context(), Path: u.Path, Query: u.Query(), Now: time.Date(2019, 12, 20, 0, 0, 0, 0, time.UTC), Env: env, Root: rootCommand}
		r.Begin(w)
		p, err := calendar.Show(r)
		ok(t, err)
		page.Write(w, r, 200, p)
		return w.Body.String()
	}

	missing := 0
	dec := json.NewDecoder(strings.NewReader(tool(t, getenv, "hour", "list", "--registration", "hamburg", "--from", "2019-12-01", "--to", "2019-12-31", "--output", "json")))
	for dec.More() {
		var row hours.Row
		ok(t, dec.Decode(&row))
		if row.Verdict == string(hours.Missing) {
			missing += row.Range().Hours()
		}
	}
	rows, err := csv.NewReader(strings.NewReader(get("/calendar?registration=hamburg&csv=days"))).ReadAll()
	ok(t, err)
	if got := fmt.Sprint(rows); missing != 6 || got != "[[Day Landed Conflict Missing Rows Rejected rows Undecided rows] [2019-12-10 0 1 6 0 0 0]]" {
		t.Errorf("%d hours are missing, and the days are %s", missing, got)
	}
	month := get("/calendar?registration=" + cloudID)
	for _, want := range []string{"Reported hours of hamburg", "<h2 id=\"hours-title\" dir=\"auto\">2019-12</h2>", "2019-12-10T19:00Z: conflict", "2 files",
		"2019-12-10T18:00Z: missing", "2019-12-11T03:00Z: not expected", `href="/hour?hour=2019-12-10T19%3A00Z&amp;registration=` + cloudID,
		"stackusage hour list --registration " + cloudID + " --from 2019-12-01 --to 2019-12-31"} {
		if !strings.Contains(month, want) {
			t.Errorf("the month has no %q", want)
		}
	}
	for address, want := range map[string]string{
		"/calendar": "Choose a registration.",
		"/calendar?registration=hamburg&month=2020-02":      "No hour is expected in this month, and nothing has landed.",
		"/calendar?registration=hamburg&month=2020-2":       "Not shown:",
		"/calendar?registration=hamburg&year=20x0":          "want a year, for example 2024",
		"/calendar?registration=hamburg&year=2019":          "2019-12-10: 1 conflict, 6 missing; 0 rows",
		"/calendar?registration=hamburg&day=2019-12-10":     "<td role=\"cell\" dir=\"auto\" data-label=\"State\" class=\"nowrap\">conflict</td>",
		"/calendar?registration=hamburg&day=2019-12-32":     "Not shown:",
		"/calendar?registration=nowhere":                    "nowhere",
		"/calendar?registration=hamburg&month=%3Cscript%3E": "Not shown:",
	} {
		if text := get(address); !strings.Contains(text, want) || strings.Contains(text, "<script") {
			t.Errorf("%s has no %q", address, want)
		}
	}
}
