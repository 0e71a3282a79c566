package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/status"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	getenv, account := sent(t)
	l := ledger.Ledger{Store: account.Tables}
	day := hour19.Day()
	at := time.Date(2019, 12, 12, 9, 0, 0, 0, time.UTC)
	name := landing.Name{CloudID: cloudID, Hour: hour19, SHA16: fileA}
	_, err := l.CommitHour(t.Context(), ledger.HourID{CloudID: cloudID, Hour: hour19, SHA16: fileA}, ledger.Hour{Blob: name.String(), RowSetHash: fileA, LandedAt: at},
		[]ledger.DayInput{{CloudID: cloudID, Day: day, Hour: hour19, SHA16: fileA, LandedAt: at}})
	ok(t, err)
	ok(t, account.Blobs.Create(t.Context(), landing.Container(cloudID)))
	ok(t, account.Queues.Enqueue(t.Context(), queue.Days, queue.DayMessage(cloudID, day), 0))
	t.Run("what is open is shown, and is no error", func(t *testing.T) {
		got := strings.Join(strings.Fields(tool(t, getenv, "status")), " ")
		for _, want := range []string{"agent AzureStack-" + cloudID + " no heartbeat", "openDay AzureStack-" + cloudID + " 2019-12-10 open since 2", "queue 1 message on " + queue.Days} {
			if !strings.Contains(got, want) {
				t.Errorf("want %q in\n%s", want, got)
			}
		}
	})
	t.Run("JSON is that of the function app", func(t *testing.T) {
		var s status.Status
		ok(t, json.Unmarshal([]byte(tool(t, getenv, "status", "--output", "json")), &s))
		if len(s.OpenDays) != 1 || s.Queues[queue.Days] != 1 || s.Now.IsZero() {
			t.Errorf("%+v", s)
		}
	})
	t.Run("what waits for an operator is exit code 2", func(t *testing.T) {
		getenv, account := found(t)
		queues, err := queue.Names()
		ok(t, err)
		ok(t, account.Queues.Create(t.Context(), queues...))
		var out bytes.Buffer
		err = run(t.Context(), []string{"status", "--registration", cloudID}, getenv, &out, io.Discard)
		if !errors.Is(err, cli.ErrDifferences) || !strings.Contains(out.String(), "tenant: ") {
			t.Errorf("error %v\n%s", err, &out)
		}
	})
}
