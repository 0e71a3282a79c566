// Package hours is stackusage hour: hour blobs, and the decisions about them.
package hours

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage hour.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("hour", "List and compare hour blobs, decide which are accepted", `
stackusage hour list --verdict conflict
stackusage hour compare --hour 2019-12-10T19:00Z --sha16 0123456789abcdef
stackusage hour resolve --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --keep --reason "sent twice"`,
		list(e), compare(e), resolve(e), reingest(e), exclude(e), acceptMissing(e))
}

// Row is one line of hour list.
type Row struct {
	CloudID string      `json:"cloudId"`
	Hour    usage.Hour  `json:"hour"`
	Last    *usage.Hour `json:"lastHour,omitempty"` // of a gap of several hours
	SHA16   string      `json:"sha16,omitempty"`
	Verdict string      `json:"verdict"`
	Code    string      `json:"code,omitempty"`
	Reason  string      `json:"reason,omitempty"`
	Records int64       `json:"records"`
	Landed  time.Time   `json:"landedAt,omitzero"`
	Decided *Decision   `json:"decision,omitempty"`
	Earlier string      `json:"earlier,omitempty"` // decisions that were carried out, where none stands
	Blob    string      `json:"blob,omitempty"`
}

// Decision is what an operator decided about a file.
type Decision struct {
	Decision     string    `json:"decision"`
	Reason       string    `json:"reason"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Done         bool      `json:"done"`
	SupersededBy string    `json:"supersededBy,omitempty"`
	Earlier      string    `json:"earlier,omitempty"`
}

func list(e *cli.Env) *cobra.Command {
	var verdict hourlog.Verdict
	var days cli.Range
	var only *cli.Registration
	cmd := cli.Command("list", "List hour blobs with their verdicts", `A file in conflict claims an hour for which another file with other rows is accepted.
It is in no bill until an operator decides with stackusage hour resolve.

With --from and --to, reported hours of which no file is accepted are rows, too: one
for each gap, with "missing" in place of a verdict.`, `
stackusage hour list --from 2019-12-10 --to 2019-12-10
stackusage hour list --registration hamburg --verdict conflict`, func(ctx context.Context) error {
		if err := days.Check(); err != nil {
			return err
		}
		if verdict == missing && (days.First == 0 || days.Last == 0) {
			return errors.New("--verdict missing needs --from and --to")
		}
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		bounded := days.First != 0 && days.Last != 0
		landed := hourlog.All(ctx, storage.Tables, cloudID)
		if cloudID != "" && bounded {
			landed = hourlog.Between(ctx, storage.Tables, cloudID, days.First, days.Last)
		}
		rows := files(landed, verdict, days)
		if bounded && (verdict == "" || verdict == missing) {
			if rows, err = withGaps(ctx, storage, cloudID, days, rows); err != nil {
				return err
			}
		}
		return cli.List(e, rows, cli.Table[Row]{
			Head: []string{"REGISTRATION", "HOUR", "SHA16", "VERDICT", "ROWS", "LANDED", "WHY"},
			Cells: func(r Row) []any {
				return []any{storage.Name(ctx, r.CloudID), r.hours(), r.SHA16, r.Verdict, r.Records, r.landed(), r.why()}
			},
			None: "no such file has landed",
		})
	})
	only = e.AnyRegistration(cmd)
	days.Flags(cmd, "reported `day`")
	cli.EnumVar(cmd, &verdict, "verdict", "only files with this `verdict`", hourlog.Accepted, hourlog.Duplicate, hourlog.Conflict, hourlog.KeptOut,
		hourlog.Voided, hourlog.Excluded, hourlog.Rejected, hourlog.Unregistered, missing)
	return cmd
}

// files are the rows of the landed files that are asked for.
func files(landed iter.Seq2[hourlog.Landed, error], verdict hourlog.Verdict, days cli.Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for h, err := range landed {
			if err == nil && (verdict != "" && h.Verdict != verdict || !days.Has(h.ID.Hour.Day())) {
				continue
			}
			if !yield(rowOf(h), err) || err != nil {
				return
			}
		}
	}
}

func rowOf(h hourlog.Landed) Row {
	r := Row{
		CloudID: h.ID.CloudID, Hour: h.ID.Hour, SHA16: h.ID.SHA16, Verdict: string(h.Verdict), Code: h.Code, Reason: h.Reason,
		Records: h.Records, Landed: h.LandedAt.UTC(), Blob: h.Blob,
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

func (r Row) why() string {
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
	}
	return fmt.Sprintf("%s by %s %s: %s", d.Decision, d.By, usage.Point(d.At), d.Reason)
}

// file is a file that a command names.
type file struct {
	of   *cli.Registration
	hour cli.Hour
	id   hourlog.ID
}

// flags adds the flags that name the file.
func (f *file) flags(cmd *cobra.Command) {
	f.hour.Flag(cmd)
	cmd.Flags().StringVar(&f.id.SHA16, "sha16", "", "`hash` in the name of the file, as hour list shows it")
}

// check reads what the flags say.
func (f *file) check() (err error) {
	if f.id.Hour, err = f.hour.Get(); err == nil {
		f.id.SHA16, err = parseSHA16("--sha16", f.id.SHA16)
	}
	return err
}

// begin checks the flags, and connects.
func (f *file) begin(ctx context.Context) (storage *cli.Storage, err error) {
	if err = f.check(); err == nil {
		storage, f.id.CloudID, err = f.of.CloudID(ctx)
	}
	return storage, err
}

// decision is a decision about one file.
type decision struct {
	cli.Decision
	file
	env *cli.Env
}

// flags adds the flags of the decision.
func (d *decision) flags(e *cli.Env, cmd *cobra.Command) {
	d.env = e
	d.Flags(e, cmd)
	d.file.flags(cmd)
}

// begin checks the flags, and connects.
func (d *decision) begin(ctx context.Context) (storage *cli.Storage, err error) {
	if err = d.check(); err == nil {
		storage, d.id.CloudID, err = d.CloudID(ctx)
	}
	return storage, err
}

var sha16Pattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// parseSHA16 reads the hash in the name of a file, in upper or lower case.
func parseSHA16(flag, text string) (string, error) {
	sha16 := strings.ToLower(text)
	if !sha16Pattern.MatchString(sha16) {
		return "", fmt.Errorf("%s %q: must be 16 hex digits, as stackusage hour list shows them", flag, text)
	}
	return sha16, nil
}

// done prints what was decided.
func (d *decision) done(h hourlog.Hour, format string, args ...any) error {
	return cli.Result(d.env, rowOf(hourlog.Landed{ID: d.id, Hour: h}), format, args...)
}

// unresolved adds to the error of a decision where to look next.
func unresolved(err error) error {
	switch {
	case errors.Is(err, table.ErrNotFound):
		return fmt.Errorf("%w: no such file has a verdict, or none is accepted for the hour yet; stackusage hour list shows what landed, and the hours of a stack that is not registered are accepted once it is", err)
	case errors.Is(err, reasoned.ErrDecided):
		return fmt.Errorf("%w; stackusage hour list shows the verdict of each file", err)
	}
	return err
}

// announce has IngestHour read a file: it has the disk and the limits for it. Should the
// message get lost, Sweep or the same command sends it again.
func announce(ctx context.Context, s *cli.Storage, id hourlog.ID) error {
	name := landing.Name{CloudID: id.CloudID, Hour: id.Hour, SHA16: id.SHA16}
	if err := s.Usage.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0); err != nil {
		return fmt.Errorf("the decision is recorded, but not announced; run the command again: %w", err)
	}
	return nil
}
