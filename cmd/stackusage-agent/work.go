package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackusage/shared/usage"
)

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Collect and upload each hour when it is due",
		Long: `Run the service: collect each reported hour when it is due, oldest first, and upload it,
until the program is told to stop (SIGTERM or an interrupt). What fails is logged and
tried again.

Exit code: 0 it was told to stop, 1 it could not start, 2 stopping took longer than
timeouts.shutdown.`,
		Example: "  stackusage-agent run",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return work(cmd.Context(), p.config, p.getenv, cmd.ErrOrStderr())
		},
	}
}

// work is what the service does until ctx ends. It writes its log to log.
func work(ctx context.Context, path string, getenv func(string) string, log io.Writer) error {
	j, err := begin(path, getenv, log, func(level string) string { return level })
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	if listen := j.conf.Metrics.Listen; listen != "" {
		serving.Go(func() { j.Metrics.Serve(ctx, listen, j.Log) })
	}
	j.Log.InfoContext(ctx, "agent started", slog.String("version", version), slog.String("cloudId", j.conf.CloudID), slog.String("spool", j.Spool.Dir()))
	done := make(chan error, 1)
	go func() {
		err := j.Run(ctx)
		cancel()
		serving.Wait()
		done <- err
	}()
	<-ctx.Done()
	select {
	case err = <-done:
	case <-time.After(j.conf.Timeouts.Shutdown):
		// The spool is not closed: what still works on it ends with the process.
		return openError{fmt.Errorf("the current work did not end within timeouts.shutdown (%s); it is repeated at the next start", usage.Span(j.conf.Timeouts.Shutdown))}
	}
	j.Log.InfoContext(ctx, "agent stopped")
	if closeErr := j.Spool.Close(); err == nil {
		err = closeErr
	}
	return err
}
