package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const aboutDays = `list, restate, settle and confirm usage days

  stackusage days list --cloud-id GUID --from 2019-12-01 --to 2019-12-31
  stackusage days restate --cloud-id GUID --day 2019-12-10 --reason TEXT
  stackusage days settle --cloud-id GUID --day 2019-12-10 --reason TEXT
  stackusage days findings
  stackusage days confirm --cloud-id GUID --day 2019-12-10 --reason TEXT

stackusage days SUBCOMMAND --help explains each.`

// days is stackusage days.
func days(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "days", aboutDays, args, map[string]verb{
		"list": listDays, "restate": restateDay, "settle": settleDay, "findings": listFindings, "confirm": confirmDay,
	})
}

const aboutDaysList = `list the revisions of usage days

STATE names what is not finished; it is empty for a closed day:
  open      usage is not in a revision yet
  restate   an operator asked for the next revision
  carry     an operator asked for the next revision; another day bills it
  settle    an operator decided not to bill what is declined
  sending   commerce has not answered all batches
  declined  commerce declined records of the last revision. Sweep has the difference
            sent again while commerce takes the day. Otherwise use stackusage
            carry-forward or stackusage days settle`

// orClosed adds to the error of a decision about a usage day where to look next.
func orClosed(err error) error {
	switch {
	case errors.Is(err, table.ErrNotFound):
		return fmt.Errorf("%w; stackusage days list shows which usage days were closed", err)
	case errors.Is(err, ledger.ErrNotSettled), errors.Is(err, ledger.ErrNotCarried):
		return fmt.Errorf("%w; stackusage carry-forward --list shows the usage days of which commerce declined records", err)
	}
	return err
}

// listedDay is one line of days list.
type listedDay struct {
	CloudID   string    `json:"cloudId"`
	Day       string    `json:"usageDay"`
	Revision  int64     `json:"revision"`
	Stated    time.Time `json:"statedAt"`
	Complete  bool      `json:"complete"`
	Missing   []string  `json:"missingHours,omitempty"`
	Inputs    int64     `json:"inputs"`
	Rows      int64     `json:"rows"`
	Records   int64     `json:"records"`
	Batches   int64     `json:"batches"`
	Declined  int64     `json:"declinedRecords,omitempty"` // while the day is open because of them
	Waived    int64     `json:"waivedLines,omitempty"`     // of which an operator decided not to bill something
	Payer     string    `json:"billingSubscriptionId"`
	Reporting string    `json:"reporting,omitempty"` // off: counted and forwarded nowhere
	CarriedTo string    `json:"carriedTo,omitempty"` // the day that states what this revision carries
	Reason    string    `json:"reason,omitempty"`
	By        string    `json:"by,omitempty"`
	State     string    `json:"state,omitempty"`
}

func listDays(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "days list", aboutDaysList)
	cloudID := fs.String("cloud-id", "", "only the registration with this `GUID`")
	from := fs.String("from", "", "first usage `day` to include (YYYY-MM-DD, UTC)")
	to := fs.String("to", "", "last usage `day` to include (YYYY-MM-DD, UTC)")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	var first, last usage.Day
	for _, bound := range []struct {
		name, text string
		day        *usage.Day
	}{{"--from", *from, &first}, {"--to", *to, &last}} {
		var err error
		if bound.text == "" {
			continue
		}
		if *bound.day, err = usage.ParseDay(bound.text); err != nil {
			return fmt.Errorf("%s: %w", bound.name, err)
		}
	}
	if last != 0 && last < first {
		return fmt.Errorf("--to %s is before --from %s", last, first)
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	// The revisions first: one that is stated meanwhile is not listed, and its
	// day is shown as open or as done, not as something that never was.
	var lines []listedDay
	for s, err := range app.ledger.Statements(ctx, *cloudID, first, last) {
		if err != nil {
			return err
		}
		lines = append(lines, listedRevision(s))
	}
	marks, err := app.ledger.OpenMarks(ctx)
	if err != nil {
		return err
	}
	for _, m := range marks {
		setState(lines, m)
	}
	return printDays(env, lines, *asJSON)
}

func listedRevision(s ledger.Statement) listedDay {
	line := listedDay{
		CloudID: s.CloudID, Day: s.Day.String(), Revision: s.Number, Stated: s.StatedAt.UTC(), Complete: s.Complete,
		Inputs: s.InputCount, Rows: s.Rows, Records: s.Records, Batches: s.Batches, Waived: s.Waived,
		Payer: s.BillingSubscriptionID, Reporting: s.Reporting, Reason: s.Reason, By: s.By,
	}
	if to, err := usage.ParseDay(s.CarriedTo); err == nil {
		line.CarriedTo = to.String()
	}
	if s.MissingHours != "" {
		line.Missing = strings.Split(s.MissingHours, ",")
	}
	return line
}

// setState shows a mark at the revision that it is about: a day that has
// something to state, at its last one.
func setState(lines []listedDay, m ledger.OpenMark) {
	for i := len(lines) - 1; i >= 0; i-- {
		l := &lines[i]
		if l.CloudID != m.CloudID || l.Day != m.Day.String() || m.Revision > 0 && l.Revision != int64(m.Revision) {
			continue
		}
		declined := m.Revision == 0 && m.DeclinedRevision == l.Revision && m.Declined > 0
		if declined {
			l.State, l.Declined = strings.TrimPrefix(l.State+", declined", ", "), m.Declined
		}
		state := "open"
		switch {
		case m.Revision > 0:
			state = "sending"
		case m.Waive:
			state = "settle"
		case m.CarryTo != "":
			state = "carry"
		case m.Restate != "":
			state = "restate"
		case declined && m.LastInput == "":
			return
		}
		l.State = strings.TrimPrefix(l.State+", "+state, ", ")
		return
	}
}

func printDays(env environment, lines []listedDay, asJSON bool) error {
	if asJSON {
		return jsonLines(env.stdout, lines)
	}
	w := newListing(env, "CLOUD ID", "USAGE DAY", "REV", "CLOSED", "COMPLETE", "INPUTS", "ROWS", "RECORDS", "BATCHES", "STATE", "WHY")
	for _, l := range lines {
		complete, why := "yes", ""
		if !l.Complete {
			complete = fmt.Sprintf("%d missing, %s", len(l.Missing), strings.Join(l.Missing[:min(len(l.Missing), 3)], " "))
			if len(l.Missing) > 3 {
				complete += " ..."
			}
		}
		if l.Reason != "" {
			why = l.By + ": " + l.Reason
		}
		if l.Waived > 0 {
			why = strings.TrimSuffix(fmt.Sprintf("%d lines not billed by decision; %s", l.Waived, why), "; ")
		}
		if l.CarriedTo != "" {
			why = "carried to " + l.CarriedTo + "; " + why
		}
		if l.Reporting == ledger.ReportingOff {
			why = strings.TrimSuffix("reporting is off; "+why, "; ")
		}
		w.row(l.CloudID, l.Day, l.Revision, stamp(l.Stated), complete,
			l.Inputs, l.Rows, l.Records, l.Batches, l.State, why)
	}
	return w.flush("no such usage day was closed")
}
