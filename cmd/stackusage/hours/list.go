package hours

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Row is one line of hour list.
type Row struct {
	CloudID   string      `json:"cloudId"`
	Hour      usage.Hour  `json:"hour"`
	Last      *usage.Hour `json:"lastHour,omitempty"` // of a gap of several hours
	SHA16     string      `json:"sha16,omitempty"`
	Verdict   string      `json:"verdict"`
	Code      string      `json:"code,omitempty"`
	Reason    string      `json:"reason,omitempty"`
	Records   int64       `json:"records"`
	Accepted  int64       `json:"acceptedRows"`
	Rejected  int64       `json:"rejectedRows"`  // when the file was ingested
	Undecided int64       `json:"undecidedRows"` // of these: neither resubmitted nor dismissed
	Landed    time.Time   `json:"landedAt,omitzero"`
	Late      bool        `json:"late,omitempty"` // it landed when its hour was missing already
	Decided   *Decision   `json:"decision,omitempty"`
	Earlier   string      `json:"earlier,omitempty"` // decisions that were carried out, where none stands
	Blob      string      `json:"blob,omitempty"`
	Corrects  string      `json:"corrects,omitempty"` // of a corrected file: sha16 of the one that landed
}

// Decision is what an operator decided about a file, or about missing hours.
type Decision struct {
	Decision     string    `json:"decision"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Done         bool      `json:"done"`
	SupersededBy string    `json:"supersededBy,omitempty"`
	Earlier      string    `json:"earlier,omitempty"`
}

// asked is what the flags of hour list say.
type asked struct {
	only    *cli.Registration
	verdict hourlog.Verdict
	days    cli.Range
	hour    usage.HourFlag
}

func list(e *cli.Env) *cobra.Command {
	var a asked
	cmd := cli.Command("list", "List hour blobs with their verdicts", `A file in conflict claims an hour for which another file with other rows is accepted.
It is in no bill until an operator decides with stackusage hour resolve.

With --from and --to, or with --hour, reported hours of which no file is accepted are
rows, too. A gap is one row, with a word in place of a verdict: "missing", or "waiting"
if the hour is over and its file may still come.`, `
stackusage hour list --from 2019-12-10 --to 2019-12-10
stackusage hour list --registration hamburg --hour 2019-12-10T19:00Z
stackusage hour list --registration hamburg --verdict conflict`, func(ctx context.Context) error {
		if err := a.check(); err != nil {
			return err
		}
		storage, cloudID, err := a.only.Filter(ctx)
		if err != nil {
			return err
		}
		rows, err := a.rows(ctx, storage, cloudID)
		if err != nil {
			return err
		}
		return cli.List(e, rows, cli.Table[Row]{
			Head: []string{"REGISTRATION", "HOUR", "SHA16", "VERDICT", "ROWS", "LANDED", "WHY"},
			Cells: func(r Row) []any {
				return []any{storage.Name(ctx, r.CloudID), r.hours(), r.SHA16, r.Verdict, r.Records, r.landed(), r.Why()}
			},
			None: "no such file has landed",
		})
	})
	a.only = e.AnyRegistration(cmd)
	a.days.Flags(cmd, "reported `day`")
	cmd.Flags().Var(&a.hour, "hour", "only this reported `hour`, for example 2019-12-10T19:00Z")
	cli.EnumVar(cmd, &a.verdict, "verdict", "only files with this `verdict`", hourlog.Accepted, hourlog.Duplicate, hourlog.Conflict, hourlog.KeptOut,
		hourlog.Voided, hourlog.Excluded, hourlog.Rejected, hourlog.Unregistered, Missing, Waiting)
	return cmd
}

// check reads what the flags say.
func (a *asked) check() error {
	if a.hour.Hour != nil {
		if a.days != (cli.Range{}) {
			return errors.New("--hour names one reported hour: leave --from and --to out")
		}
		a.days = cli.Range{First: a.hour.Hour.Day(), Last: a.hour.Hour.Day()}
	}
	if !a.bounded() && (a.verdict == Missing || a.verdict == Waiting) {
		return fmt.Errorf("--verdict %s needs --from and --to, or --hour", a.verdict)
	}
	return a.days.Check()
}

// bounded reports whether the hours in question are known, and so which of them are not
// there.
func (a *asked) bounded() bool { return a.days.First != 0 && a.days.Last != 0 }

// rows are the files and gaps that are asked for.
func (a *asked) rows(ctx context.Context, storage *cli.Storage, cloudID string) (iter.Seq2[Row, error], error) {
	histories, err := storage.Registry().Histories(ctx)
	if err != nil {
		return nil, err
	}
	landed := hourlog.All(ctx, storage.Tables, cloudID)
	var first, last usage.Day
	if cloudID != "" && a.bounded() {
		first, last = a.days.First, a.days.Last
		landed = hourlog.Between(ctx, storage.Tables, cloudID, first, last)
	}
	rows := a.files(hourlog.WithUndecided(ctx, storage.Tables, cloudID, first, last, landed), histories)
	if a.bounded() && (a.verdict == "" || a.verdict == Missing || a.verdict == Waiting) {
		return a.withGaps(ctx, storage.Tables, cloudID, histories, rows)
	}
	return rows, nil
}

// files are the rows of the landed files that are asked for.
func (a *asked) files(landed iter.Seq2[hourlog.Landed, error], histories []registration.History) iter.Seq2[Row, error] {
	of := map[string]registration.History{}
	for _, h := range histories {
		of[h.CloudID] = h
	}
	return func(yield func(Row, error) bool) {
		for h, err := range landed {
			if err == nil && (a.verdict != "" && h.Verdict != a.verdict || !a.days.Has(h.ID.Hour.Day()) || a.hour.Hour != nil && h.ID.Hour != *a.hour.Hour) {
				continue
			}
			row := rowOf(h)
			row.Late = err == nil && h.Verdict == hourlog.Accepted && calendar.CameLate(of[h.ID.CloudID], h.ID.Hour, h.LandedAt)
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func rowOf(h hourlog.Landed) Row {
	r := Row{
		CloudID: h.ID.CloudID, Hour: h.ID.Hour, SHA16: h.ID.SHA16, Verdict: string(h.Verdict), Code: h.Code, Reason: h.Reason,
		Records: h.Records, Accepted: h.Accepted, Rejected: h.Quarantined, Undecided: h.Undecided, Landed: h.LandedAt.UTC(), Blob: h.Blob, Corrects: h.Original,
	}
	if h.Decision != "" {
		r.Decided = &Decision{
			Decision: string(h.Decision), Reason: h.DecisionReason, By: h.DecidedBy, At: h.DecidedAt.UTC(),
			Done: !h.TakesOver() && !h.Leaves() && !h.AwaitsReingest(), SupersededBy: h.SupersededBy, Earlier: h.Earlier,
		}
	} else {
		r.Earlier = h.Earlier
	}
	return r
}

// Why tells why a file has its verdict, or why an hour is not there.
func (r Row) Why() string {
	d := r.Decided
	switch {
	case d == nil: // that a file was ingested again shows in the last decision of before alone
		return strings.Trim(r.Reason+"; "+r.Earlier[strings.LastIndex(r.Earlier, "\n")+1:], "; ")
	case !d.Done && d.Decision == string(hourlog.DecisionExclude):
		return fmt.Sprintf("about to be excluded; %s decided %s: %s", d.By, usage.Point(d.At), d.Reason)
	case !d.Done && d.Decision == string(hourlog.DecisionReingest):
		return fmt.Sprintf("about to be ingested again; %s decided %s: %s", d.By, usage.Point(d.At), d.Reason)
	case !d.Done:
		return fmt.Sprintf("about to replace the accepted file; %s decided %s: %s", d.By, usage.Point(d.At), d.Reason)
	case d.Decision == AcceptMissing:
		return fmt.Sprintf("%s; %s decided %s: %s", r.Reason, d.By, usage.Point(d.At), d.Reason)
	}
	return fmt.Sprintf("%s by %s %s: %s", d.Decision, d.By, usage.Point(d.At), d.Reason)
}
