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
	"stackusage/internal/memstore"
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

// queueStore is what others use of queues, and what only tests do.
type queueStore interface {
	Create(ctx context.Context, names ...string) error
	Enqueue(ctx context.Context, queue, text string, delay time.Duration) error
	Depth(ctx context.Context, queue string) (int64, error)
	Drain(ctx context.Context, queue string, take func(text string) error) error
	PutRaw(ctx context.Context, queue, raw string) error
	Clear(ctx context.Context, queue string) error
}

// azureQueues are those of Azure.
type azureQueues struct {
	*azurestore.Queues
	raw *azqueue.QueueClient
}

func (a azureQueues) PutRaw(ctx context.Context, _, raw string) error {
	_, err := a.raw.EnqueueMessage(ctx, raw, nil)
	return err
}

func (a azureQueues) Clear(ctx context.Context, _ string) error {
	_, err := a.raw.ClearMessages(ctx, nil)
	return err
}

// eachQueue runs a part of the contract of queues on Azure, and on the queues in
// memory that other tests rely on.
func eachQueue(t *testing.T, contract func(t *testing.T, queues queueStore)) {
	t.Parallel()
	t.Run("Azure Queues", func(t *testing.T) {
		t.Parallel()
		queues, raw := openQueue(t)
		contract(t, azureQueues{queues, raw})
	})
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		queues := memstore.NewQueues()
		ok(t, queues.Create(t.Context(), queue))
		contract(t, queues)
	})
}

func depth(t testing.TB, q queueStore) int64 {
	t.Helper()
	n, err := q.Depth(context.Background(), queue)
	ok(t, err)
	return n
}

// The Functions host finds base64 of the text, and however late.
func TestEnqueueForTheHost(t *testing.T) {
	t.Parallel()
	queues, raw := openQueue(t)
	const text = `{"cloudId":"größe","usageDay":"2019-12-10"}`
	ok(t, queues.Enqueue(t.Context(), queue, text, 0))
	got, err := raw.DequeueMessage(t.Context(), nil)
	ok(t, err)
	if len(got.Messages) != 1 || *got.Messages[0].MessageText != base64.StdEncoding.EncodeToString([]byte(text)) {
		t.Errorf("the queue holds %v", got.Messages)
	}
	if until := *got.Messages[0].ExpirationTime; time.Until(until) < 100*365*24*time.Hour {
		t.Errorf("the message expires %s: an outage may be longer", until)
	}
}

func TestEnqueue(t *testing.T) { eachQueue(t, enqueue) }

func enqueue(t *testing.T, queues queueStore) {
	ctx := context.Background()
	t.Run("a queue may be created twice", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "kept", 0))
		ok(t, queues.Create(ctx, queue))
		if n := depth(t, queues); n != 1 {
			t.Errorf("depth %d, want 1", n)
		}
	})
	t.Run("a queue is cleared of all its messages", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "later", time.Hour))
		ok(t, queues.Clear(ctx, queue))
		if n := depth(t, queues); n != 0 {
			t.Errorf("depth %d, want 0", n)
		}
	})
	t.Run("a delayed message counts and is hidden", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "later", time.Hour))
		ok(t, queues.Drain(ctx, queue, func(text string) error { t.Errorf("%q can be read at once", text); return nil }))
		if n := depth(t, queues); n != 1 {
			t.Errorf("depth %d, want 1", n)
		}
	})
	t.Run("a delay beyond what a queue takes is shortened, one below a second is none", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "much later", 1000*time.Hour))
		ok(t, queues.Enqueue(ctx, queue, "now", 999*time.Millisecond))
		var got []string
		ok(t, queues.Drain(ctx, queue, func(text string) error { got = append(got, text); return nil }))
		if diff := cmp.Diff([]string{"now"}, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
	})
	t.Run("a missing queue is an error", func(t *testing.T) {
		if err := queues.Enqueue(ctx, "no-such-queue", "x", 0); err == nil {
			t.Error("no error: the message is lost")
		}
	})
}

func TestDepthOfAMissingQueueIsZero(t *testing.T) {
	eachQueue(t, func(t *testing.T, queues queueStore) {
		n, err := queues.Depth(context.Background(), "no-such-queue")
		if n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestDrain(t *testing.T) { eachQueue(t, drain) }

func drain(t *testing.T, queues queueStore) {
	ctx := context.Background()
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
			ok(t, queues.PutRaw(ctx, queue, text))
		}
		ok(t, queues.Drain(ctx, queue, take))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
	})
	t.Run("a message that is not taken stays, hidden from others for a while", func(t *testing.T) {
		ok(t, queues.Enqueue(ctx, queue, "stays", 0))
		refuse := errors.New("no table")
		if err := queues.Drain(ctx, queue, func(string) error { return refuse }); !errors.Is(err, refuse) {
			t.Errorf("got %v", err)
		}
		ok(t, queues.Drain(ctx, queue, func(text string) error { t.Errorf("%q comes again at once", text); return nil }))
		if n := depth(t, queues); n != 1 {
			t.Errorf("depth %d, want 1", n)
		}
	})
}
