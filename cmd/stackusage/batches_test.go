package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

// sent is storage with a revision of three batches: the first is refused whole,
// the second waits for commerce, the third is answered.
func sent(t *testing.T) (func(string) string, *azurestore.Account) {
	t.Helper()
	getenv, account := clitest.Storage(t)
	queues, err := queue.Names()
	ok(t, err)
	ok(t, account.Queues.Create(t.Context(), queues...))
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20191210", Start: hour19.Start(), Region: "local"}))
	tables := account.Tables
	at := time.Date(2019, 12, 12, 9, 0, 0, 0, time.UTC)
	m := daily.Manifest{CloudID: cloudID, UsageDay: hour19.Day(), Revision: 1}
	for n := 1; n <= 3; n++ {
		m.Batches = append(m.Batches, daily.Batch{Number: n, Records: 500, Blob: "outbox/b"})
	}
	ok(t, outbox.Open(t.Context(), tables, m, at))
	for n, change := range []func(*outbox.Batch){
		func(b *outbox.Batch) {
			b.State, b.Tries, b.DeclinedSince, b.NotBefore = outbox.Waiting, 4, at, at.Add(90*time.Minute)
			b.LastResponse = "refused: HTTP 400: BadRecord: a gateway\n\x1b[31mdoes not like it"
		},
		func(b *outbox.Batch) {
			b.State, b.Tries, b.NotBefore, b.LastResponse = outbox.Waiting, 1, at.Add(time.Hour), "busy: HTTP 503"
		},
		func(b *outbox.Batch) { b.State, b.Tries, b.Accepted = outbox.BatchDone, 1, 500 },
	} {
		id := outbox.ID{CloudID: cloudID, Day: m.UsageDay, Revision: 1, Number: n + 1}
		b, err := outbox.Read(t.Context(), tables, id)
		ok(t, err)
		change(&b)
		ok(t, outbox.Update(t.Context(), tables, id, b))
	}
	return getenv, account
}

func batchID(n int) outbox.ID {
	return outbox.ID{CloudID: cloudID, Day: hour19.Day(), Revision: 1, Number: n}
}

func settleArgs(more ...string) []string {
	return append([]string{"batch", "settle", "--as", "declined", "--registration", cloudID, "--day", "2019-12-10", "--revision", "1", "--batch", "1", "--by", "olga"}, more...)
}

func TestBatchesList(t *testing.T) {
	t.Parallel()
	getenv, _ := sent(t)
	t.Run("what is not answered, in columns and in one line each", func(t *testing.T) {
		lines := strings.Split(strings.TrimSpace(tool(t, getenv, "batch", "list")), "\n")
		if len(lines) != 3 || strings.Index(lines[0], "LAST RESPONSE") != strings.Index(lines[2], "busy") ||
			!strings.Contains(lines[1], "2019-12-10    1      1  waiting      500      4       0  2019-12-12T09:00Z  2019-12-12T10:30Z  refused: HTTP 400: BadRecord: a gateway  [31mdoes") {
			t.Errorf("output:\n%s", strings.Join(lines, "\n"))
		}
	})
	t.Run("all of them, or some", func(t *testing.T) {
		for args, want := range map[string]string{
			"--all": "500 accepted, 0 duplicate", "--all --registration " + cloudID: "500 accepted", "--batch 3": "no such batch waits",
			"--day 2019-12-11 --all": "there is no such batch", "--day 2019-12-10 --batch 2": "busy: HTTP 503", "--revision 2": "no such batch waits",
		} {
			if out := tool(t, getenv, append([]string{"batch", "list"}, strings.Fields(args)...)...); !strings.Contains(out, want) {
				t.Errorf("%s:\n%s", args, out)
			}
		}
	})
	t.Run("JSON holds all that is known", func(t *testing.T) {
		var line batches.Row
		ok(t, json.Unmarshal([]byte(tool(t, getenv, "batch", "list", "--output", "json", "--batch", "1")), &line))
		if line.DeclinedSince == nil || line.NotBefore == nil || line.Tries != 4 || line.State != "waiting" || line.Day != "2019-12-10" {
			t.Errorf("%+v", line)
		}
	})
}

