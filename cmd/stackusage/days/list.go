package days

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Row is one line of day list.
type Row struct {
	CloudID   string       `json:"cloudId"`
	Day       string       `json:"usageDay"`
	Revision  int64        `json:"revision"`
	Closed    time.Time    `json:"closedAt,omitzero"` // zero: the day was never closed
	Complete  bool         `json:"complete"`
	Missing   []usage.Hour `json:"missingHours,omitempty"`
	Inputs    int64        `json:"inputs"`
	Rows      int64        `json:"rows"`
	Records   int64        `json:"records"`
	Batches   int64        `json:"batches"`
	Declined  int64        `json:"declinedRecords,omitempty"` // while the day is open because of them
	Waived    int64        `json:"waivedLines,omitempty"`     // of which an operator decided not to bill something
	Payer     string       `json:"billingSubscriptionId"`
	Reporting string       `json:"reporting,omitempty"` // off: counted and forwarded nowhere
	CarriedTo string       `json:"carriedTo,omitempty"` // the day that bills what this revision carries
	Reason    string       `json:"reason,omitempty"`
	By        string       `json:"by,omitempty"`
	State     string       `json:"state,omitempty"`
	Changes
}

func list(e *cli.Env) *cobra.Command {
	var days cli.Range
	var only *cli.Registration
	cmd := cli.Command("list", "List the revisions of usage days", `A day that was never closed is a row without a revision; with --from and --to, also one
for which nothing has landed.

WHY has what the revision before did not have, and who asked for the revision.
STATE names what is not finished; it is empty for a closed day:
  open      usage is not in a revision yet
  awaited   nothing has landed for the day yet
  restate   an operator asked for the next revision
  carry     an operator asked for the next revision; another day bills it
  settle    an operator decided not to bill what is declined
  sending   commerce has not answered all batches
  declined  commerce declined records of the last revision. Sweep has the difference
            sent again while commerce takes the day. Otherwise use stackusage
            day carry-forward or stackusage day settle`, `
stackusage day list --from 2019-12-01 --to 2019-12-31
stackusage day list --registration hamburg --output json`, func(ctx context.Context) error {
		if err := days.Check(); err != nil {
			return err
		}
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		rows, marks, err := revisions(ctx, storage.Tables, cloudID, days)
		if err == nil {
			rows, err = withNeverClosed(ctx, storage, cloudID, days, rows, marks)
		}
		if err != nil {
			return err
		}
		return cli.List(e, cli.Each(rows), cli.Table[Row]{
			Head:  []string{"REGISTRATION", "USAGE DAY", "REV", "CLOSED", "COMPLETE", "INPUTS", "ROWS", "RECORDS", "BATCHES", "STATE", "WHY"},
			Cells: func(r Row) []any { return r.cells(storage.Name(ctx, r.CloudID)) },
			None:  "no such usage day was closed",
		})
	})
	only = e.AnyRegistration(cmd)
	days.Flags(cmd, "usage `day`")
	return cmd
}

// revisions reads the revisions first: a day that is closed meanwhile is not listed, and
// is shown as open or as done, not as something that never was.
func revisions(ctx context.Context, tables table.Store, cloudID string, days cli.Range) (rows []Row, marks []openday.Entry, err error) {
	var before daybook.Entry
	for s, err := range daybook.Entries(ctx, tables, cloudID, days.First, days.Last) {
		if err != nil {
			return nil, nil, err
		}
		row := rowOf(s)
		if before.CloudID == s.CloudID && before.Day == s.Day {
			row.Changes = changesOf(&before.Revision, s.Revision)
		} else {
			row.Changes = changesOf(nil, s.Revision)
		}
		rows, before = append(rows, row), s
	}
	marks, err = openday.List(ctx, tables)
	for _, m := range marks {
		setState(rows, m)
	}
	return rows, marks, err
}

