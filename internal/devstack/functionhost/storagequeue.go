package functionhost

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"
)

// message is a message that was received, with the lease on it.
type message struct {
	id      string
	receipt string // changes whenever the lease is renewed
	text    string // as stored
	count   int64  // how often it was received, this time included

	inserted, expires, visible time.Time
}

// queueClient is one storage queue.
type queueClient struct {
	name   string
	client *azqueue.QueueClient
}

// clientOptions are those of the host's own calls of storage.
func (o Options) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: 2, TryTimeout: 30 * time.Second, RetryDelay: 50 * time.Millisecond},
		Transport: o.Transport,
	}
}

func (o Options) newQueueClient(conn connection, name string) (*queueClient, error) {
	opts := &azqueue.ClientOptions{ClientOptions: o.clientOptions()}
	var c *azqueue.QueueClient
	var err error
	if conn.text != "" {
		c, err = azqueue.NewQueueClientFromConnectionString(conn.text, name, opts)
	} else if uri, unknown := conn.uri("queue", o.Identity); unknown != nil {
		err = unknown
	} else {
		c, err = azqueue.NewQueueClient(uri+"/"+name, o.Identity, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", name, err)
	}
	return &queueClient{name, c}, nil
}

// receive takes up to n messages and hides them for so many seconds.
func (q *queueClient) receive(ctx context.Context, n, seconds int32) ([]*message, error) {
	resp, err := q.client.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: &n, VisibilityTimeout: &seconds})
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", q.name, err)
	}
	var out []*message
	for _, m := range resp.Messages {
		out = append(out, &message{
			id: deref(m.MessageID), receipt: deref(m.PopReceipt), text: deref(m.MessageText), count: deref(m.DequeueCount),
			inserted: deref(m.InsertionTime), expires: deref(m.ExpirationTime), visible: deref(m.TimeNextVisible),
		})
	}
	return out, nil
}

// hide sets for how many seconds from now m stays hidden; 0 releases it. The
// service replaces the text with what is sent, so the same text is sent.
func (q *queueClient) hide(ctx context.Context, m *message, seconds int32) error {
	resp, err := q.client.UpdateMessage(ctx, m.id, m.receipt, m.text, &azqueue.UpdateMessageOptions{VisibilityTimeout: &seconds})
	if err != nil {
		return fmt.Errorf("update message %s in queue %s: %w", m.id, q.name, err)
	}
	m.receipt = deref(resp.PopReceipt)
	return nil
}

func (q *queueClient) delete(ctx context.Context, m *message) error {
	if _, err := q.client.DeleteMessage(ctx, m.id, m.receipt, nil); err != nil {
		return fmt.Errorf("delete message %s from queue %s: %w", m.id, q.name, err)
	}
	return nil
}

// addCreating adds a message, and the queue if there is none.
func (q *queueClient) addCreating(ctx context.Context, text string) error {
	_, err := q.client.EnqueueMessage(ctx, text, nil)
	if queueerror.HasCode(err, queueerror.QueueNotFound) {
		if _, err = q.client.Create(ctx, nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
			return fmt.Errorf("create queue %s: %w", q.name, err)
		}
		_, err = q.client.EnqueueMessage(ctx, text, nil)
	}
	if err != nil {
		return fmt.Errorf("add message to queue %s: %w", q.name, err)
	}
	return nil
}

// leaseLost reports an error that means somebody else has the message now, or
// that it is gone. The real host swallows these.
func leaseLost(err error) bool {
	return queueerror.HasCode(err, queueerror.PopReceiptMismatch, queueerror.MessageNotFound,
		queueerror.QueueNotFound, queueerror.QueueBeingDeleted, queueerror.QueueDisabled)
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
