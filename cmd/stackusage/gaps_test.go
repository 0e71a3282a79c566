package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

// TestGapsAreRows: an hour of which no file is accepted, and a day that was never closed,
// are in the lists.
func TestGapsAreRows(t *testing.T) {
	t.Parallel()
	getenv, account := conflict(t)
	r := registry.Registry{Tables: account.Tables}
	ok(t, r.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID, BillingModel: registration.PayAsYouUse,
		EffectiveDay: "20191210", Start: hour19.Start().Add(-2 * time.Hour), Region: "local"}))
	history, err := r.History(t.Context(), cloudID)
	ok(t, err)
	_, err = calendar.Accept(t.Context(), account.Tables, history, calendar.Range{First: hour19 + 3, Last: hour19 + 3}, reasoned.Decision{By: "olga", Reason: "lost", At: time.Now()})
	ok(t, err)
	tables := account.Tables
	_, err = hourlog.Commit(t.Context(), tables, hourlog.ID{CloudID: cloudID, Hour: hour19 + 24, SHA16: fileA}, hourlog.Hour{RowSetHash: fileA, UsageDays: "20191211", LandedAt: hour19.End()},
		[]openday.Input{{CloudID: cloudID, Day: hour19.Day() + 1, Hour: hour19 + 24, SHA16: fileA, LandedAt: hour19.End()}})
	ok(t, err)

	listed := func(args string) (texts []string) {
		dec := json.NewDecoder(strings.NewReader(tool(t, getenv, strings.Fields("hour list --output json "+args)...)))
		for dec.More() {
			var row hours.Row
			ok(t, dec.Decode(&row))
			text := fmt.Sprintf("%s %s %s", row.Hour, row.Verdict, row.SHA16)
			if row.Last != nil {
				text += "to " + row.Last.String()
			}
			texts = append(texts, text)
		}
		return texts
	}
	got := strings.Join(listed("--from 2019-12-10 --to 2019-12-10"), "\n")
	want := strings.Join([]string{
		"2019-12-10T17:00Z missing to 2019-12-10T18:00Z",
		"2019-12-10T19:00Z accepted " + fileA,
		"2019-12-10T19:00Z conflict " + fileB,
		"2019-12-10T20:00Z missing to 2019-12-10T21:00Z",
		"2019-12-10T22:00Z missing ",
		"2019-12-10T23:00Z missing ",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := listed("--from 2019-12-10 --to 2019-12-10 --verdict conflict"); len(got) != 1 {
		t.Errorf("conflicts: %v", got)
	}
	if got := listed("--from 2019-12-10 --to 2019-12-10 --verdict missing"); len(got) != 4 {
		t.Errorf("missing: %v", got)
	}
	if got := listed("--hour 2019-12-10T21:00Z"); len(got) != 1 || got[0] != "2019-12-10T21:00Z missing " {
		t.Errorf("one hour of a gap: %v", got)
	}
	if got := listed("--hour 2019-12-10T19:00Z"); len(got) != 2 {
		t.Errorf("the files of an hour: %v", got)
	}
	var lost hours.Row
	ok(t, json.Unmarshal([]byte(tool(t, getenv, "hour", "list", "--hour", "2019-12-10T22:00Z", "--output", "json")), &lost))
	if d := lost.Decided; d == nil || d.Decision != hours.AcceptMissing || d.By != "olga" || d.Reason != "lost" || d.At.IsZero() {
		t.Errorf("a gap that is accepted: %+v", lost)
	}
	text := tool(t, getenv, "hour", "list", "--from", "2019-12-10", "--to", "2019-12-10")
	for _, want := range []string{"2019-12-10T20:00Z to 2019-12-10T21:00Z missing 0 no file is accepted", "2019-12-10T22:00Z missing 0 an operator has recorded that it will never come"} {
		if !strings.Contains(squeeze(text), want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}

	days := func(args string) string {
		var texts []string
		dec := json.NewDecoder(strings.NewReader(tool(t, getenv, strings.Fields("day list --output json "+args)...)))
		for dec.More() {
			var row days.Row
			ok(t, dec.Decode(&row))
			texts = append(texts, fmt.Sprintf("%s %d %s", row.Day, row.Revision, row.State))
		}
		return strings.Join(texts, "\n")
	}
	if got, want := days("--from 2019-12-09 --to 2019-12-12"), "2019-12-10 1 \n2019-12-11 0 open\n2019-12-12 0 awaited"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := days(""), "2019-12-10 1 \n2019-12-11 0 open"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if text := tool(t, getenv, "day", "list"); !strings.Contains(squeeze(text), "hamburg 2019-12-11 never open") {
		t.Errorf("output:\n%s", text)
	}
}
