package handlers

import (
	"context"

	"stackusage/shared/ledger"
)

// listBatches lists and queues the batches of the last revision if its closer
// died before it could. Nobody else would, once hours have come that the
// revision does not state: the day would wait for answers to batches that
// commerce never gets.
func (a *App) listBatches(ctx context.Context, c *ledger.Closing) error {
	if c.Last == nil {
		return nil
	}
	_, listed, err := a.Ledger.Batches(ctx, c.CloudID, c.Day, int(c.Last.Number))
	if err != nil || int64(len(listed)) >= c.Last.Batches {
		return err
	}
	manifest, err := a.readManifest(ctx, c.Last.Manifest)
	if err != nil {
		return err
	}
	return a.sendBatches(ctx, manifest)
}
