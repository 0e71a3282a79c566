package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"stackusage/handlers"
	"stackusage/shared/daily"
	"stackusage/shared/intake"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

const aboutQuarantine = `list, show, redrive and dismiss rejected rows

  stackusage quarantine list
  stackusage quarantine show --cloud-id GUID --hour 2019-12-10T19:00:00Z > rows.ndjson
  stackusage quarantine redrive --cloud-id GUID --hour 2019-12-10T19:00:00Z --reason TEXT
  stackusage quarantine redrive --cloud-id GUID --hour 2019-12-10T19:00:00Z --fixed rows.ndjson --reason TEXT
  stackusage quarantine dismiss --cloud-id GUID --hour 2019-12-10T19:00:00Z --line 17 --reason TEXT

stackusage quarantine SUBCOMMAND --help explains each.`

// quarantine is stackusage quarantine.
func quarantine(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "quarantine", aboutQuarantine, args, map[string]verb{
		"list": listQuarantine, "show": showQuarantine, "redrive": redriveQuarantine, "dismiss": dismissQuarantine,
	})
}

const aboutQuarantineList = `count the rejected rows of each hour by code and state

STATE: refused (in no bill), redriven (in the bill, by a corrected hour blob),
dismissed (an operator decided that they are no usage).`

// refusedGroup is one line of quarantine list.
type refusedGroup struct {
	CloudID string           `json:"cloudId"`
	Hour    string           `json:"hour"`
	SHA16   string           `json:"sha16"`
	Code    string           `json:"code"`
	State   ledger.RowStatus `json:"state"`
	Rows    int64            `json:"rows"`
	First   int64            `json:"firstLine"`
	Reason  string           `json:"reason"`            // of the first
	Decided string           `json:"decided,omitempty"` // who dismissed the first, and why
}

func listQuarantine(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "quarantine list", aboutQuarantineList)
	cloudID := fs.String("cloud-id", "", "only the registration with this `GUID`")
	state := fs.String("state", "", "only rows in this `state`: refused, redriven, dismissed")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	if err := oneOf("--state", *state, ledger.Refused, ledger.Redriven, ledger.Dismissed); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	w := newListing(env, "CLOUD ID", "HOUR", "SHA16", "CODE", "STATE", "ROWS", "FIRST LINE", "WHY")
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	for h, err := range app.ledger.QuarantinedHours(ctx, *cloudID) {
		if err != nil {
			return err
		}
		groups, err := groupsOf(ctx, app, h.ID)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if *state != "" && string(g.State) != *state {
				continue
			}
			if *asJSON {
				if err := enc.Encode(g); err != nil {
					return err
				}
				continue
			}
			why := fmt.Sprintf("%.100s", g.Reason)
			if g.Decided != "" {
				why += "; dismissed by " + g.Decided
			}
			w.row(g.CloudID, g.Hour, g.SHA16, g.Code, g.State, g.Rows, g.First, why)
		}
	}
	if *asJSON {
		return nil
	}
	return w.flush("no such row is in quarantine")
}

// groupsOf counts the refused rows of an hour blob by code and state, in order
// of their first line.
func groupsOf(ctx context.Context, app *app, id ledger.HourID) (groups []*refusedGroup, err error) {
	for row, err := range app.ledger.RefusedRows(ctx, id) {
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(groups, func(g *refusedGroup) bool { return g.Code == row.Code && g.State == row.State })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &refusedGroup{
				CloudID: id.CloudID, Hour: id.Hour.String(), SHA16: id.SHA16, Code: row.Code, State: row.State, First: row.Line, Reason: row.Reason, Decided: dismissedBy(row),
			})
		}
		groups[i].Rows++
	}
	return groups, nil
}

// dismissedBy says who dismissed a row, and why; empty if nobody did.
func dismissedBy(row ledger.RefusedRow) string {
	if row.State != ledger.Dismissed {
		return ""
	}
	return row.DecidedBy + ": " + row.DecisionReason
}

