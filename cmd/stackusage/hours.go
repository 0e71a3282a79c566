package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os/user"
	"regexp"
	"time"

	"stackusage/handlers"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const aboutHours = `list the files that landed, and decide between two of one hour

  stackusage hours list --verdict conflict
  stackusage hours resolve --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --keep --reason TEXT
  stackusage hours resolve --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --supersede --reason TEXT

stackusage hours list --help and stackusage hours resolve --help say more.`

// hours is stackusage hours.
func hours(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "hours", aboutHours, args, map[string]verb{"list": listHours, "resolve": resolveHour})
}

// verb is the second word of a command.
type verb func(ctx context.Context, env environment, args []string) error

// verbs runs the second word of a command.
func verbs(ctx context.Context, env environment, name, about string, args []string, known map[string]verb) error {
	if len(args) > 0 {
		if run, ok := known[args[0]]; ok {
			return run(ctx, env, args[1:])
		}
	}
	fs := newFlags(env, name, about)
	fs.Usage = func() { fmt.Fprintf(env.stderr, "stackusage %s: %s\n", name, about) }
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return fmt.Errorf("%s: say what to do", name)
	}
	return fmt.Errorf("%s %q is not known; stackusage %s --help lists what is", name, fs.Arg(0), name)
}

const aboutHoursList = `list the files that landed, and what became of them

A file in conflict claims an hour for which another file with other rows counts.
It counts nowhere until stackusage hours resolve decides.`

// listedHour is one line of hours list.
type listedHour struct {
	CloudID string        `json:"cloudId"`
	Hour    string        `json:"hour"`
	SHA16   string        `json:"sha16"`
	Verdict string        `json:"verdict"`
	Code    string        `json:"code,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Records int64         `json:"records"`
	Landed  time.Time     `json:"landedAt"`
	Decided *decisionText `json:"decision,omitempty"`
	Blob    string        `json:"blob"`
}

type decisionText struct {
	Decision     string    `json:"decision"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Done         bool      `json:"done"`
	SupersededBy string    `json:"supersededBy,omitempty"`
	Earlier      string    `json:"earlier,omitempty"`
}

func listHours(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "hours list", aboutHoursList)
	cloudID := fs.String("cloud-id", "", "only the registration with this `GUID`")
	verdict := fs.String("verdict", "", "only files with this `verdict`: counted, duplicate, conflict, kept-out, voided, rejected, unregistered")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	if err := oneOf("--verdict", *verdict, ledger.Counted, ledger.Duplicate, ledger.Conflict, ledger.KeptOut, ledger.Voided, ledger.Rejected, ledger.Unregistered); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	w := newListing(env, "CLOUD ID", "HOUR", "SHA16", "VERDICT", "ROWS", "LANDED", "WHY")
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	for h, err := range app.ledger.LandedHours(ctx, *cloudID) {
		if err != nil {
			return err
		}
		if *verdict != "" && string(h.Verdict) != *verdict {
			continue
		}
		line := listed(h)
		if *asJSON {
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		w.row(line.CloudID, line.Hour, line.SHA16, line.Verdict, line.Records, stamp(line.Landed), line.why())
	}
	if *asJSON {
		return nil
	}
	return w.flush("no such file has landed")
}

func listed(h ledger.LandedHour) listedHour {
	line := listedHour{
		CloudID: h.ID.CloudID, Hour: h.ID.Hour.String(), SHA16: h.ID.SHA16, Verdict: string(h.Verdict), Code: h.Code, Reason: h.Reason,
		Records: h.Records, Landed: h.LandedAt.UTC(), Blob: h.Blob,
	}
	if h.Decision != "" {
		line.Decided = &decisionText{
			Decision: string(h.Decision), Reason: h.DecisionReason, By: h.DecidedBy, At: h.DecidedAt.UTC(),
			Done: !h.TakesOver(), SupersededBy: h.SupersededBy, Earlier: h.Earlier,
		}
	}
	return line
}

func (h listedHour) why() string {
	d := h.Decided
	switch {
	case d == nil:
		return h.Reason
	case !d.Done:
		return fmt.Sprintf("about to take the hour over; %s decided %s: %s", d.By, stamp(d.At), d.Reason)
	}
	return fmt.Sprintf("%s by %s %s: %s", d.Decision, d.By, stamp(d.At), d.Reason)
}

const aboutResolve = `decide between two files of one hour

--sha16 names the file that is in conflict, as hours list shows it.
  --keep       the file that counts stays; the other one is kept out, for good
  --supersede  the other file takes its place; usage days of both are stated
               again by correction. A file that was voided so can be let back in.
Who, when and why are kept with both files.`

