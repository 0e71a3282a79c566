package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"stackusage/agent"
	"stackusage/shared/usage"
)

// tellEvery is how often a person is told how far long work has come.
const tellEvery = 10 * time.Second

// beginByHand is begin for a person: the log has no line for what goes well,
// unless everything is asked for.
func beginByHand(path string, getenv func(string) string, stderr io.Writer) (*job, error) {
	return begin(path, getenv, stderr, func(level string) string {
		if level == "info" {
			return "warn"
		}
		return level
	})
}

// once collects and drops all that is due.
func once(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	fs := flagSet("once", stderr)
	path := configFlag(fs, getenv)
	to := fs.String("to", "", "hour after the last reported hour to collect, RFC 3339 `time` in UTC (default: all that is due)")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	var until usage.Hour
	if *to != "" {
		h, err := hourFlag("once: --to", *to)
		if err != nil {
			return err
		}
		until = h
	}
	stderr = &lockedWriter{w: stderr}
	j, err := beginByHand(*path, getenv, stderr)
	if err != nil {
		return err
	}
	defer j.Spool.Close()
	j.Settings.Until = until
	stop := tellProgress(j.Agent, stderr, tellEvery)
	report, err := catchUp(ctx, j.Agent)
	stop()
	line := fmt.Sprintf("%d hours collected with %d rows, %d dropped", report.Collected, report.Rows, report.Dropped)
	if s, err := j.Status(); err == nil {
		line += fmt.Sprintf("; %d wait to be dropped; next hour %s", s.BacklogHours, *s.NextHour)
		if report.NotReady {
			line += ", which the stack does not tell yet"
		}
	}
	fmt.Fprintln(stdout, line)
	return open(ctx, err, "stackusage-agent once")
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
		total.Dropped += r.Dropped
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
		return openError{fmt.Errorf("interrupted; what is sealed stays in the spool: run %s again to go on", again)}
	}
	return openError{err}
}

// backfill collects a range of hours again.
func backfill(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	fs := flagSet("backfill", stderr)
	path := configFlag(fs, getenv)
	first := fs.String("from", "", "first reported hour, RFC 3339 `time` in UTC")
	end := fs.String("to", "", "hour after the last reported hour, RFC 3339 `time` in UTC")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	from, errFrom := hourFlag("backfill: --from", *first)
	to, errTo := hourFlag("backfill: --to", *end)
	if err := errors.Join(errFrom, errTo); err != nil {
		return err
	}
	stderr = &lockedWriter{w: stderr}
	j, err := beginByHand(*path, getenv, stderr)
	if err != nil {
		return err
	}
	defer j.Spool.Close()
	switch {
	case to <= from:
		return fmt.Errorf("--to %s is not after --from %s", to, from)
	case from < j.Settings.First:
		return fmt.Errorf("--from %s is before %s, the firstHour of the configuration: hours before the registration are not taken", from, j.Settings.First)
	case to.Start().After(j.Now()):
		return fmt.Errorf("--to %s is in the future: the stack tells no hour before its end", to)
	}
	fmt.Fprintf(stdout, "%d hours are asked for, %s up to %s\n", to-from, from, to)
	stop := tellProgress(j.Agent, stderr, tellEvery)
	r, err := j.Backfill(ctx, from, to)
	stop()
	fmt.Fprintf(stdout, "%d hours collected with %d rows: %d for the first time, %d again; %d dropped\n", r.Collected, r.Rows, r.Collected-r.Again, r.Again, r.Dropped)
	if r.Again > 0 {
		fmt.Fprint(stdout, afterBackfill)
	}
	return open(ctx, err, fmt.Sprintf("stackusage-agent backfill --from %s --to %s", from, to))
}

const afterBackfill = `An hour that was collected again has a second file in Azure once that is dropped.
With the same rows it is a duplicate, and changes nothing. With other rows it is a
conflict: the first file counts until somebody decides there. To see which:
  stackusage hour list --verdict conflict
`

// hourForm ends the error of a flag that is no hour.
const hourForm = ": write it as 2019-12-10T19:00:00Z"

func hourFlag(name, text string) (usage.Hour, error) {
	if text == "" {
		return 0, fmt.Errorf("%s is missing", name)
	}
	h, err := usage.ParseHour(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w%s", name, err, hourForm)
	}
	return h, nil
}

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
				fmt.Fprintf(w, "stackusage-agent: at work; next hour %s, %d wait to be dropped\n", *s.NextHour, s.BacklogHours)
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
