package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
)

func TestSettleDay(t *testing.T) {
	t.Parallel()
	getenv, account := expired(t)
	tables := account.Tables
	marks, err := openday.List(t.Context(), tables)
	ok(t, err)
	for _, m := range marks {
		if m.Revision > 0 {
			_, batches, err := outbox.OfRevision(t.Context(), tables, m.CloudID, m.Day, m.Revision)
			ok(t, err)
			_, err = daybook.FinishRevision(t.Context(), tables, m, batches, time.Now())
			ok(t, err)
		}
	}
	if out := tool(t, getenv, "day", "list"); !strings.Contains(out, "declined") {
		t.Errorf("output:\n%s", out)
	}
	settle := []string{"day", "settle", "--registration", cloudID, "--day", "2019-12-10", "--by", "olga", "--reason", "agreed"}
	for range 2 {
		if out := tool(t, getenv, settle...); !strings.Contains(out, "What commerce declined of usage day 2019-12-10 is not billed: agreed (olga, ") {
			t.Errorf("output:\n%s", out)
		}
		if got := queued(t, account, queue.Days); len(got) != 1 || got[0] != queue.DayMessage(cloudID, hour19.Day()) {
			t.Errorf("queued %v", got)
		}
	}
	if out := tool(t, getenv, "day", "list"); !strings.Contains(out, "declined, settle") {
		t.Errorf("output:\n%s", out)
	}
	for want, args := range map[string][]string{
		`olga requested a revision ("agreed")`:                append(settle[:len(settle):len(settle)], "--reason", "no"),
		"another request is open, of olga: agreed; repeat it": {"day", "restate", "--registration", cloudID, "--day", "2019-12-10", "--reason", "no"},
		"never closed":        append(settle[:len(settle):len(settle)], "--day", "2019-12-11"),
		"--day is missing":    {"day", "settle", "--registration", cloudID, "--reason", "x"},
		"--reason is missing": {"day", "settle", "--registration", cloudID, "--day", "2019-12-10"},
		"--registration":      {"day", "settle", "--day", "2019-12-10", "--reason", "x"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, getenv, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}
