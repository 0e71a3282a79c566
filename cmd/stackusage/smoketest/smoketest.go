// Package smoketest is stackusage smoke-test: it checks a deployment with a synthetic
// usage hour.
package smoketest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const about = `Calls the Status function, registers a stack that does not exist (` + canaryName + `,
cloudId ` + canaryCloudID + `, billing model Development, never
charged), drops one hour of it into landing-` + canaryCloudID + `,
and follows the hour: ingested, its usage day closed, accepted by commerce. No other
stack's hours are touched. It may be run again and side by side: a run takes the newest
day that is over and has no receipt yet, and shows the one that exists if --day names it.

The key of the Status function comes from STACKUSAGE_FUNCTION_KEY, never by flag.
With --app-scope a token of the identity of UsageStorage is sent as well.

Exit code: 0 the receipt is there; 2 a step failed, which is named; 1 anything else.`

// smokeTest is one run of stackusage smoke-test.
type smokeTest struct {
	canary
	status statusPage
	env    *cli.Env
	steps  []Step
	wait   time.Duration // for each of the steps that the app does
	began  time.Time
	shown  bool // the receipt was there before: it is shown, and nothing is followed
}

// Step is one step of a smoke test.
type Step struct {
	At    string `json:"at"`
	Step  string `json:"step"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
	Milli int64  `json:"milliseconds"`
}

// Command is stackusage smoke-test.
func Command(e *cli.Env) *cobra.Command {
	c := smokeTest{env: e}
	var scope, subscription string
	kind := registration.EA
	var day usage.Day
	var back int
	cmd := cli.Command("smoke-test", "Smoke-test a deployment with a synthetic usage hour", about, `
stackusage smoke-test --app-url https://APP.azurewebsites.net --subscription 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11`, func(ctx context.Context) (err error) {
		if err := errors.Join(c.status.check(), positive("--days", back), positive("--wait", int(c.wait))); err != nil {
			return err
		}
		if subscription == "" {
			return errors.New("--subscription is missing: the Azure subscription of the registrations; the synthetic usage is charged nothing")
		}
		if subscription, err = cli.GUID("--subscription", subscription); err != nil {
			return err
		}
		today := usage.HourOf(time.Now()).Day()
		if day >= today {
			return fmt.Errorf("--day %s: must be over; today is %s (UTC)", day, today)
		}
		if c.app, err = e.Storage(); err != nil {
			return err
		}
		if err := c.status.signIn(e.Getenv, scope); err != nil {
			return err
		}
		return c.run(ctx, day, back, subscription, string(kind))
	})
	f := cmd.Flags()
	f.StringVar(&c.status.url, "app-url", "", "`URL` of the function app, before /api/status")
	f.StringVar(&scope, "app-scope", "", "`scope` of a token for the app behind App Service authentication: api://CLIENT-ID/.default")
	f.StringVar(&subscription, "subscription", "", "Azure subscription that the synthetic stack is registered to, a `GUID`; it is charged nothing")
	cli.EnumVar(cmd, &kind, "kind", "`kind` of that subscription", registration.EA, registration.CSP, registration.PayAsYouGo, registration.MSDN)
	cli.DayVar(cmd, &day, "day", "only this usage `day` (YYYY-MM-DD, UTC)")
	f.IntVar(&back, "days", 30, "`number` of days back to look for one without a receipt; no more than commerce still takes")
	f.BoolVar(&c.confirmed, "confirm", false, "change the registration although closed usage days are affected, and restate these")
	f.DurationVar(&c.wait, "wait", 30*time.Minute, "`time` to wait for each step of the app; a lost event costs SWEEP_GRACE and a run of Sweep")
	return cmd
}

func positive(name string, n int) error {
	if n <= 0 {
		return fmt.Errorf("%s: must be above zero", name)
	}
	return nil
}

// advised is an error on one line, with what to do. A storage service's errors
// are pages.
func advised(err error, hint string) error {
	return fmt.Errorf("%.500s; %s", oneLine(err), hint)
}

