package ledger_test

import (
	"context"
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
		n, err := l.CountFailed(ctx)
		ok(t, err)
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
