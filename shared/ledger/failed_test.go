package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

func TestFailedMessages(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	put := func(t *testing.T, queue, text string, at time.Time) {
		t.Helper()
		ok(t, l.PutFailed(ctx, ledger.FailedMessage{Queue: queue, Text: text, Reason: "because", LastSeen: at}))
	}
	t.Run("a message that never failed has no time", func(t *testing.T) {
		m, err := l.Failed(ctx, "q", "text")
		ok(t, err)
		if m.Times != 0 || !m.Tried().IsZero() {
			t.Errorf("%+v", m)
		}
	})
	t.Run("one text on one queue is one row that counts", func(t *testing.T) {
		put(t, "q", "text", landed)
		put(t, "q", "text", landed.Add(time.Hour))
		put(t, "r", "text", landed)
		m, err := l.Failed(ctx, "q", "text")
		ok(t, err)
		if m.Times != 2 || !m.Tried().Equal(landed.Add(time.Hour)) {
			t.Errorf("%+v", m)
		}
		n := 0
		for _, err := range l.FailedMessages(ctx) {
			ok(t, err)
			n++
		}
		if n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
		for row, err := range l.Store.List(ctx, table.FailedMessages, "q", "", "") {
			ok(t, err)
			want := table.Props{"queue": "q", "text": "text", "reason": "because", "times": int64(2), "lastSeen": landed.Add(time.Hour)}
			if diff := cmp.Diff(want, row.Props); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("long texts are cut and still told apart", func(t *testing.T) {
		long := strings.Repeat("x", 64<<10)
		put(t, "long", long+"1", landed)
		put(t, "long", long+"2", landed)
		rows := 0
		for row, err := range l.Store.List(ctx, table.FailedMessages, "long", "", "") {
			ok(t, err)
			if text := row.Props["text"].(string); len(text) > 1003 {
				t.Errorf("the row keeps %d bytes", len(text))
			}
			rows++
		}
		if rows != 2 {
			t.Errorf("%d rows, want 2", rows)
		}
		m, err := l.Failed(ctx, "long", long+"2")
		ok(t, err)
		if !m.Tried().Equal(landed) {
			t.Errorf("failed at %s", m.Tried())
		}
	})
	t.Run("that it was sent again is noted, and outlives the next failure", func(t *testing.T) {
		before, err := l.Failed(ctx, "r", "text")
		ok(t, err)
		ok(t, l.NoteResent(ctx, before, landed.Add(2*time.Hour)))
		ok(t, l.NoteResent(ctx, before, landed.Add(9*time.Hour))) // by another, who read the same row: no harm
		if m, err := l.Failed(ctx, "r", "text"); err != nil || m.Resent != 1 || m.Times != 1 || !m.Tried().Equal(landed.Add(2*time.Hour)) {
			t.Errorf("%+v %v", m, err)
		}
		put(t, "r", "text", landed.Add(3*time.Hour))
		if m, err := l.Failed(ctx, "r", "text"); err != nil || m.Resent != 1 || m.Times != 2 || !m.Tried().Equal(landed.Add(3*time.Hour)) {
			t.Errorf("%+v %v", m, err)
		}
	})
	t.Run("bytes that are no text are recorded", func(t *testing.T) {
		put(t, "q", "\xff\x00\xfe", landed)
	})
}

// TestDecidedFailedMessages: what an operator did about a message stays in its row, and
// one that was dismissed and fails again counts again.
func TestDecidedFailedMessages(t *testing.T) {
	t.Parallel()
	ctx, l := t.Context(), inMemory()
	ok(t, l.PutFailed(ctx, ledger.FailedMessage{Queue: "q", Text: "text", Reason: "because", LastSeen: landed}))
	read := func() ledger.FailedMessage {
		t.Helper()
		m, err := l.FailedMessage(ctx, "q", ledger.FailedKey("text"))
		ok(t, err)
		return m
	}
	before := read()
	why := ledger.Reasoned{By: "olga", Reason: "storage was away", At: landed.Add(time.Hour)}
	_, err := l.ResendFailed(ctx, before, why)
	ok(t, err)
	if _, err := l.DismissFailed(ctx, before, why); !errors.Is(err, table.ErrChanged) {
		t.Errorf("a row that has changed: %v", err)
	}
	if _, err := l.DismissFailed(ctx, read(), ledger.Reasoned{By: "olga"}); err == nil {
		t.Error("no reason, and it is dismissed")
	}
	_, err = l.DismissFailed(ctx, read(), why)
	ok(t, err)
	if m := read(); !m.Dismissed() || m.Resent != 1 || m.ResentBy != "olga" || m.DismissReason != why.Reason {
		t.Errorf("%+v", m)
	}
	ok(t, l.PutFailed(ctx, ledger.FailedMessage{Queue: "q", Text: "text", Reason: "again", LastSeen: landed.Add(2 * time.Hour)}))
	if m := read(); m.Dismissed() || m.Times != 2 || m.Reason != "again" || m.DismissedBy != "olga" || m.Resent != 1 {
		t.Errorf("it failed again: %+v", m)
	}
	if _, err := l.FailedMessage(ctx, "q", "x"); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("another one: %v", err)
	}
}