// selection is which refused rows of an hour a command is about.
type selection struct {
	id    ledger.HourID
	hour  string // as it was asked for
	code  string
	lines map[int64]bool
}

// flags adds the flags of a selection.
func (s *selection) flags(fs *flag.FlagSet) {
	fs.StringVar(&s.id.CloudID, "cloud-id", "", "the registration's `GUID`")
	fs.StringVar(&s.hour, "hour", "", "reported hour, for example 2019-12-10T19:00:00Z")
	fs.StringVar(&s.code, "code", "", "only rows rejected with this `code`")
	fs.Func("line", "only this `line`; may be given more than once", func(text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if s.lines == nil {
			s.lines = map[int64]bool{}
		}
		s.lines[n] = true
		return err
	})
}

// parse reads the flags of a command that has those of a selection.
func (s *selection) parse(fs *flag.FlagSet, args []string) (err error) {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := checkCloudID(s.id.CloudID); err != nil {
		return err
	}
	if s.id.Hour, err = parseHour(s.hour); err != nil {
		return err
	}
	return nil
}

// find finds the file that counts for the hour.
func (s *selection) find(ctx context.Context, env environment) (*app, ledger.Hour, error) {
	app, err := env.app()
	if err != nil {
		return nil, ledger.Hour{}, err
	}
	standing, err := app.ledger.CountedHour(ctx, s.id)
	if errors.Is(err, table.ErrNotFound) || err == nil && standing.Counts == "" {
		err = fmt.Errorf("no file counts for the hour %s of %s; stackusage hours list shows what landed", s.hour, s.id.CloudID)
	}
	s.id.SHA16 = standing.Counts
	return app, standing, err
}

func (s *selection) wants(q ledger.RefusedRow) bool {
	return (s.code == "" || q.Code == s.code) && (s.lines == nil || s.lines[q.Line])
}

// shownRow is one line of quarantine show, and what redrive --fixed reads.
type shownRow struct {
	Line   int64            `json:"line"`
	State  ledger.RowStatus `json:"state,omitempty"`
	Code   string           `json:"code,omitempty"`
	Reason string           `json:"reason,omitempty"`
	By     string           `json:"decidedBy,omitempty"`
	Why    string           `json:"decisionReason,omitempty"`
	Cut    bool             `json:"cut,omitempty"`    // the row is only its beginning
	Row    json.RawMessage  `json:"row,omitempty"`    // the row, where it is JSON
	Text   string           `json:"text,omitempty"`   // the row, where it is other text
	Base64 []byte           `json:"base64,omitempty"` // the row, where it is no text
}

const aboutShow = `print rejected rows, one JSON object a line

The row is under "row" if it is JSON, "text" if it is not, "base64" if it is not
even text. Correct "row" in an editor, leave out the lines that are not to be
resubmitted, and pass the file to stackusage quarantine redrive --fixed.`

func showQuarantine(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "quarantine show", aboutShow)
	var s selection
	s.flags(fs)
	if err := s.parse(fs, args); err != nil {
		return err
	}
	app, _, err := s.find(ctx, env)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	for q, err := range app.redriver().Refused(ctx, s.id) {
		if err != nil {
			return err
		}
		if !s.wants(q.RefusedRow) {
			continue
		}
		out := shownRow{Line: q.Line, State: q.State, Code: q.Code, Reason: q.Reason, By: q.DecidedBy, Why: q.DecisionReason, Cut: q.Cut}
		switch {
		case !q.Cut && json.Valid(q.Row) && utf8.Valid(q.Row):
			out.Row = q.Row
		case utf8.Valid(q.Row):
			out.Text = string(q.Row)
		default:
			out.Base64 = q.Row
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) redriver() intake.Redriver {
	return intake.Redriver{
		Ledger: a.ledger, Landing: a.landing.Blobs, App: a.usage.Blobs, Settings: intake.Settings{SpillSums: daily.DefaultSpill},
		Region: func(ctx context.Context, cloudID string) (intake.RegisteredRegion, error) {
			book, err := a.registry().Book(ctx, cloudID)
			return handlers.RegionOf(book), err
		},
	}
}
