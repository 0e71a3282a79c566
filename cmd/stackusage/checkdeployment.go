package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strings"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const aboutCheckDeployment = `smoke-test a deployment with a synthetic usage hour

  stackusage check-deployment --app-url https://APP.azurewebsites.net --subscription GUID

It asks the Status function, registers a stamp that does not exist (` + canaryName + `,
cloudId ` + canaryCloudID + `, billing model Development, never
charged), drops one hour of it into landing-` + canaryCloudID + `,
and follows the hour: counted, its usage day stated, answered by commerce. No
other stamp's hours are touched. It may be run again and side by side: a run takes
the newest day that is over and has no receipt yet, and shows the one that is
there if --day names it.

The key of the Status function comes from STACKUSAGE_FUNCTION_KEY, never by flag.
With --app-scope a token of the identity of UsageStorage is sent as well.

Exit code: 0 the receipt is there; 2 a step failed, which is named; 1 anything else.

Flags:
`

// errCheckFailed: a step of a check failed, and is printed already.
var errCheckFailed = errors.New("the deployment does not work yet")

// deploymentCheck is one run of check-deployment.
type deploymentCheck struct {
	canary
	status statusPage
	out    io.Writer
	wait   time.Duration // for each of the steps that others do
	began  time.Time
	shown  bool // the receipt was there before: it is shown, and nothing is followed
}

func checkDeployment(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "check-deployment", aboutCheckDeployment)
	fs.Usage = func() {
		fmt.Fprint(env.stderr, "stackusage check-deployment: ", aboutCheckDeployment)
		fs.PrintDefaults()
	}
	c := deploymentCheck{out: env.stdout}
	fs.StringVar(&c.status.url, "app-url", "", "`URL` of the function app, before /api/status")
	scope := fs.String("app-scope", "", "`scope` of a token for the app, where App Service authentication is in front: api://CLIENT-ID/.default")
	subscription := fs.String("subscription", "", "the Azure subscription that the canary is registered to, a `GUID`; it is charged nothing")
	kind := fs.String("kind", "EA", "`kind` of that subscription: EA, CSP, PayAsYouGo or MSDN")
	var day usage.Day
	dayVar(fs, &day, "day", "only this usage `day` (YYYY-MM-DD, UTC)")
	back := fs.Int("days", 30, "how many days back to look for one without a receipt; no more than commerce still takes")
	fs.BoolVar(&c.confirmed, "confirm", false, "register the canary to another subscription although days of it are closed, and restate these")
	fs.DurationVar(&c.wait, "wait", 30*time.Minute, "how long to wait for each step of the app; an event that is lost costs SWEEP_GRACE and a run of Sweep")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(c.status.check(), positive("--days", *back), positive("--wait", int(c.wait))); err != nil {
		return err
	}
	if *subscription == "" {
		return errors.New("--subscription is missing: the Azure subscription of the registrations; the canary is charged nothing")
	}
	if usage.CheckGUID(*subscription) != nil || usage.DashedGUID(*subscription) != *subscription {
		return fmt.Errorf("--subscription %q: must be a GUID in lower case with dashes", *subscription)
	}
	today := usage.HourOf(time.Now()).Day()
	if day >= today {
		return fmt.Errorf("--day %s: must be over; today is %s (UTC)", day, today)
	}
	var err error
	if c.app, err = env.app(); err != nil {
		return err
	}
	if err := c.status.signIn(env.getenv, *scope); err != nil {
		return err
	}
	return c.run(ctx, day, *back, *subscription, *kind)
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
func (c *deploymentCheck) step(name string, do func() (string, error)) error {
	began := time.Now()
	said, err := do()
	at, took := time.Now().UTC().Format("2006-01-02T15:04:05Z"), time.Since(began).Round(time.Millisecond)
	if err != nil {
		fmt.Fprintf(c.out, "%s  FAILED  %-9s %v (after %s)\n", at, name, err, took)
		return fmt.Errorf("%w: %s failed", errCheckFailed, name)
	}
	fmt.Fprintf(c.out, "%s  ok      %-9s %s (%s)\n", at, name, said, took)
	return nil
}

func (c *deploymentCheck) run(ctx context.Context, day usage.Day, back int, subscription, kind string) error {
	c.began = time.Now()
	by := "check-deployment"
	if u, err := user.Current(); err == nil {
		by = cmp.Or(u.Username, u.Uid)
	}
	var revision int64
	for _, s := range []struct {
		name string
		do   func() (string, error)
	}{
		{"status", func() (string, error) { return c.status.ask(ctx) }},
		{"register", func() (string, error) { return c.registered(ctx, subscription, kind, by) }},
		{"drop", func() (string, error) { return c.dropped(ctx, day, back) }},
		{"counted", func() (string, error) { return c.waitCounted(ctx) }},
		{"stated", func() (said string, err error) { said, revision, err = c.waitStated(ctx); return said, err }},
		{"receipt", func() (string, error) { return c.waitReceipt(ctx, revision) }},
	} {
		if err := c.step(s.name, s.do); err != nil {
			return err
		}
	}
	if c.shown {
		fmt.Fprintln(c.out, "The receipt is of an earlier run, and nothing was sent now: whether the deployment works today, a run without --day sees.")
		return nil
	}
	fmt.Fprintf(c.out, "The deployment works: one hour went from the landing container to the receipt in %s.\n", time.Since(c.began).Round(time.Second))
	return nil
}

func (c *deploymentCheck) registered(ctx context.Context, subscription, kind, by string) (string, error) {
	made, err := c.register(ctx, subscription, kind, by)
	if errors.As(err, new(*registration.Refusal)) { // which says itself what to do
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

func (c *deploymentCheck) dropped(ctx context.Context, day usage.Day, back int) (string, error) {
	var err error
	if day != 0 {
		var before *ledger.BilledLine
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

func (c *deploymentCheck) waitCounted(ctx context.Context) (string, error) {
	var said string
	began := time.Now()
	err := c.until(ctx, func() (bool, error) {
		h, err := c.counted(ctx)
		if h != nil {
			said = fmt.Sprintf("%d row of %s counts%s", h.Accepted, c.id.Hour, late(time.Since(began)))
		}
		return h != nil && h.Accepted == 1, err
	}, func() string {
		return fmt.Sprintf("no function has ingested %s: does the storage's event subscription deliver to queue %s, does IngestHour run (its log says), and does LandingStorage name the same storage here and in the app?", c.name(), queue.Landed)
	})
	return said, err
}

// late doubts the event that announces a blob: it comes within seconds, and an
// app that scaled to zero starts within a minute or two. Sweep announces what no
// event did, so that an hour counts all the same.
func late(took time.Duration) string {
	if took < 5*time.Minute {
		return ""
	}
	return fmt.Sprintf("; so late that Sweep may have found it and not an event: see that the storage's event subscription delivers to queue %s", queue.Landed)
}

func (c *deploymentCheck) waitStated(ctx context.Context) (said string, revision int64, err error) {
	err = c.until(ctx, func() (bool, error) {
		r, err := c.app.ledger.LastRevision(ctx, canaryCloudID, c.day)
		if err != nil || r == nil {
			return false, err
		}
		if r.Reporting != "" {
			return false, fmt.Errorf("usage reporting of the canary is %s: switch it on again (stackusage register --name %s --reporting on ...)", r.Reporting, canaryName)
		}
		revision, said = r.Number, fmt.Sprintf("usage day %s, revision %d, %d record", c.day, r.Number, r.Records)
		return true, nil
	}, func() string {
		return fmt.Sprintf("the hour counts, and usage day %s is not stated: does Sweep run by SWEEP_SCHEDULE, and CloseDay after it (their logs say)? Table FailedMessages has what failed for good", c.day)
	})
	return said, revision, err
}

func (c *deploymentCheck) waitReceipt(ctx context.Context, revision int64) (string, error) {
	var got *ledger.BilledLine
	err := c.until(ctx, func() (done bool, err error) {
		got, err = c.receipt(ctx, c.day)
		return got != nil, err
	}, func() string {
		return fmt.Sprintf("usage day %s is stated, and commerce has not answered: %s; look at COMMERCE_ENDPOINT, COMMERCE_SCOPE and the role that the app's identity has there (stackusage batches list)", c.day, c.waiting(ctx, revision))
	})
	switch {
	case err != nil:
		return "", err
	case got.BillingModel != "Development":
		return "", fmt.Errorf("record %s was sent under billing model %s, not Development: somebody changed registration %s; put it back", got.RecordID, got.BillingModel, canaryName)
	case got.Answer != "Accepted" && got.Answer != "Duplicate":
		return "", fmt.Errorf("commerce answered %s to record %s: %s %s; a day that is too old for commerce needs --days below %d or a newer --day", got.Answer, got.RecordID, got.AnswerCode, got.AnswerMessage,
			int(time.Since(c.day.Start())/(24*time.Hour)))
	}
	return fmt.Sprintf("commerce answered %s to record %s, model %s", got.Answer, got.RecordID, got.BillingModel), nil
}

// until asks again and again, seldomer with time.
func (c *deploymentCheck) until(ctx context.Context, ask func() (bool, error), hint func() string) error {
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
