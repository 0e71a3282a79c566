package handlers

import (
	"context"

	"stackusage/shared/forward"
	"stackusage/shared/invoke"
	"stackusage/shared/queue"
)

// message reads the message that a queue function was called with.
func message[T any](req invoke.Request, parse func(text string) (T, error)) (m T, err error) {
	text, err := req.Text("message")
	if err != nil {
		return m, err
	}
	return parse(text)
}

func (a *App) forwardBatch(ctx context.Context, req invoke.Request) error {
	id, err := message(req, queue.ParseBatch)
	if err != nil {
		return err
	}
	f := forward.Forwarder{Ledger: a.Ledger, Blobs: a.Blobs, Queues: a.Queues, Commerce: a.Commerce, Now: a.Now,
		Retry: a.Settings.ForwardRetry, SendLimit: a.Settings.SendLimit, InvocationLimit: a.Settings.InvocationLimit}
	return f.Forward(ctx, id)
}
