// Package messages is stackusage message: queue messages that no function could process.
package messages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage message.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("message", "List failed messages, resend or dismiss them", `
stackusage message list
stackusage message dismiss --queue usage-days --id 1f0e3dad99908345f7439f8ffabdffc4 --reason "the day is closed"`,
		list(e), resend(e), dismiss(e))
}

// Row is one line of message list.
type Row struct {
	Queue    string     `json:"queue"`
	ID       string     `json:"id"`
	State    string     `json:"state"` // failed, dismissed, poison
	Text     string     `json:"text"`
	Reason   string     `json:"reason,omitempty"`
	Times    int64      `json:"times"`
	LastSeen *time.Time `json:"lastSeen,omitempty"`
	Resent   int64      `json:"resent"`
	ResentBy string     `json:"resentBy,omitempty"`
	Decided  *Decision  `json:"dismissed,omitempty"`
}

// Decision is who dismissed a message, and why.
type Decision struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// States of a message.
const (
	failed    = "failed"
	dismissed = "dismissed"
	poison    = "poison" // on the poison queue: Sweep moves it to the failed ones
)

func rowOf(m queue.FailedMessage) Row {
	r := Row{Queue: m.Queue, ID: m.Key(), State: failed, Text: m.Text, Reason: m.Reason, Times: m.Times, LastSeen: cli.Known(m.LastSeen), Resent: m.Resent, ResentBy: m.ResentBy}
	if !m.DismissedAt.IsZero() {
		r.Decided = &Decision{m.DismissReason, m.DismissedBy, m.DismissedAt.UTC()}
	}
	if m.Dismissed() {
		r.State = dismissed
	}
	return r
}

func (r Row) why() string {
	if r.State == dismissed {
		return fmt.Sprintf("dismissed by %s %s: %s", r.Decided.By, usage.Point(r.Decided.At), r.Decided.Reason)
	}
	if r.Resent > 0 {
		return r.Reason + "; sent again " + cli.Count(r.Resent, "time")
	}
	return r.Reason
}

func list(e *cli.Env) *cobra.Command {
	var all bool
	cmd := cli.Command("list", "List messages that no function could process", `STATE is failed, or poison: the message is still on its poison queue, and Sweep moves
it to the failed ones within minutes. --all lists dismissed messages, too. The message
itself (text) and all fields are in --output json.`, `
stackusage message list
stackusage message list --all --output json`, func(ctx context.Context) error {
		storage, err := e.Storage()
		if err != nil {
			return err
		}
		return cli.List(e, func(yield func(Row, error) bool) {
			for m, err := range queue.FailedMessages(ctx, storage.Tables) {
				if err == nil && m.Dismissed() && !all {
					continue
				}
				if !yield(rowOf(m), err) || err != nil {
					return
				}
			}
			rows, err := poisoned(ctx, storage)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
		}, cli.Table[Row]{
			Head: []string{"QUEUE", "ID", "STATE", "TIMES", "LAST SEEN", "WHY"},
			Cells: func(r Row) []any {
				return []any{r.Queue, r.ID, r.State, r.Times, cli.PointOr(r.LastSeen), r.why()}
			},
			None: "no message has failed",
		})
	})
	cmd.Flags().BoolVar(&all, "all", false, "dismissed messages, too")
	return cmd
}

// queues are those that functions read.
var queues = []string{queue.Landed, queue.Days, queue.Batches}

// poisoned are the messages that Sweep has not moved yet: of each queue the first few.
func poisoned(ctx context.Context, storage *cli.Storage) (rows []Row, err error) {
	for _, name := range queues {
		texts, err := storage.Usage.Queues.Peek(ctx, queue.Poison(name))
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			rows = append(rows, Row{Queue: name, ID: queue.FailedKey(text), State: poison, Text: text, Reason: "the function gave up on it or could not read it", Times: 1})
		}
	}
	return rows, nil
}

// decision is a decision about one message.
type decision struct {
	why     reasoned.Decision
	reason  func() error
	name    string
	id      string
	message queue.FailedMessage
}

func (d *decision) flags(cmd *cobra.Command) {
	cli.EnumVar(cmd, &d.name, "queue", "`queue` of the message", queues...)
	cmd.Flags().StringVar(&d.id, "id", "", "`id` of the message, as message list shows it")
	d.reason = cli.ReasonFlags(cmd, &d.why)
}