func oneLine(err error) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(err.Error()), func(word string) bool { return strings.Trim(word, "-") == "" }), " ")
}

// step prints how a step ended. What to do stands in the error.
func (c *smokeTest) step(name string, do func() (string, error)) error {
	began := time.Now()
	text, err := do()
	s := Step{At: time.Now().UTC().Format("2006-01-02T15:04:05Z"), Step: name, OK: err == nil, Text: text, Milli: time.Since(began).Milliseconds()}
	if err != nil {
		s.Text, err = err.Error(), fmt.Errorf("%w: %s failed", cli.ErrCheckFailed, name)
	}
	c.steps = append(c.steps, s)
	switch took := time.Since(began); {
	case c.env.JSON():
		return errors.Join(err, cli.List(c.env, cli.Each([]Step{s}), cli.Table[Step]{}))
	case c.env.Tables() && s.OK:
		fmt.Fprintf(c.env.Stdout, "%s  ok      %-9s %s (%s)\n", s.At, name, text, usage.Span(took))
	case c.env.Tables():
		fmt.Fprintf(c.env.Stdout, "%s  FAILED  %-9s %v (after %s)\n", s.At, name, s.Text, usage.Span(took))
	}
	return err
}

func (c *smokeTest) run(ctx context.Context, day usage.Day, back int, subscription, kind string) error {
	err := c.runSteps(ctx, day, back, subscription, kind)
	switch {
	case !c.env.Tables() && !c.env.JSON():
		return errors.Join(err, cli.List(c.env, cli.Each(c.steps), cli.Table[Step]{}))
	case err != nil || c.env.JSON():
		return err
	case c.shown:
		fmt.Fprintln(c.env.Stdout, "The receipt is of an earlier run, and nothing was sent now. Run the command without --day to check the deployment as it is today.")
	default:
		fmt.Fprintf(c.env.Stdout, "The deployment works: one hour went from the landing container to the receipt in %s.\n", usage.Span(time.Since(c.began)))
	}
	return nil
}

