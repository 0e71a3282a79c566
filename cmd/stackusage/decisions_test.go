package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/decisions"
	"stackusage/shared/usage"
)

// TestDecisions: what the tool decides is listed with who and why.
func TestDecisions(t *testing.T) {
	t.Parallel()
	getenv, _ := conflict(t)
	if out := tool(t, getenv, "decision", "list"); out != "nothing of the kind was decided\n" {
		t.Errorf("before:\n%s", out)
	}
	tool(t, getenv, "registration", "create", "--name", "hamburg", "--cloud-id", cloudID, "--subscription", payer, "--kind", "EA", "--model", "PayAsYouUse", "--region", "local",
		"--from", "2019-12-10", "--reason", "live", "--by", "ivan", "--confirm")
	tool(t, getenv, resolve("--keep", "--reason", "sent twice")...)
	tool(t, getenv, "day", "restate", "--day", "2019-12-10", "--reason", "a newer catalogue", "--by", "olga")
	list := func(args ...string) string {
		t.Helper()
		return tool(t, getenv, append([]string{"decision", "list"}, args...)...)
	}
	t.Run("as a table", func(t *testing.T) {
		out := list()
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 4 || strings.Join(strings.Fields(lines[0]), " ") != "WHEN WHO WHAT WHY" {
			t.Fatalf("output:\n%s", out)
		}
		for _, want := range []string{"olga  hour keep hamburg 2019-12-10T19:00Z bbbbbbbbbbbbbbbb", "olga  day restate hamburg 2019-12-10, not carried out yet", "ivan  registration create hamburg from 2019-12-10: PayAsYouUse, billed to " + payer} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	t.Run("in JSON and CSV, whole", func(t *testing.T) {
		var row decisions.Row
		ok(t, json.Unmarshal([]byte(list("--kind", "hourKeep", "--output", "json")), &row))
		if row.By != "olga" || row.Reason != "sent twice" || row.SHA16 != fileB || row.CloudID != cloudID || *row.Hour != hour19 || time.Since(row.At) > time.Hour || row.Open {
			t.Errorf("%+v", row)
		}
		rows, err := csv.NewReader(strings.NewReader(list("--output", "csv", "--by", "olga"))).ReadAll()
		if err != nil || len(rows) != 3 || strings.Join(rows[0], " ") != "at by kind cloudId reason open hour lastHour sha16 rows firstLine usageDay revision batch queue messageId detail" {
			t.Errorf("%v: %v", err, rows)
		}
	})
	t.Run("some of them", func(t *testing.T) {
		today := usage.HourOf(time.Now()).Day()
		for args, want := range map[string]int{"--by ivan": 1, "--since " + today.String(): 3, "--since " + (today + 1).String(): 0, "--registration hamburg": 3, "--kind messageDismiss": 0} {
			if n := strings.Count(list(append(strings.Fields(args), "--output", "json")...), "\n"); n != want {
				t.Errorf("%s: %d, want %d", args, n, want)
			}
		}
	})
	t.Run("a filter that names nothing is an error", func(t *testing.T) {
		for args, want := range map[string]string{
			"--by olaf":             `--by "olaf": nobody of this name took such a decision; those who did: ivan, olga`,
			"--kind hourkeep":       "want one of registrationCreate, registrationUpdate, ",
			"--registration munich": "RegistrationNotFound",
			"--registration 00000000-de02-43a4-903d-eb74f8258b01": "nothing of registration",
			"--since yesterday": "not of the form",
		} {
			var out bytes.Buffer
			if err := run(t.Context(), append([]string{"decision", "list"}, strings.Fields(args)...), getenv, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", args, err, want)
			}
		}
	})
}