// begin checks the flags, and reads the message. Only Sweep takes messages from a poison
// queue: operators have no right to.
func (d *decision) begin(ctx context.Context, e *cli.Env) (storage *cli.Storage, err error) {
	if d.name == "" || d.id == "" {
		return nil, errors.New("--queue or --id is missing: stackusage message list shows both")
	}
	if err := d.reason(); err != nil {
		return nil, err
	}
	if storage, err = e.Storage(); err != nil {
		return nil, err
	}
	d.message, err = queue.FailedByKey(ctx, storage.Tables, d.name, d.id)
	if errors.Is(err, table.ErrNotFound) {
		rows, peekErr := poisoned(ctx, storage)
		if peekErr != nil {
			return nil, peekErr
		}
		if slices.ContainsFunc(rows, func(r Row) bool { return r.Queue == d.name && r.ID == d.id }) {
			return nil, fmt.Errorf("message %s is still on the poison queue of %s; Sweep moves it to the failed ones within minutes, if it runs: then run the command again", d.id, d.name)
		}
		err = fmt.Errorf("no message of queue %s has id %s; stackusage message list shows the ones there are", d.name, d.id)
	}
	return storage, err
}

func resend(e *cli.Env) *cobra.Command {
	var d decision
	cmd := cli.Command("resend", "Send a failed message again", `Fix the cause first. Sweep does the same for open work, six hours after a message
failed or was last sent. A message that cannot be read is not sent: dismiss it.`, `
stackusage message resend --queue usage-days --id 1f0e3dad99908345f7439f8ffabdffc4 --reason "storage is back"`, func(ctx context.Context) error {
		storage, err := d.begin(ctx, e)
		if err != nil {
			return err
		}
		if queue.FailedKey(d.message.Text) != d.id {
			return errors.New("the message is longer than its row keeps, so it cannot be sent again; dismiss it")
		}
		if err := readable(d.name, d.message.Text); err != nil {
			return fmt.Errorf("%w; it would fail again: dismiss it", err)
		}
		m, err := queue.ResendFailed(ctx, storage.Tables, d.message, d.why)
		if err != nil {
			return changed(err)
		}
		if err := storage.Usage.Queues.Enqueue(ctx, d.name, m.Text, 0); err != nil {
			return fmt.Errorf("the request is recorded, but the message is not sent; run the command again: %w", err)
		}
		return cli.Result(e, rowOf(m), "Message %s is on queue %s again (%s, %s). Dismiss it when its work is done.\n", d.id, d.name, d.why.Reason, d.why.By)
	})
	d.flags(cmd)
	return cmd
}

// readable reports why no function could read a message.
func readable(name, text string) (err error) {
	switch name {
	case queue.Landed:
		_, _, err = queue.ParseLanded(text)
	case queue.Days:
		_, err = queue.ParseDay(text)
	case queue.Batches:
		_, err = queue.ParseBatch(text)
	}
	return err
}

func dismiss(e *cli.Env) *cobra.Command {
	var d decision
	cmd := cli.Command("dismiss", "Mark a failed message as handled", `The row stays, with who, when and why. The message no longer counts as failed, unless
it fails again.`, `
stackusage message dismiss --queue usage-days --id 1f0e3dad99908345f7439f8ffabdffc4 --reason "the day is closed"`, func(ctx context.Context) error {
		storage, err := d.begin(ctx, e)
		if err != nil {
			return err
		}
		if d.message.Dismissed() {
			m := d.message
			return fmt.Errorf("%s dismissed it already, %s: %s", m.DismissedBy, usage.Point(m.DismissedAt), cmp.Or(m.DismissReason, "no reason is recorded"))
		}
		m, err := queue.DismissFailed(ctx, storage.Tables, d.message, d.why)
		if err != nil {
			return changed(err)
		}
		return cli.Result(e, rowOf(m), "Message %s of queue %s is dismissed: %s (%s).\n", d.id, d.name, d.why.Reason, strings.Join([]string{d.why.By, usage.Point(d.why.At)}, ", "))
	})
	d.flags(cmd)
	return cmd
}

// changed explains that a message has failed, or was sent, since it was read.
func changed(err error) error {
	if errors.Is(err, table.ErrChanged) {
		return fmt.Errorf("the message failed again or was sent again meanwhile; run the command again: %w", err)
	}
	return err
}