func TestBatchesRetry(t *testing.T) {
	t.Parallel()
	getenv, account := sent(t)
	tables := account.Tables
	for range 2 {
		out := tool(t, getenv, "batch", "retry", "--reason", "commerce is back", "--by", "olga")
		if strings.Count(out, "is tried now\n") != 2 {
			t.Errorf("output:\n%s", out)
		}
		got := queued(t, account, queue.Batches)
		if len(got) != 2 || got[0] != queue.BatchMessage(batchID(1)) || got[1] != queue.BatchMessage(batchID(2)) {
			t.Errorf("queued %v", got)
		}
	}
	b, err := outbox.Read(t.Context(), tables, batchID(2))
	if ok(t, err); !b.NotBefore.IsZero() || b.RetriedBy != "olga" || b.RetryReason != "commerce is back" || b.RetriedAt.IsZero() {
		t.Errorf("%+v", b)
	}
	if err := run(t.Context(), []string{"batch", "retry", "--reason", "x", "--batch", "3"}, getenv, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "no such batch waits") {
		t.Errorf("error %v", err)
	}
}

func TestBatchesSettle(t *testing.T) {
	t.Parallel()
	getenv, account := sent(t)
	tables := account.Tables
	for _, reason := range []string{"the meter was withdrawn", "the same again"} {
		out := tool(t, getenv, settleArgs("--reason", reason)...)
		if !strings.Contains(out, "is settled as declined: the meter was withdrawn (olga, ") || !strings.Contains(out, "--day 2019-12-10 --revision 1 --batch 1") {
			t.Errorf("output:\n%s", out)
		}
		if got := queued(t, account, queue.Batches); len(got) != 1 || got[0] != queue.BatchMessage(batchID(1)) {
			t.Errorf("queued %v", got)
		}
	}
	if out := tool(t, getenv, "batch", "list", "--batch", "1"); !strings.Contains(out, "settle as declined by olga 20") || !strings.Contains(out, ": the meter was withdrawn; refused: HTTP 400") {
		t.Errorf("output:\n%s", out)
	}
	b, err := outbox.Read(t.Context(), tables, batchID(1))
	ok(t, err)
	if b.SettledAs() != outbox.SettleDeclined || !b.NotBefore.IsZero() {
		t.Errorf("%+v", b)
	}
	b.State, b.Rejected = outbox.BatchDone, 500
	ok(t, outbox.Update(t.Context(), tables, batchID(1), b))
	if out := tool(t, getenv, settleArgs("--reason", "once more")...); !strings.Contains(out, "this decision is recorded: the meter was withdrawn (olga, ") || len(queued(t, account, queue.Batches)) > 0 {
		t.Errorf("output:\n%s", out)
	}
	for want, args := range map[string][]string{
		"commerce may still answer it; try 1 met: \"busy: HTTP 503\"": settleArgs("--reason", "x", "--batch", "2"),
		"every record of it has a final answer":                       settleArgs("--reason", "x", "--batch", "3"),
		"no such row: stackusage batch list --all":                    settleArgs("--reason", "x", "--batch", "4"),
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, getenv, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}

func TestBatchesAreRefusedBeforeStorageIsAsked(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--reason is missing":                                      settleArgs(),
		"want one of accepted, declined":                           settleArgs("--reason", "x", "--as", "rejected"),
		"name one batch":                                           {"batch", "settle", "--as", "declined", "--registration", cloudID, "--reason", "x"},
		"must be 1 or more":                                        {"batch", "retry", "--reason", "x", "--batch", "-1"},
		"not of the form":                                          {"batch", "list", "--day", "yesterday"},
		`unknown command "drop"; stackusage batch has`:             {"batch", "drop"},
		"stackusage batch needs a subcommand: list, retry, settle": {"batch"},
		"unexpected argument \"1\"":                                {"batch", "list", "1"},
		"--reason is missing: it ":                                 {"batch", "retry"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}
