package closing

import (
	"context"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
)

// listBatches lists and queues the batches of the last revision if its closer
// died before it could. Nobody else would, once hours have come that the
// revision does not state: the day would wait for answers to batches that
// commerce never gets.
func (cl *Closer) listBatches(ctx context.Context, c *daybook.Closing) error {
	if c.Last == nil {
		return nil
	}
	_, listed, err := outbox.OfRevision(ctx, cl.Tables, c.CloudID, c.Day, int(c.Last.Number))
	if err != nil || int64(len(listed)) >= c.Last.Batches {
		return err
	}
	manifest, err := cl.readManifest(ctx, c.Last.Manifest)
	if err != nil {
		return err
	}
	return cl.sendBatches(ctx, manifest)
}

// sendBatches lists the batches of a closed day and queues those that have no
// final answer. A repeat for a day that is all answered does nothing.
func (cl *Closer) sendBatches(ctx context.Context, m daily.Manifest) error {
	ids, batches, err := outbox.OfRevision(ctx, cl.Tables, m.CloudID, m.UsageDay, m.Revision)
	if err != nil {
		return err
	}
	answered := map[int]bool{}
	for i, b := range batches {
		answered[ids[i].Number] = b.State == outbox.BatchDone
	}
	if len(batches) < len(m.Batches) {
		if err := outbox.Open(ctx, cl.Tables, m, cl.Now()); err != nil {
			return err
		}
	}
	for _, b := range m.Batches {
		if answered[b.Number] {
			continue
		}
		id := outbox.ID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: b.Number}
		if err := cl.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), 0); err != nil {
			return err
		}
	}
	return nil
}
