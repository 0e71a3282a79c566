package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackusage/agent"
	"stackusage/agent/config"
	"stackusage/shared/usage"
)

// tellEvery is how often a person is told how far long work has come.
const tellEvery = 10 * time.Second

// beginByHand is begin for a person: the log has no line for what goes well,
// unless everything is asked for.
func (p *program) beginByHand(stderr io.Writer) (*job, error) {
	return begin(p.config, p.getenv, stderr, func(level string) string {
		if level == "info" {
			return "warn"
		}
		return level
	})
}

func (p *program) onceCommand() *cobra.Command {
	var to usage.HourFlag
	cmd := &cobra.Command{
		Use: "once", Short: "Collect and upload all usage that is due",
		Long: `Collect and upload all usage that is due, then exit. Hours that failed before are tried
again at once, and files that storage rejected are offered again. It cannot run beside a
service that uses the same spool.

Exit code: 0 done; 2 an hour failed, the stack or storage was not available, or it was
interrupted: run it again to continue; 1 it could not start.`,
		Example: `  stackusage-agent once
  stackusage-agent once --to 2026-11-29T10:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.once(cmd.Context(), to.Hour, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().Var(&to, "to", "first reported `hour` to leave out (default: the next one that is not due)")
	return cmd
}

func (p *program) once(ctx context.Context, to *usage.Hour, stdout, stderr io.Writer) error {
	stderr = &lockedWriter{w: stderr}
	j, err := p.beginByHand(stderr)
	if err != nil {
		return err
	}
	defer j.Spool.Close()
	if to != nil {
		j.Settings.Until = *to
	}
	stop := tellProgress(j.Agent, stderr, tellEvery)
	report, err := catchUp(ctx, j.Agent)
	stop()
	line := fmt.Sprintf("%s collected with %s, %d uploaded", usage.Count(report.Collected, "hour"), usage.Count(report.Rows, "row"), report.Uploaded)
	if s, err := j.Status(); err == nil {
		line += fmt.Sprintf("; %d wait to be %s; next hour %s", s.BacklogHours, waitFor(j.conf), s.NextHour)
		if report.NotReady {
			line += ", which the stack does not report yet"
		}
	}
	fmt.Fprintln(stdout, line)
	return open(ctx, err, "stackusage-agent once")
}

// waitFor is what happens to hours that wait.
func waitFor(conf config.Config) string {
	if conf.Storage.None {
		return "exported"
	}
	return "uploaded"
}

// patience is for how long once goes on while every hour fails: the stack is away.
const patience = 10 * time.Minute

// catchUp goes on, round by round, while more hours are due than one round takes. Its
// error has what failed and was not mended in a later round.
func catchUp(ctx context.Context, a *agent.Agent) (total agent.Report, err error) {
	for since := time.Now(); ; {
		var r agent.Report
		if r, err = a.Once(ctx); r.Collected > 0 {
			since = time.Now()
		}
		total.Collected += r.Collected
		total.Uploaded += r.Uploaded
		total.Rows += r.Rows
		total.NotReady = r.NotReady
		if r.Behind && ctx.Err() == nil && time.Since(since) < patience {
			continue
		}
		if s, unknown := a.Status(); err == nil && unknown == nil {
			err = s.Failing()
		}
		return total, err
	}
}

// open marks what went wrong in work that could begin.
func open(ctx context.Context, err error, again string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return openError{fmt.Errorf("interrupted; what was collected stays in the spool: run %s again to continue", again)}
	}
	return openError{err}
}

func (p *program) backfillCommand() *cobra.Command {
	var from, to usage.HourFlag
	cmd := &cobra.Command{
		Use: "backfill", Short: "Collect a range of reported hours again",
		Long: `Collect the reported hours from --from up to, but not including, --to again, whether or
not they were collected, and upload them. An hour before firstHour, or one that is not
over, is an error. If it is interrupted, run it again with the same range. It cannot run
beside a service that uses the same spool.

Exit code: 0 done; 2 an hour failed, the stack or storage was not available, or it was
interrupted; 1 it could not start.`,
		Example: "  stackusage-agent backfill --from 2026-11-29T10:00Z --to 2026-11-29T12:00Z",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.backfill(cmd.Context(), *from.Hour, *to.Hour, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().Var(&from, "from", "first reported `hour` (UTC)")
	cmd.Flags().Var(&to, "to", "`hour` after the last reported one (UTC)")
	for _, name := range []string{"from", "to"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag was not made
		}
	}
	return cmd
}

func (p *program) backfill(ctx context.Context, from, to usage.Hour, stdout, stderr io.Writer) error {
	stderr = &lockedWriter{w: stderr}
	j, err := p.beginByHand(stderr)
	if err != nil {
		return err
	}
	defer j.Spool.Close()
	switch {
	case to <= from:
		return fmt.Errorf("--to %s is not after --from %s", to, from)
	case from < j.Settings.First:
		return fmt.Errorf("--from %s is before %s, the firstHour of the configuration: hours before the registration are not collected", from, j.Settings.First)
	case to.Start().After(j.Now()):
		return fmt.Errorf("--to %s is in the future: the stack reports no hour before its end", to)
	}
	fmt.Fprintf(stdout, "collecting %s from %s up to %s\n", usage.Count(int(to-from), "hour"), from, to)
	stop := tellProgress(j.Agent, stderr, tellEvery)
	r, err := j.Backfill(ctx, from, to)
	stop()
	fmt.Fprintf(stdout, "%s collected with %s: %d for the first time, %d again; %d uploaded\n", usage.Count(r.Collected, "hour"), usage.Count(r.Rows, "row"), r.Collected-r.Again, r.Again, r.Uploaded)
	if r.Again > 0 {
		fmt.Fprint(stdout, afterBackfill)
	}
	return open(ctx, err, fmt.Sprintf("stackusage-agent backfill --from %s --to %s", from, to))
}

const afterBackfill = `An hour that was collected again has a second file in Azure once that is uploaded. With
the same rows it is a duplicate and changes nothing. With other rows it is a conflict:
the first file stays in the bill until someone decides. To list conflicts:
  stackusage hour list --verdict conflict
`

// tellProgress says now and then how far an agent has come, until stop is called.
func tellProgress(a *agent.Agent, w io.Writer, every time.Duration) (stop func()) {
	quit := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			if s, err := a.Status(); err == nil {
				fmt.Fprintf(w, "stackusage-agent: working; next hour %s, %d wait to be uploaded\n", s.NextHour, s.BacklogHours)
			}
		}
	})
	return func() { close(quit); telling.Wait() }
}

// lockedWriter is for several who write lines.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
