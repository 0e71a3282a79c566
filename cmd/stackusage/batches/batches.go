// Package batches is stackusage batch: batches of daily records that are sent to
// commerce.
package batches

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage batch.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("batch", "List, retry and settle batches sent to commerce", `
stackusage batch list
stackusage batch retry --reason "commerce is back"`,
		list(e), retry(e), settle(e))
}

// filter chooses batches.
type filter struct {
	only *cli.Registration
	id   outbox.ID // zero fields: any
	all  bool      // answered ones too
}

func (f *filter) flags(cmd *cobra.Command) {
	cli.DayVar(cmd, &f.id.Day, "day", "only this usage `day` (YYYY-MM-DD, UTC)")
	cmd.Flags().IntVar(&f.id.Revision, "revision", 0, "only this revision of its day, a `number`")
	cmd.Flags().IntVar(&f.id.Number, "batch", 0, "only this batch of its revision, a `number`")
}

func (f *filter) check() error {
	if f.id.Revision < 0 || f.id.Number < 0 {
		return errors.New("--revision and --batch must be 1 or more")
	}
	return nil
}

// find goes through the batches that the filter lets pass.
func (f *filter) find(ctx context.Context, tables table.Store) iter.Seq2[outbox.Listed, error] {
	source := outbox.PendingBatches(ctx, tables, f.id.CloudID)
	switch {
	case f.all && f.id.CloudID != "" && f.id.Day != 0:
		source = outbox.OfDay(ctx, tables, f.id.CloudID, f.id.Day)
	case f.all:
		source = outbox.All(ctx, tables, f.id.CloudID)
	}
	return func(yield func(outbox.Listed, error) bool) {
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

// Row is one line of batch list.
type Row struct {
	CloudID       string     `json:"cloudId"`
	Day           string     `json:"usageDay"`
	Revision      int        `json:"revision"`
	Batch         int        `json:"batch"`
	State         string     `json:"state"`
	Records       int64      `json:"records"`
	Accepted      int64      `json:"accepted"`
	Duplicate     int64      `json:"duplicate"`
	Conflict      int64      `json:"conflict"`
	Rejected      int64      `json:"rejected"`
	Expired       int64      `json:"expired"`
	Declined      int64      `json:"declined"`
	Tries         int64      `json:"tries"`
	Unread        int64      `json:"unread,omitempty"`
	DeclinedSince *time.Time `json:"declinedSince,omitempty"`
	NotBefore     *time.Time `json:"notBefore,omitempty"`
	LastResponse  string     `json:"lastResponse,omitempty"`
	Decided       *Decision  `json:"decision,omitempty"`
	Retried       *Decision  `json:"retry,omitempty"`
	Blob          string     `json:"blob"`
}

// Decision is what an operator decided about a batch.
type Decision struct {
	Decision string    `json:"decision,omitempty"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

func list(e *cli.Env) *cobra.Command {
	var f filter
	cmd := cli.Command("list", "List batches without a final response", `STATE is ready (not sent, or sent without a response), waiting (sent again after
NOT BEFORE) or answered. DECLINED SINCE: commerce finds every request with records
of the batch unacceptable. UNREAD: in how many tries a response had no result that
could be read. Such a batch waits until the cause is fixed, or an operator decides
with stackusage batch settle.`, `
stackusage batch list
stackusage batch list --all --day 2019-12-10`, func(ctx context.Context) error {
		if err := f.check(); err != nil {
			return err
		}
		storage, cloudID, err := f.only.Filter(ctx)
		if err != nil {
			return err
		}
		f.id.CloudID = cloudID
		none := "no such batch waits for a response"
		if f.all {
			none = "there is no such batch"
		}
		return cli.List(e, rows(f.find(ctx, storage.Tables)), cli.Table[Row]{
			Head: []string{"REGISTRATION", "USAGE DAY", "REV", "BATCH", "STATE", "RECORDS", "TRIES", "UNREAD", "DECLINED SINCE", "NOT BEFORE", "LAST RESPONSE"},
			Cells: func(r Row) []any {
				return []any{storage.Name(ctx, r.CloudID), r.Day, r.Revision, r.Batch, r.State, r.Records, r.Tries, r.Unread, cli.PointOr(r.DeclinedSince), cli.PointOr(r.NotBefore), r.why()}
			},
			None: none,
		})
	})
	f.only = e.AnyRegistration(cmd)
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "answered batches too")
	return cmd
}

func rows(batches iter.Seq2[outbox.Listed, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for b, err := range batches {
			if !yield(rowOf(b), err) {
				return
			}
		}
	}
}

func rowOf(b outbox.Listed) Row {
	r := Row{
		CloudID: b.ID.CloudID, Day: b.ID.Day.String(), Revision: b.ID.Revision, Batch: b.ID.Number, State: string(b.State),
		Records: b.Records, Accepted: b.Accepted, Duplicate: b.Duplicate, Conflict: b.Conflict, Rejected: b.Rejected, Expired: b.Expired, Declined: b.Declined,
		Tries: b.Tries, Unread: b.Unread, DeclinedSince: cli.Known(b.DeclinedSince), NotBefore: cli.Known(b.NotBefore), LastResponse: b.LastResponse, Blob: b.Blob,
	}
	if b.Decision != "" {
		r.Decided = &Decision{"settle as " + string(b.SettledAs()), b.DecisionReason, b.DecidedBy, b.DecidedAt.UTC()}
	}
	if b.RetriedBy != "" {
		r.Retried = &Decision{"", b.RetryReason, b.RetriedBy, b.RetriedAt.UTC()}
	}
	return r
}

// why is what is to be known of a batch, in one line. Commerce's words may hold
// anything.
func (r Row) why() string {
	text := r.LastResponse
	if r.State == string(outbox.BatchDone) {
		text = fmt.Sprintf("%d accepted, %d duplicate, %d conflict, %d rejected, %d expired", r.Accepted, r.Duplicate, r.Conflict, r.Rejected, r.Expired)
	}
	if d := r.Decided; d != nil {
		text = fmt.Sprintf("%s by %s %s: %s; %s", d.Decision, d.By, usage.Point(d.At), d.Reason, text)
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return fmt.Sprintf("%.300s", text)
}
