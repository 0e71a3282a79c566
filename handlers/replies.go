package handlers

import (
	"context"
	"errors"
	"log/slog"

	"stackusage/functions"
	"stackusage/shared/closing"
	"stackusage/shared/daybook"
	"stackusage/shared/invoke"
	"stackusage/shared/queue"
)

// replies says what the host is told for an error: the first row that matches.
// What matches none fails the invocation; the host tries again after the
// visibility timeout and, after maxDequeueCount tries, moves the message to the
// poison queue, where Sweep finds it.
var replies = []struct {
	matches func(error) bool
	level   slog.Level
	record  bool // in FailedMessages
}{
	{is(daybook.ErrNotOpen), slog.LevelInfo, false},    // another closer, or an old message
	{as[*closing.NotDue], slog.LevelInfo, false},       // Sweep asks again
	{is(closing.ErrUnanswered), slog.LevelInfo, false}, // Sweep asks again
	{as[queue.Bad], slog.LevelError, true},             // nothing to repeat
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// settle logs an invocation's end and decides whether the host shall repeat it.
func (a *App) settle(ctx context.Context, log *slog.Logger, f functions.Function, req invoke.Request, err error) error {
	if err == nil {
		return nil
	}
	for _, r := range replies {
		if !r.matches(err) {
			continue
		}
		log.Log(ctx, r.level, "invocation settled", slog.String("reason", err.Error()))
		if r.record {
			text, _ := req.Text(f.Trigger().Name)
			return queue.PutFailed(context.WithoutCancel(ctx), a.Tables, queue.FailedMessage{
				Queue: f.Trigger().QueueName, Text: text, Reason: err.Error(), LastSeen: a.Now(),
			})
		}
		return nil
	}
	log.ErrorContext(ctx, "invocation failed", slog.String("error", err.Error()),
		slog.String("dequeueCount", req.Scalar("DequeueCount")))
	return err
}
