package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/table"
)

// FailedMessage is a row of FailedMessages: a queue message that could not be
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

	key string
	tag table.Tag
}

// PutFailed records a failed message.
func (l *Ledger) PutFailed(ctx context.Context, m FailedMessage) error {
	row := table.Row{Partition: m.Queue, Key: failedKey(m.Text)}
	m.Text, m.Reason, m.Times = Clip(m.Text), Clip(m.Reason), 1
	have, err := l.Store.Get(ctx, table.FailedMessages, row.Partition, row.Key)
	verb := table.Insert
	if err == nil {
		var before FailedMessage
		if err := table.Decode(have.Props, &before); err != nil {
			return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
		}
		m.Times, m.Resent, m.LastResent = before.Times+1, before.Resent, before.LastResent
		verb, row.Tag = table.Update, have.Tag
	} else if !errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	row.Props = table.Encode(m)
	if err := l.Store.Apply(ctx, table.FailedMessages, row.Partition, table.Op{Verb: verb, Row: row}); err != nil {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	return nil
}

// Failed reads what is known of a message that failed for good; its Times is 0
// if it never did.
func (l *Ledger) Failed(ctx context.Context, queue, text string) (FailedMessage, error) {
	var m FailedMessage
	row, err := l.Store.Get(ctx, table.FailedMessages, queue, failedKey(text))
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
func (l *Ledger) NoteResent(ctx context.Context, m FailedMessage, at time.Time) error {
	m.Resent, m.LastResent = m.Resent+1, at
	err := l.Store.Apply(ctx, table.FailedMessages, m.Queue, table.Op{Verb: table.Update, Row: table.Row{Partition: m.Queue, Key: m.key, Props: table.Encode(m), Tag: m.tag}})
	if err != nil && !errors.Is(err, table.ErrChanged) {
		return fmt.Errorf("note that a failed message of queue %s was sent again: %w", m.Queue, err)
	}
	return nil
}

// CountFailed counts the rows of FailedMessages.
func (l *Ledger) CountFailed(ctx context.Context) (int, error) {
	n := 0
	for _, err := range l.Store.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return 0, fmt.Errorf("count failed messages: %w", err)
		}
		n++
	}
	return n, nil
}

func failedKey(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:32] }
