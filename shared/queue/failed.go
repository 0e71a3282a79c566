package queue

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// FailedByKey is a row of FailedMessages: a queue message that could not be
// worked off, where an operator sees it. One row stands for one text on one
// queue, however often it failed.
type FailedMessage struct {
	Queue    string    `col:"queue"`
	Text     string    `col:"text"`
	Reason   string    `col:"reason"`
	Times    int64     `col:"times"`
	LastSeen time.Time `col:"lastSeen"`

	// What Sweep did about it.
	Resent     int64     `col:"resent,omitempty"` // how often it was sent again since it failed first
	LastResent time.Time `col:"lastResent"`

	// What operators did about it.
	ResendReason  string    `col:"resendReason,omitempty"` // of the last one who sent it again
	ResentBy      string    `col:"resentBy,omitempty"`
	DismissReason string    `col:"dismissReason,omitempty"`
	DismissedBy   string    `col:"dismissedBy,omitempty"`
	DismissedAt   time.Time `col:"dismissedAt"`

	key string
	tag table.Tag
}

// Key names the message on its queue.
func (m FailedMessage) Key() string { return m.key }

// Dismissed reports whether an operator has dismissed the message, and it has not failed
// again since.
func (m FailedMessage) Dismissed() bool {
	return !m.DismissedAt.IsZero() && !m.LastSeen.After(m.DismissedAt)
}

// FailedKey is the Key of a text.
func FailedKey(text string) string { return failedKey(text) }

// PutFailed records a failed message.
func PutFailed(ctx context.Context, store table.Store, m FailedMessage) error {
	row := table.Row{Partition: m.Queue, Key: failedKey(m.Text)}
	m.Text, m.Reason, m.Times = table.Clip(m.Text), table.Clip(m.Reason), 1
	have, err := store.Get(ctx, table.FailedMessages, row.Partition, row.Key)
	verb := table.Insert
	if err == nil {
		var before FailedMessage
		if err := table.Decode(have.Props, &before); err != nil {
			return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
		}
		now := m
		m = before
		m.Reason, m.Times, m.LastSeen = now.Reason, before.Times+1, now.LastSeen
		verb, row.Tag = table.Update, have.Tag
	} else if !errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	row.Props = table.Encode(m)
	if err := store.Apply(ctx, table.FailedMessages, row.Partition, table.Op{Verb: verb, Row: row}); err != nil {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	return nil
}

// Failed reads what is known of a message that failed for good; its Times is 0
// if it never did.
func Failed(ctx context.Context, store table.Store, queue, text string) (FailedMessage, error) {
	var m FailedMessage
	row, err := store.Get(ctx, table.FailedMessages, queue, failedKey(text))
	if errors.Is(err, table.ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = table.Decode(row.Props, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read failed message of queue %s: %w", queue, err)
	}
	m.key, m.tag = row.Key, row.Tag
	return m, nil
}

// Tried is when a message last failed or, if that is later, was sent again.
func (m FailedMessage) Tried() time.Time {
	if m.LastResent.After(m.LastSeen) {
		return m.LastResent
	}
	return m.LastSeen
}

// NoteResent notes that the message that Failed read was sent again. If it
// failed once more meanwhile, that row stands.
func NoteResent(ctx context.Context, store table.Store, m FailedMessage, at time.Time) error {
	m.Resent, m.LastResent = m.Resent+1, at
	err := store.Apply(ctx, table.FailedMessages, m.Queue, table.Op{Verb: table.Update, Row: table.Row{Partition: m.Queue, Key: m.key, Props: table.Encode(m), Tag: m.tag}})
	if err != nil && !errors.Is(err, table.ErrChanged) {
		return fmt.Errorf("note that a failed message of queue %s was sent again: %w", m.Queue, err)
	}
	return nil
}

// FailedMessages goes through the messages that failed for good, dismissed ones included,
// in order of queue.
func FailedMessages(ctx context.Context, store table.Store) iter.Seq2[FailedMessage, error] {
	return func(yield func(FailedMessage, error) bool) {
		for row, err := range store.List(ctx, table.FailedMessages, "", "", "") {
			m := FailedMessage{key: row.Key, tag: row.Tag}
			if err == nil {
				err = table.Decode(row.Props, &m)
			}
			if err != nil {
				err = fmt.Errorf("list failed messages: %w", err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// FailedByKey reads the message that has a key on its queue; ErrNotFound if none has.
func FailedByKey(ctx context.Context, store table.Store, queue, key string) (FailedMessage, error) {
	row, err := store.Get(ctx, table.FailedMessages, queue, key)
	m := FailedMessage{key: row.Key, tag: row.Tag}
	if err == nil {
		err = table.Decode(row.Props, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read failed message %s of queue %s: %w", key, queue, err)
	}
	return m, nil
}

// DismissFailed marks a message as one that needs nothing more. The row stays; should the
// message fail again, it counts as failed again. ErrChanged means that it has failed, or
// was sent, since it was read.
func DismissFailed(ctx context.Context, store table.Store, m FailedMessage, why reasoned.Decision) (FailedMessage, error) {
	m.DismissReason, m.DismissedBy, m.DismissedAt = why.Reason, why.By, table.UTC(why.At)
	return m, decideFailed(ctx, store, m, why)
}

// ResendFailed notes that an operator has a message sent again, before it is sent.
func ResendFailed(ctx context.Context, store table.Store, m FailedMessage, why reasoned.Decision) (FailedMessage, error) {
	m.ResendReason, m.ResentBy = why.Reason, why.By
	m.Resent, m.LastResent = m.Resent+1, table.UTC(why.At)
	return m, decideFailed(ctx, store, m, why)
}

func decideFailed(ctx context.Context, store table.Store, m FailedMessage, why reasoned.Decision) error {
	err := why.Check()
	if err == nil {
		err = store.Apply(ctx, table.FailedMessages, m.Queue, table.Op{Verb: table.Update, Row: table.Row{Partition: m.Queue, Key: m.key, Props: table.Encode(m), Tag: m.tag}})
	}
	if err != nil {
		return fmt.Errorf("decide about failed message %s of queue %s: %w", m.key, m.Queue, err)
	}
	return nil
}

func failedKey(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:32] }
