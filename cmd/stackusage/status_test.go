package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	statuspkg "stackusage/shared/status"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	getenv, account := sent(t)
	tables := account.Tables
	day := hour19.Day()
	at := time.Date(2019, 12, 12, 9, 0, 0, 0, time.UTC)
	name := landing.Name{CloudID: cloudID, Hour: hour19, SHA16: fileA}
	_, err := hourlog.Commit(t.Context(), tables, hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: fileA}, hourlog.Hour{Blob: name.String(), RowSetHash: fileA, LandedAt: at},
		[]openday.Input{{CloudID: cloudID, Day: day, Hour: hour19, SHA16: fileA, LandedAt: at}})
	ok(t, err)
	ok(t, account.Blobs.Create(t.Context(), landing.Container(cloudID)))
	ok(t, account.Queues.Enqueue(t.Context(), queue.Days, queue.DayMessage(cloudID, day), 0))
	status := func(flags ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"status"}, flags...), getenv, &out, io.Discard); !errors.Is(err, cli.ErrDifferences) {
			t.Errorf("%v: error %v\n%s", flags, err, &out)
		}
		return out.String()
	}
	t.Run("a line for each registration, what to know, and what to do", func(t *testing.T) {
		got := status("--registration", cloudID)
		for _, want := range []string{"problems", ", last hour 2019-12-10T19:00Z, 1 open day\n", "\nPROBLEM  AzureStack-" + cloudID + "  no hours reported since 2019-12-10T20:00Z",
			"The agent has sent no heartbeat", "next: stackusage-agent doctor   (on the stack)\n", "PROBLEM  app ", "1 registration, 2 open items checked, Sweep has not run\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("want %q in\n%s", want, got)
			}
		}
	})
	t.Run("JSON is that of the function app", func(t *testing.T) {
		var s statuspkg.Status
		ok(t, json.Unmarshal([]byte(status("--output", "json")), &s))
		if len(s.OpenDays) != 1 || s.Queues[queue.Days] != 1 || s.Now.IsZero() || len(s.Registrations) != 1 || s.Findings[0].Code == "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("CSV has a row for each finding", func(t *testing.T) {
		if got := status("--output", "csv"); !strings.HasPrefix(got, "code,severity,") || !strings.Contains(got, "\nStackSilent,problem,AzureStack-") {
			t.Errorf("output\n%s", got)
		}
	})
	t.Run("watched until it is interrupted", func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		var out bytes.Buffer
		if err := run(ctx, []string{"status", "--watch"}, getenv, &out, io.Discard); !errors.Is(err, cli.ErrDifferences) || !strings.Contains(out.String(), "PROBLEM") {
			t.Errorf("error %v\n%s", err, &out)
		}
	})
}
