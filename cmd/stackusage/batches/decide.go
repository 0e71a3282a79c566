package batches

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func retry(e *cli.Env) *cobra.Command {
	var f filter
	var why reasoned.Decision
	var reason func() error
	cmd := cli.Command("retry", "Send waiting batches again at once", `Use it when commerce is back, or when the cause of its response is fixed. Without
--registration, --day, --revision and --batch, all waiting batches are sent. Each is
sent as it was committed, byte for byte. A batch that is ready is announced again, which
does no harm. One that is named and has its final response is an error.`, `
stackusage batch retry --reason "commerce is back"`, func(ctx context.Context) error {
		if err := errors.Join(f.check(), reason()); err != nil {
			return err
		}
		storage, cloudID, err := f.only.Filter(ctx)
		if err != nil {
			return err
		}
		f.id.CloudID = cloudID
		var sent []Row
		var text strings.Builder
		for b, err := range f.find(ctx, storage.Tables) {
			if err == nil {
				b.Batch, err = outbox.AskRetry(ctx, storage.Tables, b.ID, why)
			}
			if err == nil {
				err = storage.Usage.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(b.ID), 0)
			}
			if err != nil {
				return errors.Join(cli.Results(e, sent, text.String()),
					fmt.Errorf("%s on their way; run the command again for the rest: %w", cli.Count(len(sent), "batch"), err))
			}
			sent = append(sent, rowOf(b))
			fmt.Fprintf(&text, "batch %d of revision %d of %s of %s is tried now\n", b.ID.Number, b.ID.Revision, b.ID.Day, storage.Name(ctx, b.ID.CloudID))
		}
		if len(sent) == 0 && f.id != (outbox.ID{CloudID: cloudID}) {
			return errors.New("no such batch waits for a response; stackusage batch list --all shows those that have one")
		}
		if len(sent) == 0 {
			text.WriteString("no batch waits for a response\n")
		}
		return cli.Results(e, sent, text.String())
	})
	f.only = e.AnyRegistration(cmd)
	f.flags(cmd)
	reason = cli.ReasonFlags(cmd, &why)
	return cmd
}

func settle(e *cli.Env) *cobra.Command {
	var f filter
	var as outbox.Outcome
	var d cli.Decision
	cmd := cli.Command("settle", "Settle records that commerce does not answer", `For a batch that commerce refuses whole (DECLINED SINCE in batch list), gives no
results for that can be read (UNREAD), or has not answered in five tries, where an
operator knows how it ends. ForwardBatch sends it once more, record by record, and then
reads back which of the rest commerce has. What it has is Accepted, either way:

  --as accepted   what the read-back does not show waits on
  --as declined   what the read-back does not show is Rejected for good, with who
                  decided and why, and is not billed: later revisions leave it out
                  until stackusage day restate drops the decision

While commerce cannot be read back, the decision waits. The other decision may take
its place until the batch is answered.`, `
stackusage batch settle --day 2019-12-10 --revision 1 --batch 1 --as declined --reason "test resource"`, func(ctx context.Context) error {
		if f.id.Day == 0 || f.id.Revision <= 0 || f.id.Number <= 0 {
			return errors.New("name one batch: --day, --revision and --batch, as batch list shows them")
		}
		if as == "" {
			return fmt.Errorf("--as is missing: %s or %s", outbox.SettleAccepted, outbox.SettleDeclined)
		}
		storage, cloudID, err := d.CloudID(ctx)
		if err != nil {
			return err
		}
		f.id.CloudID = cloudID
		return decide(ctx, e, storage, f.id, as, d.Why)
	})
	d.Flags(e, cmd)
	f.flags(cmd)
	cli.EnumVar(cmd, &as, "as", "`outcome` of the records", outbox.SettleAccepted, outbox.SettleDeclined)
	return cmd
}

func decide(ctx context.Context, e *cli.Env, storage *cli.Storage, id outbox.ID, as outbox.Outcome, why reasoned.Decision) error {
	b, err := outbox.AskSettle(ctx, storage.Tables, id, as, why)
	if errors.Is(err, table.ErrNotFound) {
		err = fmt.Errorf("%w: stackusage batch list --all shows which there are", err)
	}
	if err != nil {
		return err
	}
	row := rowOf(outbox.Listed{ID: id, Batch: b})
	decided := fmt.Sprintf("%s (%s, %s)", b.DecisionReason, b.DecidedBy, usage.Point(b.DecidedAt))
	if b.State == outbox.BatchDone {
		return cli.Result(e, row, "The batch is answered, and this decision is recorded: %s. %s rejected.\n", decided, cli.Count(b.Rejected, "record"))
	}
	// Should the message get lost, Sweep or the same command sends it again.
	if err := storage.Usage.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), 0); err != nil {
		return fmt.Errorf("the decision is recorded, and Sweep will find it: %w", err)
	}
	return cli.Result(e, row, `What commerce does not answer of this batch is settled as %s: %s.
ForwardBatch sends it once more now; what commerce has is billed all the same.
Watch:
  stackusage batch list --all --registration %s --day %s --revision %d --batch %d
`, as, decided, storage.Name(ctx, id.CloudID), id.Day, id.Revision, id.Number)
}
