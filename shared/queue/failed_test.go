package queue_test

import (
	"context"
	"errors"
	"github.com/google/go-cmp/cmp"
	"strings"
	"testing"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

func TestFailedMessages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	put := func(t *testing.T, name, text string, at time.Time) {
		t.Helper()
		ledgertest.OK(t, queue.PutFailed(ctx, tables, queue.FailedMessage{Queue: name, Text: text, Reason: "because", LastSeen: at}))
	}
	t.Run("a message that never failed has no time", func(t *testing.T) {
		m, err := queue.Failed(ctx, tables, "q", "text")
		ledgertest.OK(t, err)
		if m.Times != 0 || !m.Tried().IsZero() {
			t.Errorf("%+v", m)
		}
	})
	t.Run("one text on one queue is one row that counts", func(t *testing.T) {
		put(t, "q", "text", ledgertest.Landed)
		put(t, "q", "text", ledgertest.Landed.Add(time.Hour))
		put(t, "r", "text", ledgertest.Landed)
		m, err := queue.Failed(ctx, tables, "q", "text")
		ledgertest.OK(t, err)
		if m.Times != 2 || !m.Tried().Equal(ledgertest.Landed.Add(time.Hour)) {
			t.Errorf("%+v", m)
		}
		n := 0
		for _, err := range queue.FailedMessages(ctx, tables) {
			ledgertest.OK(t, err)
			n++
		}
		if n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
		for row, err := range tables.List(ctx, table.FailedMessages, "q", "", "") {
			ledgertest.OK(t, err)
			want := table.Props{"queue": "q", "text": "text", "reason": "because", "times": int64(2), "lastSeen": ledgertest.Landed.Add(time.Hour)}
			if diff := cmp.Diff(want, row.Props); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("long texts are cut and still told apart", func(t *testing.T) {
		long := strings.Repeat("x", 64<<10)
		put(t, "long", long+"1", ledgertest.Landed)
		put(t, "long", long+"2", ledgertest.Landed)
		rows := 0
		for row, err := range tables.List(ctx, table.FailedMessages, "long", "", "") {
			ledgertest.OK(t, err)
			if text := row.Props["text"].(string); len(text) > 1003 {
				t.Errorf("the row keeps %d bytes", len(text))
			}
			rows++
		}
		if rows != 2 {
			t.Errorf("%d rows, want 2", rows)
		}
		m, err := queue.Failed(ctx, tables, "long", long+"2")
		ledgertest.OK(t, err)
		if !m.Tried().Equal(ledgertest.Landed) {
			t.Errorf("failed at %s", m.Tried())
		}
	})
	t.Run("that it was sent again is noted, and outlives the next failure", func(t *testing.T) {
		before, err := queue.Failed(ctx, tables, "r", "text")
		ledgertest.OK(t, err)
		ledgertest.OK(t, queue.NoteResent(ctx, tables, before, ledgertest.Landed.Add(2*time.Hour)))
		ledgertest.OK(t, queue.NoteResent(ctx, tables, before, ledgertest.Landed.Add(9*time.Hour))) // by another, who read the same row: no harm
		if m, err := queue.Failed(ctx, tables, "r", "text"); err != nil || m.Resent != 1 || m.Times != 1 || !m.Tried().Equal(ledgertest.Landed.Add(2*time.Hour)) {
			t.Errorf("%+v %v", m, err)
		}
		put(t, "r", "text", ledgertest.Landed.Add(3*time.Hour))
		if m, err := queue.Failed(ctx, tables, "r", "text"); err != nil || m.Resent != 1 || m.Times != 2 || !m.Tried().Equal(ledgertest.Landed.Add(3*time.Hour)) {
			t.Errorf("%+v %v", m, err)
		}
	})
	t.Run("bytes that are no text are recorded", func(t *testing.T) {
		put(t, "q", "\xff\x00\xfe", ledgertest.Landed)
	})
}

// TestDecidedFailedMessages: what an operator did about a message stays in its row, and
// one that was dismissed and fails again counts again.
func TestDecidedFailedMessages(t *testing.T) {
	t.Parallel()
	ctx, tables := t.Context(), ledgertest.InMemory()
	ledgertest.OK(t, queue.PutFailed(ctx, tables, queue.FailedMessage{Queue: "q", Text: "text", Reason: "because", LastSeen: ledgertest.Landed}))
	read := func() queue.FailedMessage {
		t.Helper()
		m, err := queue.FailedByKey(ctx, tables, "q", queue.FailedKey("text"))
		ledgertest.OK(t, err)
		return m
	}
	before := read()
	why := reasoned.Decision{By: "olga", Reason: "storage was away", At: ledgertest.Landed.Add(time.Hour)}
	_, err := queue.ResendFailed(ctx, tables, before, why)
	ledgertest.OK(t, err)
	if _, err := queue.DismissFailed(ctx, tables, before, why); !errors.Is(err, table.ErrChanged) {
		t.Errorf("a row that has changed: %v", err)
	}
	if _, err := queue.DismissFailed(ctx, tables, read(), reasoned.Decision{By: "olga"}); err == nil {
		t.Error("no reason, and it is dismissed")
	}
	_, err = queue.DismissFailed(ctx, tables, read(), why)
	ledgertest.OK(t, err)
	if m := read(); !m.Dismissed() || m.Resent != 1 || m.ResentBy != "olga" || m.DismissReason != why.Reason {
		t.Errorf("%+v", m)
	}
	ledgertest.OK(t, queue.PutFailed(ctx, tables, queue.FailedMessage{Queue: "q", Text: "text", Reason: "again", LastSeen: ledgertest.Landed.Add(2 * time.Hour)}))
	if m := read(); m.Dismissed() || m.Times != 2 || m.Reason != "again" || m.DismissedBy != "olga" || m.Resent != 1 {
		t.Errorf("it failed again: %+v", m)
	}
	if _, err := queue.FailedByKey(ctx, tables, "q", "x"); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("another one: %v", err)
	}
}
