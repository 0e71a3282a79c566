package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

// TestMessages: a failed message is listed, sent again, and dismissed by a mark. What is
// still on the poison queue is listed, and left to Sweep.
func TestMessages(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	names, err := queue.Names()
	ok(t, err)
	ok(t, account.Queues.Create(t.Context(), names...))
	tables := account.Tables
	day, bad := queue.DayMessage(cloudID, hour19.Day()), "garbage"
	ok(t, queue.PutFailed(t.Context(), tables, queue.FailedMessage{Queue: queue.Days, Text: day, Reason: "CloseDay gave up on it", LastSeen: time.Now().Add(-time.Minute)}))
	ok(t, account.Queues.Enqueue(t.Context(), queue.Poison(queue.Batches), bad, 0))
	fails := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"message"}, args...), getenv, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	dayID, badID := queue.FailedKey(day), queue.FailedKey(bad)
	got := tool(t, getenv, "message", "list")
	for _, want := range []string{"usage-days     " + dayID + "  failed      1", "usage-batches  " + badID + "  poison      1"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if out := tool(t, getenv, "message", "resend", "--queue", queue.Days, "--id", dayID, "--reason", "storage is back", "--by", "olga"); !strings.Contains(out, "is on queue usage-days again") {
		t.Errorf("output %s", out)
	}
	if n, err := account.Queues.Depth(t.Context(), queue.Days); err != nil || n != 1 {
		t.Errorf("%d messages, %v", n, err)
	}
	fails("is still on the poison queue of usage-batches", "dismiss", "--queue", queue.Batches, "--id", badID, "--reason", "x")
	ok(t, account.Queues.Drain(t.Context(), queue.Poison(queue.Batches), func(text string) error { // as Sweep does
		return queue.PutFailed(t.Context(), tables, queue.FailedMessage{Queue: queue.Batches, Text: text, LastSeen: time.Now().Add(-time.Minute)})
	}))
	fails("dismiss it", "resend", "--queue", queue.Batches, "--id", badID, "--reason", "x")
	fails("no message of queue usage-days has id x", "dismiss", "--queue", queue.Days, "--id", "x", "--reason", "x")
	fails("--reason is missing", "dismiss", "--queue", queue.Days, "--id", dayID)
	fails("--queue or --id is missing", "dismiss", "--reason", "x")
	for _, m := range [][2]string{{queue.Days, dayID}, {queue.Batches, badID}} {
		tool(t, getenv, "message", "dismiss", "--queue", m[0], "--id", m[1], "--reason", "it is done", "--by", "olga")
	}
	fails("olga dismissed it already", "dismiss", "--queue", queue.Days, "--id", dayID, "--reason", "x")
	if out := tool(t, getenv, "message", "list"); out != "no message has failed\n" {
		t.Errorf("list\n%s", out)
	}
	if out := tool(t, getenv, "message", "list", "--all"); strings.Count(out, "dismissed by olga") != 2 {
		t.Errorf("list --all\n%s", out)
	}
}

// TestErrorsNameStacks: an error names a stack as tables do, where it has a name, and keys and
// blobs as they are.
func TestErrorsNameStacks(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20191210", Start: hour19.Start(), Region: "local"}))
	unknown := strings.Repeat("1", 8) + cloudID[8:]
	for call, want := range map[string]string{
		"hour accept-missing --from 2019-12-10T21:00Z --to 2019-12-10T20:00Z":                           "accept missing hours 2019-12-10T21:00Z to 2019-12-10T20:00Z of hamburg: the last hour",
		"hour resolve --keep --hour 2019-12-10T19:00Z --sha16 0123456789abcdef":                         "keep out hour hamburg 2019-12-10T19:00Z 0123456789abcdef: ",
		"hour exclude --hour 2019-12-10T19:00Z --sha16 0123456789abcdef":                                "exclude hour hamburg 2019-12-10T19:00Z 0123456789abcdef: ",
		"hour reingest --hour 2019-12-10T19:00Z --sha16 0123456789abcdef":                               "reingest hour hamburg 2019-12-10T19:00Z 0123456789abcdef: ",
		"day restate --day 2019-12-10":                                                                  "restate day 2019-12-10 of hamburg: it was never closed",
		"day settle --day 2019-12-10":                                                                   "settle day 2019-12-10 of hamburg: ",
		"day carry-forward --day 2019-12-10":                                                            "carry day 2019-12-10 of hamburg forward to ",
		"finding confirm --day 2019-12-10":                                                              "confirm day 2019-12-10 of hamburg: it was never closed",
		"hour accept-missing --from 2019-12-10T19:00Z --to 2019-12-10T20:00Z --registration " + unknown: "no registration has cloudId " + unknown,
	} {
		err := run(t.Context(), append(strings.Fields(call), "--reason", "x", "--by", "olga"), getenv, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), "/"+cloudID, ""), cloudID) {
			t.Errorf("%s: %v, want %q", call, err, want)
		}
	}
	e := cli.New(getenv, io.Discard, io.Discard)
	for text, want := range map[string]string{
		"day of " + cloudID + ": x": "day of hamburg: x", "registration " + cloudID: "registration hamburg",
		"blob landing-" + cloudID + "/2019": "", "row OpenDays/" + cloudID + "_20191210": "", "cloudId " + cloudID + " is registered": "", "of " + unknown: "",
	} {
		cause := errors.New(text)
		if got := e.Named(t.Context(), cause); got.Error() != cmp.Or(want, text) || !errors.Is(got, cause) {
			t.Errorf("%q, want %q", got, cmp.Or(want, text))
		}
	}
}

// TestAcceptMissing: a row says who accepted which hours, and why.
func TestAcceptMissing(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20191210", Start: hour19.Start(), End: (hour19 + 3).Start(), Region: "local"}))
	args := []string{"hour", "accept-missing", "--from", "2019-12-10T19:00Z", "--to", "2019-12-10T22:00Z", "--reason", "the stack was rebuilt", "--by", "olga"}
	if out := tool(t, getenv, args...); !strings.Contains(out, "3 hours of AzureStack-"+cloudID+" accepted as missing: 2019-12-10T19:00Z to 2019-12-10T21:00Z (the stack was rebuilt, olga, ") {
		t.Errorf("output %s", out)
	}
	var out bytes.Buffer
	if err := run(t.Context(), args, getenv, &out, &out); err == nil || !strings.Contains(err.Error(), " of AzureStack-"+cloudID+": it is recorded already") {
		t.Errorf("again: %v", err)
	}
	if row, err := account.Tables.Get(t.Context(), table.Decisions, cloudID, "missing_2019121019_2019121022"); err != nil || row.Props["by"] != "olga" || row.Props["reason"] != "the stack was rebuilt" {
		t.Errorf("row %v, %v", row, err)
	}
}