// decision is what the flags of hours resolve say.
type decision struct {
	id        ledger.HourID
	supersede bool
	why       ledger.Reasoned
}

func parseResolve(env environment, args []string) (d decision, err error) {
	fs := newFlags(env, "hours resolve", aboutResolve)
	fs.StringVar(&d.id.CloudID, "cloud-id", "", "the registration's `GUID`")
	hour := fs.String("hour", "", "the reported hour: 2019-12-10T19:00:00Z")
	fs.StringVar(&d.id.SHA16, "sha16", "", "the file in conflict: the `hash` in its name")
	keep := fs.Bool("keep", false, "the file that counts stays")
	fs.BoolVar(&d.supersede, "supersede", false, "the file in conflict takes its place")
	reason := reasonFlags(fs, &d.why)
	if err := parseFlags(fs, args); err != nil {
		return d, err
	}
	if err := checkCloudID(d.id.CloudID); err != nil {
		return d, err
	}
	if d.id.Hour, err = usage.ParseHour(*hour); err != nil {
		return d, fmt.Errorf("--hour: %w: write it as 2019-12-10T19:00:00Z", err)
	}
	if !sha16Pattern.MatchString(d.id.SHA16) {
		return d, fmt.Errorf("--sha16 %q: must be 16 hex digits in lower case", d.id.SHA16)
	}
	if *keep == d.supersede {
		return d, errors.New("say either --keep or --supersede")
	}
	return d, reason()
}

var sha16Pattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

func resolveHour(ctx context.Context, env environment, args []string) error {
	d, err := parseResolve(env, args)
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	if !d.supersede {
		h, err := app.ledger.KeepOut(ctx, d.id, d.why)
		if err != nil {
			return unresolved(err)
		}
		fmt.Fprintf(env.stdout, "%s is %s: %s (%s, %s). No bill changes.\n", h.Blob, h.Verdict, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt))
		return nil
	}
	h, err := app.ledger.AskTakeOver(ctx, d.id, d.why)
	if err != nil {
		return unresolved(err)
	}
	if !h.TakesOver() {
		fmt.Fprintf(env.stdout, "%s counts already; nothing is left to do.\n", h.Blob)
		return nil
	}
	// IngestHour does the work: it has the disk and the limits for it. Should the
	// message get lost, Sweep or the same command sends it again.
	name := landing.Name{CloudID: d.id.CloudID, Hour: d.id.Hour, SHA16: d.id.SHA16}
	if err := app.usage.Queues.Enqueue(ctx, handlers.QueueLanded, handlers.LandedMessage(name), 0); err != nil {
		return fmt.Errorf("the decision is recorded, but not announced; run the command again: %w", err)
	}
	fmt.Fprintf(env.stdout, `%s is to take the place of the file that counts: %s (%s, %s).
IngestHour reads it again now. When it is done, hours list shows it as counted and
the other file as voided; the usage days of both stay open until CloseDay has
stated them again by correction, at most once in REOPEN_DELAY.
Watch:
  stackusage hours list --cloud-id %[5]s
  stackusage days list --cloud-id %[5]s
Until IngestHour has done so, hours resolve --keep withdraws the decision.
`, h.Blob, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt), d.id.CloudID)
	return nil
}

// unresolved says what is missing where there is nothing to decide.
func unresolved(err error) error {
	if errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("%w: no such file has a verdict, or none counts for the hour yet; stackusage hours list shows what landed, and the hours of a stamp that is not registered count once it is", err)
	}
	return err
}

// reasonFlags adds --reason and --by. The result is called after the flags are
// parsed.
func reasonFlags(fs *flag.FlagSet, why *ledger.Reasoned) func() error {
	fs.StringVar(&why.Reason, "reason", "", "why, `text` for the auditor")
	fs.StringVar(&why.By, "by", "", "who decides (the user who is logged in if it is left out)")
	return func() error {
		if why.Reason == "" {
			return errors.New("--reason is missing: it is what an auditor will ask for")
		}
		why.At = time.Now()
		return orLoggedIn(&why.By)
	}
}

// orLoggedIn fills in who decides.
func orLoggedIn(by *string) error {
	if *by != "" {
		return nil
	}
	u, err := user.Current()
	if err != nil {
		return fmt.Errorf("--by is missing, and who is logged in is not known: %w", err)
	}
	*by = cmp.Or(u.Username, u.Uid)
	return nil
}

func checkCloudID(id string) error {
	if usage.CheckGUID(id) != nil || usage.DashedGUID(id) != id {
		return fmt.Errorf("--cloud-id %q: must be a GUID in lower case with dashes", id)
	}
	return nil
}

// stamp is a time as lists show it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }
