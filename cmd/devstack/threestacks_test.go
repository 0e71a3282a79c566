package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/devstack/story"
	"stackusage/internal/devstack/azurestack/scenarios"
)

// served is one row that a stack served, as the test reads it.
type served struct {
	stack, subscription, resource, meter string
	reported, used                       time.Time
	quantity                             *big.Rat // nil: no number that anybody could bill
	number                               string
}

// rowsOf reads all rows of the stacks.
func rowsOf(t *testing.T, s *site) (rows []served) {
	t.Helper()
	for _, l := range s.stacks {
		for h := l.stack.First(); h.Before(l.stack.End()); h = h.Add(time.Hour) {
			body, err := get(t.Context(), l.stackURL+"/_devstack/rows?hour="+url.QueryEscape(h.Format(time.RFC3339)))
			if err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(body); lines.Scan(); {
				var row struct {
					Properties struct {
						SubscriptionID, UsageStartTime, InstanceData, MeterID string
						Quantity                                              json.Number
					}
				}
				var data struct {
					Resources struct{ ResourceURI string } `json:"Microsoft.Resources"`
				}
				p := &row.Properties
				if err := errors.Join(json.Unmarshal(lines.Bytes(), &row), json.Unmarshal([]byte(p.InstanceData), &data)); err != nil {
					t.Fatal(err)
				}
				used, err := time.Parse("2006-01-02T15:04:05-07:00", p.UsageStartTime)
				if err != nil {
					t.Fatal(err)
				}
				r := served{stack: l.name, subscription: p.SubscriptionID, resource: strings.ToLower(data.Resources.ResourceURI),
					meter: strings.ToLower(strings.ReplaceAll(p.MeterID, "-", "")), reported: h, used: used.UTC(), number: p.Quantity.String()}
				if !strings.Contains(r.number, "e") {
					r.quantity, _ = new(big.Rat).SetString(r.number)
				}
				rows = append(rows, r)
			}
			body.Close()
		}
	}
	return rows
}

// counted is what the story makes of the rows: which of them are in the books, and with
// what quantity.
func counted(rows []served) (in []served) {
	for _, r := range rows {
		broken := strings.Contains(r.resource, "/broken")
		switch {
		case r.stack == "munich" && !r.reported.Before(story.GapFrom) && r.reported.Before(story.GapTo):
			continue // never collected
		case broken && r.reported.Equal(story.Rejected) && r.number == "-1.0":
			r.quantity = big.NewRat(1, 1) // redriven
		case broken:
			continue
		case r.stack == "hamburg" && r.reported.Equal(story.Replaced) && strings.HasSuffix(r.resource, "/web00") && r.meter == windowsMeter:
			r.quantity = big.NewRat(5, 2)
		}
		in = append(in, r)
	}
	return in
}

const windowsMeter = "9cd92d4cbafd4492b278bedc2de8232a"

// operator is the environment of who asks.
func (s *site) operator() []string {
	return append(os.Environ(), "UsageStorage="+s.settings["UsageStorage"], "LandingStorage="+s.settings["LandingStorage"], "STACKUSAGE_CACHE="+filepath.Join(s.dir, "sums"),
		"STACKUSAGE_PRICES="+filepath.Join("..", "..", "internal", "devstack", "commerce", "rating", "prices.csv"))
}

// asks runs the operator's tool, and returns its exit code and what it prints.
func (s *site) asks(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.o.tool, args...)
	cmd.Env = s.operator()
	text, err := cmd.Output()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return exit.ExitCode(), string(text) + string(exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(text)
}

