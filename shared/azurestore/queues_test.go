package azurestore_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/azurestore"
)

const queue = "usage-landed"

// openQueue makes a queue, and reaches it also as the Functions host does.
func openQueue(t testing.TB) (*azurestore.Queues, *azqueue.QueueClient) {
	t.Helper()
	connection := azuritetest.Account(t)
	queues := reconnect(t, connection).Queues
	ok(t, queues.Create(context.Background(), queue))
	raw, err := azqueue.NewQueueClientFromConnectionString(connection, queue, nil)
	ok(t, err)
	return queues, raw
}

func depth(t testing.TB, q *azurestore.Queues) int64 {
	t.Helper()
	n, err := q.Depth(context.Background(), queue)
	ok(t, err)
	return n
}

func TestEnqueue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	queues, raw := openQueue(t)
	t.Run("a queue may be created twice", func(t *testing.T) {
		ok(t, queues.Create(ctx, queue))
	})
	t.Run("the host finds base64 of the text", func(t *testing.T) {
		const text = `{"cloudId":"größe","usageDay":"2019-12-10"}`
		ok(t, queues.Enqueue(ctx, queue, text, 0))
		got, err := raw.DequeueMessage(ctx, nil)
		ok(t, err)
		if len(got.Messages) != 1 || *got.Messages[0].MessageText != base64.StdEncoding.EncodeToString([]byte(text)) {
			t.Errorf("the queue holds %v", got.Messages)
		}
		if until := *got.Messages[0].ExpirationTime; time.Until(until) < 100*365*24*time.Hour {
			t.Errorf("the message expires %s: an outage may be longer", until)
		}
	})
	t.Run("a delayed message counts and is hidden", func(t *testing.T) {
		_, err := raw.ClearMessages(ctx, nil)
		ok(t, err)
		ok(t, queues.Enqueue(ctx, queue, "later", time.Hour))
		got, err := raw.PeekMessages(ctx, nil)
		ok(t, err)
		if len(got.Messages) != 0 {
			t.Error("the message can be read at once")
		}
		if n := depth(t, queues); n != 1 {
			t.Errorf("depth %d, want 1", n)
		}
	})
	t.Run("a delay beyond what a queue takes is shortened, one below a second is none", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "much later", 1000*time.Hour))
		ok(t, queues.Enqueue(ctx, queue, "now", 999*time.Millisecond))
	})
	t.Run("a missing queue is an error", func(t *testing.T) {
		if err := queues.Enqueue(ctx, "no-such-queue", "x", 0); err == nil {
			t.Error("no error: the message is lost")
		}
	})
}

func TestDepthOfAMissingQueueIsZero(t *testing.T) {
	t.Parallel()
	n, err := connect(t).Queues.Depth(context.Background(), "no-such-queue")
	if n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	queues, raw := openQueue(t)
	var got []string
	take := func(text string) error { got = append(got, text); return nil }
	t.Run("a missing queue is empty", func(t *testing.T) {
		ok(t, queues.Drain(ctx, "no-such-queue", take))
	})
	t.Run("each text comes once and is gone, however many", func(t *testing.T) {
		var want []string
		for i := range 40 { // a request takes at most 32
			want = append(want, fmt.Sprintf("message %02d", i))
			ok(t, queues.Enqueue(ctx, queue, want[i], 0))
		}
		ok(t, queues.Drain(ctx, queue, take))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
		if n := depth(t, queues); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
	t.Run("a text that is no base64 comes as it is", func(t *testing.T) {
		// The second reads as base64, of bytes that are no text.
		want := []string{`{"by":"hand"}`, "test", "<a> & b"}
		got = nil
		for _, text := range want {
			_, err := raw.EnqueueMessage(ctx, text, nil)
			ok(t, err)
		}
		ok(t, queues.Drain(ctx, queue, take))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
	})
	t.Run("a message that is not taken stays", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "stays", 0))
		refuse := errors.New("no table")
		if err := queues.Drain(ctx, queue, func(string) error { return refuse }); !errors.Is(err, refuse) {
			t.Errorf("got %v", err)
		}
		if n := depth(t, queues); n != 1 {
			t.Errorf("depth %d, want 1", n)
		}
	})
}
