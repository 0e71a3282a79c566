package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"stackusage/cmd/devstack/results"
	"stackusage/cmd/devstack/view"
	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/commerce/rating"
	"stackusage/shared/azurestore"
	"stackusage/shared/content"
	"stackusage/shared/verify"
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
	page.Print(stdout)
	fmt.Fprintln(stdout, "running; interrupt to stop")
	select {
	case <-ctx.Done():
		fmt.Fprintln(stdout, "stopping")
		return nil
	case <-s.host.Done():
		return fmt.Errorf("the Functions host stopped: %w", s.host.Err())
	}
}

// startAccountPage serves the account page before commerce.
func (s *site) startAccountPage() (view.Account, error) {
	a, page, err := view.NewAccount(s.commerce, s.log)
	if err != nil {
		return a, err
	}
	a.URL, err = s.serve(page)
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

// verify lets the product check itself: the balance compares both ends of the data
// flow, this compares every step between them.
func (s *site) verify(ctx context.Context, sheet *balance.Sheet) error {
	landed, err := azurestore.Connect(s.setting, "LandingStorage")
	if err != nil {
		return err
	}
	report, err := verify.Run(ctx, verify.Stores{Tables: s.usage.Tables, Landing: landed.Blobs, App: s.usage.Blobs, NoBlob: content.ErrNoBlob}, verify.Options{
		SettlingHours: 6, CloseDelay: 48 * time.Hour, SweepGrace: 15 * time.Minute, Now: time.Now(), TempDir: s.dir,
	})
	if err != nil {
		return err
	}
	for _, f := range report.Differences {
		sheet.Problems = append(sheet.Problems, "verify: "+f.String())
	}
	for _, f := range report.Open {
		s.progress("verify: open: %s", f)
	}
	sheet.Verified = len(report.Differences) == 0
	sheet.Balanced = sheet.Balanced && sheet.Verified
	s.progress("verified: %d hours, %d rows, %d days, %d revisions, %d records, %d answers; %d differences",
		report.Hours, report.Rows, report.Days, report.Revisions, report.Records, report.Answers, len(report.Differences))
	return nil
}
