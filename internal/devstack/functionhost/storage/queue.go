// Package storage is how the host reaches its storage: queues with their messages.
package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/queueerror"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
)

// Access is how the host's own calls reach storage.
type Access struct {
	Identity  azcore.TokenCredential // of the app; nil: it has none
	Transport policy.Transporter     // nil: as usual
}

// Message is a message that was received, with the lease on it.
type Message struct {
	envelope.Message
	Text string // as stored
}

// Queue is one storage queue.
type Queue struct {
	Name   string
	client *azqueue.QueueClient
}

// Queue opens a queue, which need not exist.
func (a Access) Queue(conn app.Connection, name string) (*Queue, error) {
	opts := &azqueue.ClientOptions{ClientOptions: azcore.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: 2, TryTimeout: 30 * time.Second, RetryDelay: 50 * time.Millisecond},
		Transport: a.Transport,
	}}
	var c *azqueue.QueueClient
	var err error
	switch {
	case conn.Text != "":
		c, err = azqueue.NewQueueClientFromConnectionString(conn.Text, name, opts)
	case a.Identity == nil:
		err = errors.New("the connection asks for an identity, and the app has none (functionhost.Options.Identity)")
	default:
		c, err = azqueue.NewQueueClient(conn.QueueURI+"/"+name, a.Identity, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", name, err)
	}
	return &Queue{name, c}, nil
}

// Receive takes up to n messages and hides them for so many seconds.
func (q *Queue) Receive(ctx context.Context, n, seconds int32) ([]*Message, error) {
	resp, err := q.client.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{NumberOfMessages: &n, VisibilityTimeout: &seconds})
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", q.Name, err)
	}
	var out []*Message
	for _, m := range resp.Messages {
		out = append(out, &Message{
			Text: deref(m.MessageText),
			Message: envelope.Message{
				ID: deref(m.MessageID), Receipt: deref(m.PopReceipt), Count: deref(m.DequeueCount),
				Inserted: deref(m.InsertionTime), Expires: deref(m.ExpirationTime), Visible: deref(m.TimeNextVisible),
			},
		})
	}
	return out, nil
}

// Hide sets for how many seconds from now m stays hidden; 0 releases it. The
// service replaces the text with what is sent, so the same text is sent.
func (q *Queue) Hide(ctx context.Context, m *Message, seconds int32) error {
	resp, err := q.client.UpdateMessage(ctx, m.ID, m.Receipt, m.Text, &azqueue.UpdateMessageOptions{VisibilityTimeout: &seconds})
	if err != nil {
		return fmt.Errorf("update message %s in queue %s: %w", m.ID, q.Name, err)
	}
	m.Receipt = deref(resp.PopReceipt)
	return nil
}

// Delete removes a message.
func (q *Queue) Delete(ctx context.Context, m *Message) error {
	if _, err := q.client.DeleteMessage(ctx, m.ID, m.Receipt, nil); err != nil {
		return fmt.Errorf("delete message %s from queue %s: %w", m.ID, q.Name, err)
	}
	return nil
}

// AddCreating adds a message, and the queue if there is none.
func (q *Queue) AddCreating(ctx context.Context, text string) error {
	_, err := q.client.EnqueueMessage(ctx, text, nil)
	if queueerror.HasCode(err, queueerror.QueueNotFound) {
		if _, err = q.client.Create(ctx, nil); err != nil && !queueerror.HasCode(err, queueerror.QueueAlreadyExists) {
			return fmt.Errorf("create queue %s: %w", q.Name, err)
		}
		_, err = q.client.EnqueueMessage(ctx, text, nil)
	}
	if err != nil {
		return fmt.Errorf("add message to queue %s: %w", q.Name, err)
	}
	return nil
}

// LeaseLost reports an error that means somebody else has the message now, or
// that it is gone. The real host swallows these.
func LeaseLost(err error) bool {
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
