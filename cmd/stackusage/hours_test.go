package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/azurestore"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	fileA   = "aaaaaaaaaaaaaaaa"
	fileB   = "bbbbbbbbbbbbbbbb"
)

var hour19 = usage.HourOf(time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC))

// conflict is storage with an hour that two files claim, of a day that was
// stated with the first.
func conflict(t *testing.T) (func(string) string, *azurestore.Account) {
	t.Helper()
	getenv, account := clitest.Storage(t)
	queues, err := queue.Names()
	ok(t, err)
	ok(t, account.Queues.Create(t.Context(), queues...))
	tables := account.Tables
	landed := time.Date(2019, 12, 10, 20, 5, 0, 0, time.UTC)
	row := func(sha16 string) (hourlog.ID, hourlog.Hour) {
		name := landing.Name{CloudID: cloudID, Hour: hour19, SHA16: sha16}
		return hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: sha16},
			hourlog.Hour{Blob: name.String(), RowSetHash: sha16, Records: 3, UsageDays: "20191210", LandedAt: landed}
	}
	a, hourA := row(fileA)
	day := hour19.Day()
	_, err = hourlog.Commit(t.Context(), tables, a, hourA, []openday.Input{{CloudID: cloudID, Day: day, Hour: hour19, SHA16: fileA, LandedAt: landed}})
	ok(t, err)
	b, hourB := row(fileB)
	_, err = hourlog.Record(t.Context(), tables, b, hourlog.Beside(hourA, hourB))
	ok(t, err)
	c, err := daybook.Begin(t.Context(), tables, cloudID, day)
	ok(t, err)
	ok(t, daybook.Commit(t.Context(), tables, c, daybook.Revision{Number: 1, ClosedAt: landed.Add(48 * time.Hour), Inputs: daybook.InputList(c.Counted),
		MissingHours: "2019121000,2019121001,2019121002,2019121003", InputCount: 1, Rows: 3, Records: 2, Batches: 1}))
	_, err = daybook.Finish(t.Context(), tables, c)
	ok(t, err)
	return getenv, account
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tool runs the operator's tool and returns what it printed.
func tool(t *testing.T, getenv func(string) string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if err := run(t.Context(), args, getenv, &out, &errOut); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out.String()
}

func resolve(more ...string) []string {
	return append([]string{"hour", "resolve", "--registration", cloudID, "--hour", "2019-12-10T19:00:00Z", "--sha16", fileB, "--by", "olga"}, more...)
}

func queued(t *testing.T, account *azurestore.Account, queue string) (texts []string) {
	t.Helper()
	ok(t, account.Queues.Drain(t.Context(), queue, func(text string) error {
		texts = append(texts, text)
		return nil
	}))
	return texts
}

