package main

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

const aboutBatchesSettle = `settle records that commerce does not answer

For a batch that commerce refuses whole (REFUSED SINCE in batches list), gives no
results for that can be read (UNREAD), or has not answered in five tries, where an
operator knows how it ends. ForwardBatch asks commerce once more, record by record,
and then reads back which of the rest it has. What it has is Accepted, either way:

  --as accepted   what the read-back does not show waits on
  --as declined   what the read-back does not show is Rejected for good, with who
                  decided and why, and is not billed: later revisions leave it out
                  until stackusage days restate drops the decision

While commerce cannot be read back, the decision waits. The other decision may take
its place until the batch is answered.`

func settleBatch(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "batches settle", aboutBatchesSettle)
	var f batchFilter
	check := f.flags(fs)
	as := fs.String("as", "", "`outcome` of the records: accepted or declined")
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if f.id.CloudID == "" || f.id.Day == usage.Day(0) || f.id.Revision == 0 || f.id.Number == 0 {
		return errors.New("name one batch: --cloud-id, --day, --revision and --batch, as batches list shows them")
	}
	outcome := ledger.Outcome(*as)
	if outcome != ledger.SettleAccepted && outcome != ledger.SettleDeclined {
		return fmt.Errorf("--as %q: must be %s or %s", *as, ledger.SettleAccepted, ledger.SettleDeclined)
	}
	if err := errors.Join(check(), reason()); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	b, err := app.ledger.AskSettleBatch(ctx, f.id, outcome, why)
	if err != nil {
		return orListed(err)
	}
	said := fmt.Sprintf("%s (%s, %s)", b.DecisionReason, b.DecidedBy, stamp(b.DecidedAt))
	if b.State == ledger.BatchAnswered {
		fmt.Fprintf(env.stdout, "The batch has its answers, and this decision: %s. %d records are rejected.\n", said, b.Rejected)
		return nil
	}
	// Should the message get lost, Sweep or the same command sends it again.
	if err := app.usage.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(f.id), 0); err != nil {
		return fmt.Errorf("the decision is recorded, and Sweep will find it: %w", err)
	}
	fmt.Fprintf(env.stdout, `What commerce does not answer of this batch is settled as %s: %s.
ForwardBatch asks commerce once more now; what it has is billed all the same.
Watch:
  stackusage batches list --all --cloud-id %s --day %s --revision %d --batch %d
`, outcome, said, f.id.CloudID, f.id.Day, f.id.Revision, f.id.Number)
	return nil
}