// TestThreeStacks asks what the scenario was made to answer, and compares the answers
// with sums of the rows that the stacks served.
func TestThreeStacks(t *testing.T) {
	t.Parallel()
	s := testSite(t, options{scenario: "three-stacks"})
	if err := s.tellStory(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := counted(rowsOf(t, s))
	t.Run("is all well", func(t *testing.T) {
		code, out := s.asks(t, "status", "--output", "csv")
		for _, want := range []string{"\nHoursMissing,problem,munich,", ",2024-03-01T03:00Z to 2024-03-01T04:00Z,", "\nHourConflict,problem,munich,", "\nRowsUndecided,problem,hamburg,",
			"\nRecordsDeclined,problem,hamburg,", "\n,healthy,berlin,"} {
			if code != 2 || !strings.Contains(out, want) {
				t.Errorf("exit code %d, no %q in\n%s", code, want, out)
			}
		}
	})
	t.Run("which hours are missing", func(t *testing.T) {
		_, out := s.asks(t, "hour", "list", "--registration", "munich", "--from", "2024-03-01", "--to", "2024-03-01")
		if !strings.Contains(out, "2024-03-01T03:00Z") || !strings.Contains(out, "missing") {
			t.Errorf("the gap is not in\n%s", out)
		}
	})
	t.Run("why this line", func(t *testing.T) { s.explains(t, rows) })
	t.Run("what a file in conflict would change", func(t *testing.T) {
		_, out := s.asks(t, "explain", "--registration", "munich", "--day", "2024-03-02", "--resource", "app00", "--meter", windowsMeter)
		if strings.Count(out, "in conflict: ") != 1 || !strings.Contains(out, "another file of reported hour 2024-03-02T08:00Z has 2.5 in place of 2, undecided") {
			t.Errorf("the file is not in\n%s", out)
		}
	})
	t.Run("why is this not billed", func(t *testing.T) {
		code, out := s.asks(t, "explain", "--registration", "hamburg", "--day", "2024-02-27", "--resource", "broken13")
		if code != 1 || !strings.Contains(out, "3 rejected rows of its hours name the resource: stackusage quarantine list") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	})
	t.Run("what did a tenant cost", func(t *testing.T) { s.costs(t, rows) })
	t.Run("who dismissed that row and why", func(t *testing.T) {
		_, out := s.asks(t, "quarantine", "list", "--registration", "hamburg", "--state", "dismissed", "--output", "json")
		if !strings.Contains(out, "test of the provider") || strings.Count(out, "\n") != 1 {
			t.Errorf("dismissed:\n%s", out)
		}
	})
	t.Run("who decided what and why", func(t *testing.T) {
		_, out := s.asks(t, "decision", "list", "--registration", "hamburg")
		for _, want := range []string{
			"operator  quarantine redrive hamburg 2024-02-27T05:00Z ", "operator  quarantine dismiss hamburg 2024-02-27T05:00Z line ", "operator  hour supersede hamburg 2024-03-02T09:00Z ",
			"operator  day carry-forward hamburg 2024-03-01 to 2024-03-03 ", "operator  tenant map hamburg ", "operator  infrastructure set hamburg from 2024-02-27: ", "operator  registration create hamburg from 2024-02-27: PayAsYouUse",
		} {
			if strings.Count(out, want) != 1 {
				t.Errorf("not once %q in\n%s", want, out)
			}
		}
		if n := strings.Count(out, "\n"); n != 8 {
			t.Errorf("%d lines:\n%s", n, out)
		}
	})
	t.Run("the console shows it", func(t *testing.T) {
		for _, l := range s.stacks {
			if l.name == "hamburg" {
				walkConsole(t, s.o.tool, s.operator(), l.cloudID)
			}
		}
	})
}

// explains compares every line of every day with the rows behind it.
func (s *site) explains(t *testing.T, rows []served) {
	want := map[string]*big.Rat{}
	for _, r := range rows {
		key := fmt.Sprint(r.stack, " ", r.used.Format(time.DateOnly), " ", r.resource, " ", r.meter)
		if want[key] == nil {
			want[key] = new(big.Rat)
		}
		want[key].Add(want[key], r.quantity)
	}
	lines := 0
	for _, l := range s.stacks {
		for day := l.stack.First(); day.Before(l.stack.End().Add(-6 * time.Hour)); day = day.AddDate(0, 0, 1) {
			code, out := s.asks(t, "explain", "--registration", l.name, "--day", day.Format(time.DateOnly), "--output", "json")
			var report struct {
				Lines []struct {
					ResourceURI, MeterID, CarriedFrom, Used, Billed, Waived, CarriedAway string
					Unreported                                                           bool
					RejectedRows                                                         []struct{ Code, State string }
				}
				Contradictions []string
			}
			if err := json.Unmarshal([]byte(out[:strings.LastIndex(out, "}")+1]), &report); err != nil || code != 0 || len(report.Contradictions) > 0 {
				t.Fatalf("%s %s: exit code %d, %v, %v", l.name, day.Format(time.DateOnly), code, err, report.Contradictions)
			}
			used := map[string]*big.Rat{}
			for _, line := range report.Lines {
				lines++
				key := fmt.Sprint(l.name, " ", day.Format(time.DateOnly), " ", strings.ToLower(line.ResourceURI), " ", strings.ToLower(strings.ReplaceAll(line.MeterID, "-", "")))
				q, billed := rat(t, line.Used), rat(t, line.Billed)
				if used[key] == nil {
					used[key] = new(big.Rat)
				}
				if line.CarriedFrom == "" {
					used[key].Add(used[key], q)
				}
				vault := strings.HasSuffix(key, strings.ReplaceAll(scenarios.DeclinedMeter, "-", "")) && line.CarriedFrom == ""
				if q.Sign() != 0 && (vault || line.Unreported) != (billed.Cmp(q) != 0) {
					t.Errorf("%s: used %s, billed %s", key, line.Used, line.Billed)
				}
			}
			for key, sum := range want {
				if strings.HasPrefix(key, l.name+" "+day.Format(time.DateOnly)+" ") && (used[key] == nil || used[key].Cmp(sum) != 0) {
					t.Errorf("%s: explained %v, served %s", key, used[key], sum.FloatString(25))
				}
				delete(used, key)
			}
			for key, sum := range used {
				if sum.Sign() != 0 {
					t.Errorf("%s: explained %s, never served", key, sum.FloatString(25))
				}
			}
		}
	}
	if lines < 300 {
		t.Errorf("only %d lines", lines)
	}
}

// costs compares what hamburg's first tenant cost, in the one meter of it whose price the
// test knows by heart.
func (s *site) costs(t *testing.T, rows []served) {
	rate := big.NewRat(46, 1000)
	want := map[string]*big.Rat{"2024-02": new(big.Rat), "2024-03": new(big.Rat)}
	for _, r := range rows {
		if r.stack == "hamburg" && r.meter == windowsMeter && !strings.Contains(r.resource, "/system.") {
			month := r.used.Format("2006-01")
			want[month].Add(want[month], new(big.Rat).Mul(r.quantity, rate))
		}
	}
	_, out := s.asks(t, "usage", "--registration", "hamburg", "--month", "2024-03", "--compare", "2024-02", "--by", "tenant,meter", "--output", "json")
	found := false
	for line := range strings.Lines(out) {
		var row struct{ Tenant, MeterID, State, Amount, CompareAmount, Change string }
		if json.Unmarshal([]byte(line), &row) != nil || strings.ReplaceAll(row.MeterID, "-", "") != windowsMeter || row.Tenant == "(infrastructure)" || row.State != "billed" {
			continue
		}
		found = true
		change := new(big.Rat).Sub(want["2024-03"], want["2024-02"])
		if rat(t, row.Amount).Cmp(want["2024-03"]) != 0 || rat(t, row.CompareAmount).Cmp(want["2024-02"]) != 0 || rat(t, row.Change).Cmp(change) != 0 {
			t.Errorf("usage says %+v, the rows %s and %s", row, want["2024-03"].FloatString(10), want["2024-02"].FloatString(10))
		}
	}
	if !found {
		t.Errorf("no row of the meter in\n%s", out)
	}
}

func rat(t *testing.T, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return r
}
