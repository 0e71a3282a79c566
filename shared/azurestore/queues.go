package azurestore

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"
)

// Queues writes messages as the Functions host reads them: base64.
type Queues struct{ service *azqueue.ServiceClient }

// neverExpire keeps a message until it is worked off: the default is 7 days,
// and an outage may be longer.
const neverExpire int32 = -1

// Create makes the queues that do not exist.
func (q *Queues) Create(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := q.service.CreateQueue(ctx, name, nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
			return fmt.Errorf("create queue %s: %w", name, err)
		}
	}
	return nil
}

// Enqueue puts a message on a queue, visible after delay (whole seconds, at
// most 7 days).
func (q *Queues) Enqueue(ctx context.Context, queue, text string, delay time.Duration) error {
	ttl, hidden := neverExpire, int32(min(delay, 7*24*time.Hour-time.Second)/time.Second)
	_, err := q.service.NewQueueClient(queue).EnqueueMessage(ctx, base64.StdEncoding.EncodeToString([]byte(text)),
		&azqueue.EnqueueMessageOptions{TimeToLive: &ttl, VisibilityTimeout: &hidden})
	if err != nil {
		return fmt.Errorf("enqueue on %s: %w", queue, err)
	}
	return nil
}

// Depth is about how many messages a queue holds; 0 if there is no queue.
func (q *Queues) Depth(ctx context.Context, queue string) (int64, error) {
	props, err := q.service.NewQueueClient(queue).GetProperties(ctx, nil)
	if hasStatus(err, http.StatusNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read depth of queue %s: %w", queue, err)
	}
	if props.ApproximateMessagesCount == nil {
		return 0, nil
	}
	return int64(*props.ApproximateMessagesCount), nil
}

// Drain takes a few messages at a time and hides them from others for as long as
// they should take, and no longer: a process that is killed in between leaves
// them hidden. One that is taken twice is no harm.
const (
	drainBatch int32 = 8
	drainLease int32 = 10 // seconds
)

// Peek is the texts of the first visible messages of a queue, at most 32, as Drain reads
// them. They stay where they are. A missing queue is empty.
func (q *Queues) Peek(ctx context.Context, queue string) (texts []string, err error) {
	most := int32(32)
	resp, err := q.service.NewQueueClient(queue).PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: &most})
	if hasStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at queue %s: %w", queue, err)
	}
	for _, m := range resp.Messages {
		texts = append(texts, decoded(*m.MessageText))
	}
	return texts, nil
}

// decoded is the text of a message before base64 or, if it never was, as it is.
func decoded(text string) string {
	if plain, err := base64.StdEncoding.DecodeString(text); err == nil && utf8.Valid(plain) {
		return string(plain)
	}
	return text
}

// Drain hands the text of each visible message of a queue to take, as it was
// before base64 or, if it never was, as it is, and deletes the message when
// take returns nil. A missing queue is empty.
func (q *Queues) Drain(ctx context.Context, queue string, take func(text string) error) error {
	client := q.service.NewQueueClient(queue)
	lease, most := drainLease, drainBatch
	for {
		resp, err := client.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: &most, VisibilityTimeout: &lease})
		if hasStatus(err, http.StatusNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read queue %s: %w", queue, err)
		}
		if len(resp.Messages) == 0 {
			return nil
		}
		for _, m := range resp.Messages {
			if err := take(decoded(*m.MessageText)); err != nil {
				return err
			}
			if _, err := client.DeleteMessage(ctx, *m.MessageID, *m.PopReceipt, nil); err != nil && !hasStatus(err, http.StatusNotFound) {
				return fmt.Errorf("delete message of queue %s: %w", queue, err)
			}
		}
	}
}
