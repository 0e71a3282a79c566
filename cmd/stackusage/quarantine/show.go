package quarantine

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/redrive"
)

// Shown is one line of quarantine show, and what redrive --fixed reads.
type Shown struct {
	Line   int64             `json:"line"`
	State  hourlog.RowStatus `json:"state,omitempty"`
	Code   string            `json:"code,omitempty"`
	Reason string            `json:"reason,omitempty"`
	By     string            `json:"decidedBy,omitempty"`
	Why    string            `json:"decisionReason,omitempty"`
	cli.Sent
}

func show(e *cli.Env) *cobra.Command {
	var s selection
	cmd := cli.Command("show", "Print rejected rows", `Prints one JSON object a line, unless --output says otherwise. The row is under "row"
if it is JSON, "text" if it is not, "base64" if it is not even text. Correct "row" in an
editor, leave out the lines that are not to be resubmitted, and pass the file to
stackusage quarantine redrive --fixed.`, `
stackusage quarantine show --hour 2019-12-10T19:00Z > rows.ndjson
stackusage quarantine show --hour 2019-12-10T19:00Z --output table`, func(ctx context.Context) error {
		if err := s.check(); err != nil {
			return err
		}
		storage, err := s.find(ctx)
		if err != nil {
			return err
		}
		e.DefaultOutput("json")
		return cli.List(e, func(yield func(Shown, error) bool) {
			for q, err := range redriver(storage).RejectedRows(ctx, s.id) {
				if err == nil && !s.wants(q.RejectedRow) {
					continue
				}
				if !yield(shownOf(q), err) || err != nil {
					return
				}
			}
		}, cli.Table[Shown]{
			Head: []string{"LINE", "STATE", "CODE", "REASON", "ROW"},
			Cells: func(r Shown) []any {
				row := string(r.Row) + r.Text
				return []any{r.Line, r.State, r.Code, r.Reason, fmt.Sprintf("%.100s", row)}
			},
			None: s.none(storage.Name(ctx, s.id.CloudID)),
		})
	})
	s.flags(e, cmd)
	return cmd
}

func shownOf(q redrive.RejectedRow) Shown {
	return Shown{Line: q.Line, State: q.State, Code: q.Code, Reason: q.Reason, By: q.DecidedBy, Why: q.DecisionReason, Sent: cli.SentRow(q.Row, q.Cut)}
}
