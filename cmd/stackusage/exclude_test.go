package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
)

func TestExcludeAndReingest(t *testing.T) {
	t.Parallel()
	getenv, account := conflict(t)
	about := func(verb, sha16 string, more ...string) []string {
		return append([]string{"hour", verb, "--registration", cloudID, "--hour", "2019-12-10T19:00:00Z", "--sha16", sha16, "--by", "olga"}, more...)
	}
	tables := account.Tables
	id := hourlog.ID{CloudID: cloudID, Hour: hour19, SHA16: fileA}
	t.Run("what cannot be meant is refused", func(t *testing.T) {
		for want, args := range map[string][]string{
			"--reason is missing":                 about("exclude", fileA),
			"its verdict is conflict, not accept": about("exclude", fileB, "--reason", "x"),
			"no such file has a verdict":          about("exclude", strings.Repeat("e", 16), "--reason", "x"),
			"its verdict is accepted, not reject": about("reingest", fileA, "--reason", "x"),
			"must be 16 hex digits":               about("reingest", "x", "--reason", "x"),
		} {
			if err := run(t.Context(), args, getenv, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %v, want %q", args, err, want)
			}
		}
	})
	t.Run("an hour is excluded, and once more changes nothing", func(t *testing.T) {
		for range 2 {
			if out := tool(t, getenv, about("exclude", fileA, "--reason", "a test of the stack")...); !strings.Contains(out, " is excluded: a test of the stack (olga, ") {
				t.Errorf("output %s", out)
			}
		}
		if out := tool(t, getenv, "hour", "list", "--verdict", "excluded"); !strings.Contains(out, "exclude by olga") {
			t.Errorf("output %s", out)
		}
		if out := tool(t, getenv, "day", "list", "--registration", cloudID); !strings.Contains(out, "2019-12-10") {
			t.Errorf("output %s", out)
		}
		err := run(t.Context(), []string{"quarantine", "show", "--registration", cloudID, "--hour", "2019-12-10T19:00:00Z"}, getenv, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "no file is accepted for the hour") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the excluded file can be let back in", func(t *testing.T) {
		tool(t, getenv, about("resolve", fileA, "--supersede", "--reason", "it was none")...)
		if h, err := hourlog.AcceptedHour(t.Context(), tables, id); err != nil || h.Challenger != fileA {
			t.Errorf("pointer %+v, error %v", h, err)
		}
		_, err := hourlog.TakeOver(t.Context(), tables, id, hourlog.Hour{Blob: "landing/a", RowSetHash: fileA, UsageDays: "20191210"}, nil)
		ok(t, err)
		if h, err := hourlog.AcceptedHour(t.Context(), tables, id); err != nil || h.Counts != fileA || h.Excluded != "" {
			t.Errorf("pointer %+v, error %v", h, err)
		}
		queued(t, account, queue.Landed)
	})
	t.Run("a rejected file is announced again", func(t *testing.T) {
		c := id
		c.SHA16 = strings.Repeat("c", 16)
		_, err := hourlog.Record(t.Context(), tables, c, hourlog.Hour{Blob: "landing/c", Verdict: hourlog.Rejected, Code: landing.RejectedHeader})
		ok(t, err)
		for _, reason := range []string{"we read it wrongly", "once more"} {
			if out := tool(t, getenv, about("reingest", c.SHA16, "--reason", reason)...); !strings.Contains(out, "is to be ingested again: we read it wrongly (olga, ") {
				t.Errorf("output %s", out)
			}
			if got := queued(t, account, queue.Landed); len(got) != 1 || !strings.Contains(got[0], c.SHA16) {
				t.Errorf("queued %v", got)
			}
		}
		if out := tool(t, getenv, "hour", "list", "--verdict", "rejected"); !strings.Contains(out, "about to be ingested again; olga decided") {
			t.Errorf("output %s", out)
		}
	})
	var out bytes.Buffer
	if err := run(t.Context(), []string{"hour"}, getenv, io.Discard, &out); err == nil || errors.Is(err, cli.ErrDifferences) || !strings.Contains(err.Error(), "needs a subcommand: accept-missing, compare, exclude, list, reingest, resolve") {
		t.Errorf("error %v, output %s", err, out.String())
	}
}
