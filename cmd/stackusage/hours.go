package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

const aboutHours = `list hour blobs and decide which of them count

  stackusage hours list --verdict conflict
  stackusage hours resolve --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --keep --reason TEXT
  stackusage hours resolve --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --supersede --reason TEXT
  stackusage hours reingest --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --reason TEXT
  stackusage hours exclude --cloud-id GUID --hour 2019-12-10T19:00:00Z --sha16 HASH --reason TEXT

stackusage hours SUBCOMMAND --help explains each.`

// hours is stackusage hours.
func hours(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "hours", aboutHours, args, map[string]verb{
		"list": listHours, "resolve": resolveHour, "reingest": reingestHour, "exclude": excludeHour,
	})
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
	subcommands := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	if fs.NArg() == 0 {
		fs.Usage()
		return fmt.Errorf("%s: a subcommand is missing: %s", name, subcommands)
	}
	return fmt.Errorf("%s: subcommand %q is not known: want %s; stackusage %s --help explains them", name, fs.Arg(0), subcommands, name)
}

const aboutHoursList = `list hour blobs with their verdicts

A file in conflict claims an hour for which another file with other rows counts.
It is in no bill until an operator decides with stackusage hours resolve.`

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
	Earlier string        `json:"earlier,omitempty"` // decisions that were carried out, where none stands
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
	verdict := fs.String("verdict", "", "only files with this `verdict`: counted, duplicate, conflict, kept-out, voided, excluded, rejected, unregistered")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	if err := oneOf("--verdict", *verdict, ledger.Counted, ledger.Duplicate, ledger.Conflict, ledger.KeptOut, ledger.Voided, ledger.Excluded, ledger.Rejected, ledger.Unregistered); err != nil {
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
			Done: !h.TakesOver() && !h.Leaves() && !h.AwaitsReingest(), SupersededBy: h.SupersededBy, Earlier: h.Earlier,
		}
	} else {
		line.Earlier = h.Earlier
	}
	return line
}

func (h listedHour) why() string {
	d := h.Decided
	switch {
	case d == nil: // that a file was ingested again shows in the last decision of before alone
		return strings.Trim(h.Reason+"; "+h.Earlier[strings.LastIndex(h.Earlier, "\n")+1:], "; ")
	case !d.Done && d.Decision == string(ledger.Exclude):
		return fmt.Sprintf("about to be excluded; %s decided %s: %s", d.By, stamp(d.At), d.Reason)
	case !d.Done && d.Decision == string(ledger.Reingest):
		return fmt.Sprintf("about to be ingested again; %s decided %s: %s", d.By, stamp(d.At), d.Reason)
	case !d.Done:
		return fmt.Sprintf("about to take the hour over; %s decided %s: %s", d.By, stamp(d.At), d.Reason)
	}
	return fmt.Sprintf("%s by %s %s: %s", d.Decision, d.By, stamp(d.At), d.Reason)
}

// reasonFlags adds --reason and --by. The result is called after the flags are
// parsed.
func reasonFlags(fs *flag.FlagSet, why *ledger.Reasoned) func() error {
	fs.StringVar(&why.Reason, "reason", "", "reason recorded in the audit trail, a `text`")
	fs.StringVar(&why.By, "by", "", "operator recorded in the audit trail (default: the signed-in user)")
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
