package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"stackusage/cmd/devstack/results"
	"stackusage/cmd/devstack/view"
	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/commerce/rating"
)

// up keeps everything running.
func up(ctx context.Context, o options, log *slog.Logger, stdout io.Writer) error {
	s, err := startSite(ctx, o, log, stdout)
	if err != nil {
		return err
	}
	defer s.stop()
	page, err := s.startAccountPage()
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.pricesFile(), []byte(rating.Text()), 0o644); err != nil {
		return err
	}
	if len(s.stacks) > 1 {
		s.printAddresses(stdout)
		if err := s.tellStory(ctx); err != nil {
			return err
		}
	} else {
		if err := s.runAgent(ctx); err != nil {
			return err
		}
		s.printAddresses(stdout)
		if err := s.waitUntilBilled(ctx); err != nil && ctx.Err() == nil {
			s.progress("not everything is billed: %v", err)
		}
	}
	console := s.printWays(ctx, page, stdout)
	fmt.Fprintln(stdout, "\nrunning; interrupt to stop")
	return s.keep(ctx, console, stdout)
}

// keep returns when the site is to stop, or has.
func (s *site) keep(ctx context.Context, console *view.Console, out io.Writer) error {
	var ended <-chan struct{}
	if console != nil {
		ended = console.Done()
	}
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(out, "stopping")
			return nil
		case <-s.host.Done():
			return fmt.Errorf("the Functions host stopped: %w", s.host.Err())
		case <-ended:
			ended = nil
			if ctx.Err() == nil { // an interrupt of the terminal ends both
				s.progress("the console: %v", console.Err())
			}
		}
	}
}

// startAccountPage serves the account page before commerce.
func (s *site) startAccountPage() (view.Account, error) {
	a, page, err := view.NewAccount(s.commerce, s.log)
	if err != nil {
		return a, err
	}
	a.URL, err = s.serve(s.o.ports.AccountPage, page)
	return a, err
}

// runToBalance is devstack run.
func runToBalance(ctx context.Context, o options, log *slog.Logger, stdout io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %s", o.timeout))
	defer cancel()
	s, err := startSite(ctx, o, log, stdout)
	if err != nil {
		return err
	}
	defer s.stop()
	if len(s.stacks) > 1 {
		return fmt.Errorf("scenario %s ends with open questions, which no balance sheet has: devstack up --scenario %s", o.scenario, o.scenario)
	}
	if err := s.runAgent(ctx); err != nil {
		return err
	}
	sheet, err := s.balance(ctx)
	if err != nil {
		return err
	}
	if err := results.Write(context.WithoutCancel(ctx), s.o.out, s.commerce, s.usage.Tables, sheet); err != nil {
		return err
	}
	if err := s.printSummary(context.WithoutCancel(ctx), sheet, stdout); err != nil {
		return err
	}
	if !sheet.Balanced {
		return errUnbalanced
	}
	return nil
}

// balance waits until all is billed, and returns the balance sheet. What kept it from
// being billed is a problem on the sheet.
func (s *site) balance(ctx context.Context) (balance.Sheet, error) {
	waited := s.waitUntilBilled(ctx)
	sheet, err := s.results(context.WithoutCancel(ctx))
	if err != nil {
		return sheet, errors.Join(waited, err)
	}
	if waited != nil {
		sheet.Balanced = false
		sheet.Problems = append(sheet.Problems, waited.Error())
	}
	return sheet, nil
}
