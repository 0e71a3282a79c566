package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"
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
}

// PutFailed records a failed message.
func (l *Ledger) PutFailed(ctx context.Context, m FailedMessage) error {
	row := Row{Partition: m.Queue, Key: failedKey(m.Text)}
	m.Text, m.Reason, m.Times = clip(m.Text), clip(m.Reason), 1
	have, err := l.Store.Get(ctx, TableFailedMessages, row.Partition, row.Key)
	verb := Insert
	if err == nil {
		if n, ok := have.Props["times"].(int64); ok {
			m.Times = n + 1
		}
		verb, row.Tag = Update, have.Tag
	} else if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	row.Props = toProps(m)
	if err := l.Store.Apply(ctx, TableFailedMessages, row.Partition, Op{verb, row}); err != nil {
		return fmt.Errorf("record failed message of queue %s: %w", m.Queue, err)
	}
	return nil
}

// Failed reads when a message last failed; the zero time if it never did.
func (l *Ledger) Failed(ctx context.Context, queue, text string) (time.Time, error) {
	row, err := l.Store.Get(ctx, TableFailedMessages, queue, failedKey(text))
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	} else if err != nil {
		return time.Time{}, fmt.Errorf("read failed message of queue %s: %w", queue, err)
	}
	seen, _ := row.Props["lastSeen"].(time.Time)
	return seen, nil
}

// CountFailed counts the rows of FailedMessages.
func (l *Ledger) CountFailed(ctx context.Context) (int, error) {
	n := 0
	for _, err := range l.Store.List(ctx, TableFailedMessages, "", "", "") {
		if err != nil {
			return 0, fmt.Errorf("count failed messages: %w", err)
		}
		n++
	}
	return n, nil
}

func failedKey(text string) string { return hexSHA256(text)[:32] }