func (c *smokeTest) runSteps(ctx context.Context, day usage.Day, back int, subscription, kind string) error {
	c.began = time.Now()
	by, err := cli.SignedIn()
	if err != nil {
		by = "smoke-test"
	}
	var revision int64
	for _, s := range []struct {
		name string
		do   func() (string, error)
	}{
		{"status", func() (string, error) { return c.status.read(ctx) }},
		{"register", func() (string, error) { return c.registered(ctx, subscription, kind, by) }},
		{"drop", func() (string, error) { return c.dropped(ctx, day, back) }},
		{"ingest", func() (string, error) { return c.waitIngested(ctx) }},
		{"close", func() (text string, err error) { text, revision, err = c.waitClosed(ctx); return text, err }},
		{"receipt", func() (string, error) { return c.waitReceipt(ctx, revision) }},
	} {
		if err := c.step(s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

func (c *smokeTest) registered(ctx context.Context, subscription, kind, by string) (string, error) {
	made, err := c.register(ctx, subscription, kind, by)
	if errors.As(err, new(*registration.Rejection)) { // which tells what to do
		return "", err
	}
	if err != nil {
		return "", advised(err, "UsageStorage must name the app's storage, and who runs this needs Storage Table Data Contributor there")
	}
	if made {
		return canaryName + " is registered, model Development", nil
	}
	return canaryName + " was registered before, model Development", nil
}

func (c *smokeTest) dropped(ctx context.Context, day usage.Day, back int) (string, error) {
	var err error
	if day != 0 {
		var before *outbox.BilledLine
		before, err = c.receipt(ctx, day)
		c.shown = before != nil
		err = errors.Join(err, c.take(day))
	} else {
		err = c.choose(ctx, time.Now(), back)
	}
	if err == nil {
		err = c.harmless(ctx)
	}
	if err != nil {
		return "", err
	}
	there, err := c.drop(ctx)
	switch {
	case err != nil:
		return "", advised(err, "LandingStorage must name the storage that stacks drop into, with the container "+c.name().Container()+" in it, and who runs this needs Storage Blob Data Contributor on that container")
	case there:
		return c.name().String() + " was there already", nil
	}
	return c.name().String(), nil
}

func (c *smokeTest) waitIngested(ctx context.Context) (string, error) {
	var text string
	began := time.Now()
	err := c.until(ctx, func() (bool, error) {
		h, err := c.counted(ctx)
		if h != nil {
			text = fmt.Sprintf("%d row of %s is accepted%s", h.Accepted, c.id.Hour.String(), late(time.Since(began)))
		}
		return h != nil && h.Accepted == 1, err
	}, func() string {
		return fmt.Sprintf("no function has ingested %s: does the storage's event subscription deliver to queue %s, does IngestHour run (its log says), and does LandingStorage name the same storage here and in the app?", c.name(), queue.Landed)
	})
	return text, err
}

// late doubts the event that announces a blob: it comes within seconds, and an
// app that scaled to zero starts within a minute or two. Sweep announces what no
// event did, so that an hour is accepted all the same.
func late(took time.Duration) string {
	if took < 5*time.Minute {
		return ""
	}
	return fmt.Sprintf("; so late that Sweep may have found it and not an event: check that the storage's event subscription delivers to queue %s", queue.Landed)
}

func (c *smokeTest) waitClosed(ctx context.Context) (text string, revision int64, err error) {
	err = c.until(ctx, func() (bool, error) {
		r, err := daybook.LastRevision(ctx, c.app.Tables, canaryCloudID, c.day)
		if err != nil || r == nil {
			return false, err
		}
		if r.Reporting != "" {
			return false, fmt.Errorf("usage reporting of the canary is %s: switch it on again (stackusage registration update --registration %s --reporting on ...)", r.Reporting, canaryName)
		}
		revision, text = r.Number, fmt.Sprintf("usage day %s, revision %d, %d record", c.day, r.Number, r.Records)
		return true, nil
	}, func() string {
		return fmt.Sprintf("the hour is accepted, and usage day %s is not closed: does Sweep run by SWEEP_SCHEDULE, and CloseDay after it (their logs say)? Table FailedMessages has what failed for good", c.day)
	})
	return text, revision, err
}

func (c *smokeTest) waitReceipt(ctx context.Context, revision int64) (string, error) {
	var got *outbox.BilledLine
	err := c.until(ctx, func() (done bool, err error) {
		got, err = c.receipt(ctx, c.day)
		return got != nil, err
	}, func() string {
		return fmt.Sprintf("usage day %s is closed, and commerce has not answered: %s; look at COMMERCE_ENDPOINT, COMMERCE_SCOPE and the role that the app's identity has there (stackusage batch list)", c.day, c.waiting(ctx, revision))
	})
	switch {
	case err != nil:
		return "", err
	case got.BillingModel != "Development":
		return "", fmt.Errorf("record %s was sent under billing model %s, not Development: somebody changed registration %s; restore it", got.RecordID, got.BillingModel, canaryName)
	case got.Answer != "Accepted" && got.Answer != "Duplicate":
		return "", fmt.Errorf("commerce has outcome %s for record %s: %s %s; a day that is too old for commerce needs --days below %d or a newer --day", got.Answer, got.RecordID, got.OutcomeCode, got.OutcomeMessage,
			int(time.Since(c.day.Start())/(24*time.Hour)))
	}
	return fmt.Sprintf("commerce has outcome %s for record %s, model %s", got.Answer, got.RecordID, got.BillingModel), nil
}

// until tries again and again, less often with time.
func (c *smokeTest) until(ctx context.Context, ask func() (bool, error), hint func() string) error {
	late := time.Now().Add(c.wait)
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		done, err := ask()
		if err != nil {
			return errors.New(oneLine(err))
		}
		if done {
			return nil
		}
		if time.Now().After(late) {
			return errors.New(hint())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