// withNeverClosed adds the days that were never closed: open ones and, of a range with
// both ends, those on the calendar for which nothing landed. A day that was closed since
// the revisions were read is left out.
func withNeverClosed(ctx context.Context, storage *cli.Storage, cloudID string, days cli.Range, rows []Row, marks []openday.Entry) ([]Row, error) {
	states := map[dayKey]string{}
	if days.First != 0 && days.Last != 0 {
		histories, err := storage.Registry().Histories(ctx)
		if err != nil {
			return nil, err
		}
		last := min(days.Last, usage.HourOf(time.Now()).Day())
		for _, h := range histories {
			for day := max(days.First, usage.HourOf(h.Begins()).Day()); day <= last; day = day.Next() {
				if h.ExpectsDay(day.Start()) {
					states[dayKey{h.CloudID, day}] = "awaited"
				}
			}
		}
	}
	for _, m := range marks {
		if m.Revision == 0 && days.Has(m.Day) {
			states[dayKey{m.CloudID, m.Day}] = "open"
		}
	}
	if len(states) == 0 {
		return rows, nil
	}
	for s, err := range daybook.Entries(ctx, storage.Tables, cloudID, days.First, days.Last) {
		if err != nil {
			return nil, err
		}
		delete(states, dayKey{s.CloudID, s.Day})
	}
	for k, state := range states {
		if cloudID == "" || k.cloudID == cloudID {
			rows = append(rows, Row{CloudID: k.cloudID, Day: k.day.String(), State: state})
		}
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.CloudID, b.CloudID), cmp.Compare(a.Day, b.Day)) })
	return rows, nil
}

// dayKey is a day of a registration.
type dayKey struct {
	cloudID string
	day     usage.Day
}

func rowOf(s daybook.Entry) Row {
	r := Row{
		CloudID: s.CloudID, Day: s.Day.String(), Revision: s.Number, Closed: s.ClosedAt.UTC(), Complete: s.Complete,
		Inputs: s.InputCount, Rows: s.Rows, Records: s.Records, Batches: s.Batches, Waived: s.Waived,
		Payer: s.BillingSubscriptionID, Reporting: s.Reporting, Reason: s.Reason, By: s.By,
	}
	if to, err := usage.ParseDay(s.CarriedTo); err == nil {
		r.CarriedTo = to.String()
	}
	for text := range strings.SplitSeq(s.MissingHours, ",") {
		if h, err := usage.ParseCompactHour(text); err == nil {
			r.Missing = append(r.Missing, h)
		}
	}
	return r
}

// setState shows a mark at the revision that it is about: a day that has something to
// close, at its last one.
func setState(rows []Row, m openday.Entry) {
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		if r.CloudID != m.CloudID || r.Day != m.Day.String() || m.Revision > 0 && r.Revision != int64(m.Revision) {
			continue
		}
		declined := m.Revision == 0 && m.DeclinedRevision == r.Revision && m.Declined > 0
		if declined {
			r.State, r.Declined = strings.TrimPrefix(r.State+", declined", ", "), m.Declined
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
		r.State = strings.TrimPrefix(r.State+", "+state, ", ")
		return
	}
}

func (r Row) cells(name string) []any {
	if r.Revision == 0 {
		none := cli.Number("")
		return []any{name, r.Day, none, "never", "", none, none, none, none, r.State, ""}
	}
	complete, why := "yes", ""
	if !r.Complete {
		complete = fmt.Sprintf("%d missing,", len(r.Missing))
		for _, h := range r.Missing[:min(len(r.Missing), 3)] {
			complete += " " + h.String()
		}
		if len(r.Missing) > 3 {
			complete += " ..."
		}
	}
	if r.Reason != "" {
		why = r.By + ": " + r.Reason
	}
	if changed := r.Changes.Text(); changed != "" {
		why = strings.TrimSuffix(changed+"; "+why, "; ")
	}
	if r.Waived > 0 {
		why = strings.TrimSuffix(fmt.Sprintf("%s not billed by decision; %s", cli.Count(r.Waived, "line"), why), "; ")
	}
	if r.CarriedTo != "" {
		why = "carried to " + r.CarriedTo + "; " + why
	}
	if r.Reporting == daily.ReportingOff {
		why = strings.TrimSuffix("reporting is off; "+why, "; ")
	}
	return []any{name, r.Day, r.Revision, usage.Point(r.Closed), complete, r.Inputs, r.Rows, r.Records, r.Batches, r.State, why}
}
