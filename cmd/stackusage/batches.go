package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
)

const aboutBatches = `list, retry and settle batches that are sent to commerce

  stackusage batches list
  stackusage batches retry --reason TEXT
  stackusage batches settle --cloud-id GUID --day 2019-12-10 --revision 1 --batch 1 --as declined --reason TEXT

stackusage batches SUBCOMMAND --help explains each.`

// batches is stackusage batches.
func batches(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "batches", aboutBatches, args, map[string]verb{"list": listBatches, "retry": retryBatches, "settle": settleBatch})
}

// batchFilter is which batches a command is about.
type batchFilter struct {
	id  ledger.BatchID // zero fields: any
	all bool           // answered ones too
}

// flags adds the flags of the filter. The result is called after they are
// parsed.
func (f *batchFilter) flags(fs *flag.FlagSet) func() error {
	fs.StringVar(&f.id.CloudID, "cloud-id", "", "only the registration with this `GUID`")
	dayVar(fs, &f.id.Day, "day", "only this usage `day` (YYYY-MM-DD, UTC)")
	fs.IntVar(&f.id.Revision, "revision", 0, "only this revision of its day, a `number`")
	fs.IntVar(&f.id.Number, "batch", 0, "only this batch of its revision, a `number`")
	return func() error {
		if f.id.Revision < 0 || f.id.Number < 0 {
			return errors.New("--revision and --batch must be 1 or more")
		}
		if f.id.CloudID == "" {
			return nil
		}
		return checkCloudID(f.id.CloudID)
	}
}

// batches goes through those that the filter lets pass.
func (f *batchFilter) batches(ctx context.Context, l *ledger.Ledger) iter.Seq2[ledger.ListedBatch, error] {
	source := l.UnansweredBatches(ctx, f.id.CloudID)
	if f.all {
		source = l.AllBatches(ctx, f.id.CloudID)
	}
	return func(yield func(ledger.ListedBatch, error) bool) {
		for b, err := range source {
			if err == nil && (f.id.Day != 0 && f.id.Day != b.ID.Day || f.id.Revision != 0 && f.id.Revision != b.ID.Revision ||
				f.id.Number != 0 && f.id.Number != b.ID.Number) {
				continue
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

const aboutBatchesList = `list the batches that commerce has not answered, or all of them

STATE is ready (not sent, or sent without an answer), waiting (sent again after
NOT BEFORE) or answered. REFUSED SINCE: commerce finds every request with records
of the batch unacceptable. UNREAD: in how many tries an answer had no result that
could be read. Such a batch waits until the cause is fixed, or an operator decides
with stackusage batches settle.`

// listedBatch is one line of batches list.
type listedBatch struct {
	CloudID      string       `json:"cloudId"`
	Day          string       `json:"usageDay"`
	Revision     int          `json:"revision"`
	Batch        int          `json:"batch"`
	State        string       `json:"state"`
	Records      int64        `json:"records"`
	Accepted     int64        `json:"accepted"`
	Duplicate    int64        `json:"duplicate"`
	Conflict     int64        `json:"conflict"`
	Rejected     int64        `json:"rejected"`
	Expired      int64        `json:"expired"`
	Declined     int64        `json:"declined"`
	Tries        int64        `json:"tries"`
	Unread       int64        `json:"unread,omitempty"`
	RefusedSince *time.Time   `json:"refusedSince,omitempty"`
	NotBefore    *time.Time   `json:"notBefore,omitempty"`
	LastAnswer   string       `json:"lastAnswer,omitempty"`
	Decided      *batchDecree `json:"decision,omitempty"`
	Retried      *batchDecree `json:"retry,omitempty"`
	Blob         string       `json:"blob"`
}

// batchDecree is what an operator said of a batch.
type batchDecree struct {
	Decision string    `json:"decision,omitempty"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

func listBatches(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "batches list", aboutBatchesList)
	var f batchFilter
	check := f.flags(fs)
	fs.BoolVar(&f.all, "all", false, "answered batches too")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := check(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	w := newListing(env, "CLOUD ID", "USAGE DAY", "REV", "BATCH", "STATE", "RECORDS", "TRIES", "UNREAD", "REFUSED SINCE", "NOT BEFORE", "LAST ANSWER")
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	for b, err := range f.batches(ctx, app.ledger) {
		if err != nil {
			return err
		}
		line := listedOf(b)
		if *asJSON {
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		w.row(line.CloudID, line.Day, line.Revision, line.Batch, line.State, line.Records,
			line.Tries, line.Unread, stampOr(line.RefusedSince), stampOr(line.NotBefore), line.why())
	}
	switch {
	case *asJSON:
		return nil
	case f.all:
		return w.flush("there is no such batch")
	}
	return w.flush("no such batch waits for an answer")
}

func listedOf(b ledger.ListedBatch) listedBatch {
	line := listedBatch{
		CloudID: b.ID.CloudID, Day: b.ID.Day.String(), Revision: b.ID.Revision, Batch: b.ID.Number, State: string(b.State),
		Records: b.Records, Accepted: b.Accepted, Duplicate: b.Duplicate, Conflict: b.Conflict, Rejected: b.Rejected, Expired: b.Expired, Declined: b.Declined,
		Tries: b.Tries, Unread: b.Unread, RefusedSince: known(b.RefusedSince), NotBefore: known(b.NotBefore), LastAnswer: b.LastAnswer, Blob: b.Blob,
	}
	if b.Decision != "" {
		line.Decided = &batchDecree{"settle as " + string(b.SettledAs()), b.DecisionReason, b.DecidedBy, b.DecidedAt.UTC()}
	}
	if b.RetriedBy != "" {
		line.Retried = &batchDecree{"", b.RetryReason, b.RetriedBy, b.RetriedAt.UTC()}
	}
	return line
}

// why is what is to be known of a batch, in one line. Commerce's words may hold
// anything.
func (l listedBatch) why() string {
	text := l.LastAnswer
	if l.State == string(ledger.BatchAnswered) {
		text = fmt.Sprintf("%d accepted, %d duplicate, %d conflict, %d rejected, %d expired", l.Accepted, l.Duplicate, l.Conflict, l.Rejected, l.Expired)
	}
	if d := l.Decided; d != nil {
		text = fmt.Sprintf("%s by %s %s: %s; %s", d.Decision, d.By, stamp(d.At), d.Reason, text)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return fmt.Sprintf("%.300s", text)
}

// known is a time that a column holds; nil if it holds none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func stampOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

const aboutBatchesRetry = `send waiting batches again at once

Use it when commerce is back, or when the cause of its response is fixed. Without
--cloud-id, --day, --revision and --batch, all waiting batches are sent. Each is sent
as it was committed, byte for byte. A batch that does not wait is announced again,
which does no harm.`

func retryBatches(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "batches retry", aboutBatchesRetry)
	var f batchFilter
	check := f.flags(fs)
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(check(), reason()); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	n := 0
	for b, err := range f.batches(ctx, app.ledger) {
		if err == nil {
			_, err = app.ledger.AskRetry(ctx, b.ID, why)
		}
		if err == nil {
			err = app.usage.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(b.ID), 0)
		}
		if err != nil {
			return fmt.Errorf("%d batches are on their way; run the command again for the rest: %w", n, err)
		}
		n++
		fmt.Fprintf(env.stdout, "batch %d of revision %d of %s of %s is tried now\n", b.ID.Number, b.ID.Revision, b.ID.Day, b.ID.CloudID)
	}
	if n == 0 {
		fmt.Fprintln(env.stdout, "no such batch waits for an answer")
	}
	return nil
}
