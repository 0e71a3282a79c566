// Package decisions is stackusage decision: what operators decided, and why.
package decisions

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/decisions"
	"stackusage/shared/usage"
)

// Command is stackusage decision.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("decision", "List what operators decided, and why", `
stackusage decision list --since 2019-12-01
stackusage decision list --registration hamburg --kind quarantineDismiss`,
		list(e))
}

// Row is one line of decision list.
type Row struct {
	At       time.Time      `json:"at,omitzero"` // zero: not recorded
	By       string         `json:"by"`
	Kind     decisions.Kind `json:"kind"`
	CloudID  string         `json:"cloudId,omitempty"`
	Reason   string         `json:"reason"`
	Open     bool           `json:"open"` // recorded, and not carried out yet
	Hour     *usage.Hour    `json:"hour,omitempty"`
	Last     *usage.Hour    `json:"lastHour,omitempty"` // of a range of several hours
	SHA16    string         `json:"sha16,omitempty"`
	Rows     int64          `json:"rows,omitempty"` // dismissed rows
	Line     int64          `json:"firstLine,omitempty"`
	Day      string         `json:"usageDay,omitempty"`
	Revision int            `json:"revision,omitempty"`
	Batch    int            `json:"batch,omitempty"`
	Queue    string         `json:"queue,omitempty"`
	Message  string         `json:"messageId,omitempty"`
	Detail   string         `json:"detail,omitempty"` // what else was decided

	text string
}

func rowOf(d decisions.Decision, text string) Row {
	r := Row{At: d.At, By: d.By, Kind: d.Kind, CloudID: d.CloudID, Reason: d.Reason, Open: d.Open,
		Revision: d.Revision, Batch: d.Batch, Queue: d.Queue, Message: d.Message, Detail: d.Detail, text: text}
	if h := d.Hours; h != nil {
		r.Hour, r.SHA16, r.Rows, r.Line = &h.First, h.SHA16, h.Rows, h.Line
		if h.Last != h.First {
			r.Last = &h.Last
		}
	}
	if d.Day != 0 {
		r.Day = d.Day.String()
	}
	return r
}

// every is how often progress is printed.
const every = 2 * time.Second

func list(e *cli.Env) *cobra.Command {
	var only *cli.Registration
	var since usage.Day
	var by string
	var kind decisions.Kind
	kinds := decisions.Kinds()
	cmd := cli.Command("list", "List decisions, the newest first", `WHAT is the command that took the decision, and what it is about. A request to restate,
settle or carry forward a usage day is as old as the revision that answers it, once the
day is closed again. Where the function app did something by itself, nobody decided.

--since leaves out decisions of the days before; without it, all are read. Of a message
that was sent again, the last time is known, and of one thing that was decided several
times, each decision.`, `
stackusage decision list --since 2019-12-01
stackusage decision list --registration hamburg --by olga --output csv`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		q := decisions.Question{CloudID: cloudID}
		if since != 0 {
			q.Since = since.Start()
		}
		if kind != "" {
			q.Kinds = []decisions.Kind{kind}
		}
		var stop func()
		q.Progress, stop = progress(e.Stderr)
		found, err := decisions.Read(ctx, storage.Tables, q)
		stop()
		if err != nil {
			return err
		}
		if found, err = madeBy(found, by); err != nil {
			return err
		}
		rows := make([]Row, len(found))
		for i, d := range found {
			stack := ""
			if d.CloudID != "" {
				stack = storage.Name(ctx, d.CloudID)
			}
			rows[i] = rowOf(d, d.Text(stack))
		}
		return cli.List(e, cli.Each(rows), cli.Table[Row]{
			Head:  []string{"WHEN", "WHO", "WHAT", "WHY"},
			Cells: func(r Row) []any { return []any{cli.PointOr(cli.Known(r.At)), r.By, r.text, r.Reason} },
			None:  "nothing of the kind was decided",
		})
	})
	only = e.AnyRegistration(cmd)
	cli.DayVar(cmd, &since, "since", "first `day` of decisions to include (YYYY-MM-DD, UTC; default: all)")
	cmd.Flags().StringVar(&by, "by", "", "only decisions of this `operator`, as the audit trail has the name")
	cli.EnumVar(cmd, &kind, "kind", "only decisions of this `kind`", kinds...)
	return cmd
}

// progress tells every two seconds which table is read, until stop.
func progress(out io.Writer) (reading func(table string), stop func()) {
	tables, done := make(chan string), make(chan struct{})
	ticks := time.NewTicker(every)
	var told sync.WaitGroup
	told.Go(func() {
		table := ""
		for {
			select {
			case table = <-tables:
			case <-ticks.C:
				fmt.Fprintln(out, "decision list: reading", table)
			case <-done:
				return
			}
		}
	})
	return func(table string) { tables <- table }, func() { ticks.Stop(); close(done); told.Wait() }
}

// madeBy are the decisions of one operator. A name that nobody has is an error: one that
// was mistyped must not read as one who decided nothing.
func madeBy(found []decisions.Decision, by string) ([]decisions.Decision, error) {
	if by == "" {
		return found, nil
	}
	var names []string
	for _, d := range found {
		if d.By != "" && !slices.Contains(names, d.By) {
			names = append(names, d.By)
		}
	}
	if !slices.Contains(names, by) && len(names) > 0 {
		slices.Sort(names)
		return nil, fmt.Errorf("--by %q: nobody of this name took such a decision; those who did: %s", by, strings.Join(names, ", "))
	}
	return slices.DeleteFunc(found, func(d decisions.Decision) bool { return d.By != by }), nil
}