func TestHours(t *testing.T) {
	t.Parallel()
	getenv, account := conflict(t)
	t.Run("a list shows what became of each file, in columns", func(t *testing.T) {
		lines := strings.Split(strings.TrimSpace(tool(t, getenv, "hour", "list")), "\n")
		if len(lines) != 3 || strings.Index(lines[0], "VERDICT") != strings.Index(lines[1], "accepted") ||
			!strings.Contains(lines[2], "2019-12-10T19:00Z  "+fileB+"  conflict     3  2019-12-10T20:05Z  other rows than") {
			t.Errorf("output:\n%s", strings.Join(lines, "\n"))
		}
	})
	t.Run("only what is asked for is listed", func(t *testing.T) {
		if out := tool(t, getenv, "hour", "list", "--verdict", "conflict", "--registration", cloudID); strings.Contains(out, fileA+" ") || !strings.Contains(out, fileB) {
			t.Errorf("output:\n%s", out)
		}
		if out := tool(t, getenv, "hour", "list", "--verdict", "voided"); !strings.Contains(out, "no such file has landed") {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("a file that shall take over is announced again, as often as the command runs", func(t *testing.T) {
		for range 2 {
			out := tool(t, getenv, resolve("--supersede", "--reason", "the stack mended its rows")...)
			if !strings.Contains(out, "will replace the accepted file") || !strings.Contains(out, "the stack mended its rows (olga, ") {
				t.Errorf("output:\n%s", out)
			}
			want := queue.LandedMessage(landing.Name{CloudID: cloudID, Hour: hour19, SHA16: fileB})
			if got := queued(t, account, queue.Landed); len(got) != 1 || got[0] != want {
				t.Errorf("queued %v", got)
			}
		}
		if out := tool(t, getenv, "hour", "list", "--verdict", "conflict"); !strings.Contains(out, "about to replace the accepted file; olga decided") {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("what is kept out is listed with who, when and why", func(t *testing.T) {
		if out := tool(t, getenv, resolve("--keep", "--reason", "no, it did not")...); !strings.Contains(out, "No bill changes") {
			t.Errorf("output:\n%s", out)
		}
		var line hours.Row
		ok(t, json.Unmarshal([]byte(tool(t, getenv, "hour", "list", "--verdict", "kept-out", "--output", "json")), &line))
		if d := line.Decided; d == nil || d.By != "olga" || d.Reason != "no, it did not" || d.At.IsZero() || !d.Done || !strings.Contains(d.Earlier, "the stack mended its rows") {
			t.Errorf("line %+v, decision %+v", line, line.Decided)
		}
	})
}

func TestDays(t *testing.T) {
	t.Parallel()
	getenv, account := conflict(t)
	restate := []string{"day", "restate", "--registration", cloudID, "--day", "2019-12-10", "--reason", "the payer changed", "--by", "olga"}
	t.Run("a list shows revisions and the hours that they miss", func(t *testing.T) {
		out := tool(t, getenv, "day", "list", "--registration", cloudID, "--from", "2019-12-10", "--to", "2019-12-10")
		if !strings.Contains(out, "2019-12-10    1  2019-12-12T20:05Z  4 missing, 2019-12-10T00:00Z 2019-12-10T01:00Z 2019-12-10T02:00Z ...       1     3        2        1") {
			t.Errorf("output:\n%s", out)
		}
		if out := tool(t, getenv, "day", "list", "--from", "2019-12-11"); !strings.Contains(out, "no such usage day was closed") {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("a day that is to be stated again is queued and shown as such", func(t *testing.T) {
		for range 2 {
			if out := tool(t, getenv, restate...); !strings.Contains(out, "the payer changed (olga, ") {
				t.Errorf("output:\n%s", out)
			}
			if got := queued(t, account, queue.Days); len(got) != 1 || got[0] != queue.DayMessage(cloudID, hour19.Day()) {
				t.Errorf("queued %v", got)
			}
		}
		var line days.Row
		ok(t, json.Unmarshal([]byte(tool(t, getenv, "day", "list", "--output", "json")), &line))
		if line.State != "restate" || len(line.Missing) != 4 {
			t.Errorf("line %+v", line)
		}
	})
	t.Run("a day that was never stated is refused", func(t *testing.T) {
		var out bytes.Buffer
		err := run(t.Context(), append(restate, "--day", "2019-12-11"), getenv, &out, &out)
		if err == nil || !strings.Contains(err.Error(), "never closed") {
			t.Errorf("error %v", err)
		}
	})
}

func TestDecisionsAreRefusedBeforeStorageIsAsked(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--keep or --supersede is missing": resolve("--reason", "x"),
		"or both are given":                resolve("--reason", "x", "--keep", "--supersede"),
		"--reason is missing":              resolve("--keep"),
		"--sha16":                          resolve("--keep", "--reason", "x", "--sha16", "AAAA"),
		"for example 2019-12-10T19:00Z":    resolve("--keep", "--reason", "x", "--hour", "2019-12-10"),
		"--hour":                           resolve("--keep", "--reason", "x", "--hour", "2019-12-10T19:30:00Z"),
		"set UsageStorage":                 {"day", "restate", "--day", "2019-12-10", "--reason", "x"},
		"--day":                            {"day", "restate", "--registration", cloudID, "--reason", "x"},
		"--to 2019-12-09 is before":        {"day", "list", "--from", "2019-12-10", "--to", "2019-12-09"},
		`unknown command "drop"; stackusage hour has: accept-missing, compare, exclude, list, reingest, resolve`: {"hour", "drop"},
		"stackusage day needs a subcommand: carry-forward, list, list-declined, restate, settle":                 {"day"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}
