package quarantine

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Dismissed is what quarantine dismiss did.
type Dismissed struct {
	CloudID     string     `json:"cloudId"`
	Hour        usage.Hour `json:"hour"`
	Rows        int        `json:"dismissedRows"`
	Redriven    int        `json:"redrivenRows"` // that are left as they are
	AlreadyDone int        `json:"dismissedBefore"`
	Reason      string     `json:"reason"`
	By          string     `json:"by"`
}

func dismiss(e *cli.Env) *cobra.Command {
	var s selection
	var why reasoned.Decision
	var reason func() error
	cmd := cli.Command("dismiss", "Dismiss rejected rows that are no usage", `They stay in quarantine, with who decided and why. Redrive with --line or --fixed
still accepts such a row. Rows that are dismissed already are left as they are, and
reported; so are rows of --code that are in the bill by a redrive. A line that is named
by --line must not be in the bill. While another file is about to replace the accepted file of
the hour, nothing is dismissed.`, `
stackusage quarantine dismiss --hour 2019-12-10T19:00Z --line 17 --reason "test resource"`, func(ctx context.Context) error {
		if err := s.check(); err != nil {
			return err
		}
		if s.code == "" && s.lines == nil {
			return errors.New("--line and --code are missing: name the rows to dismiss")
		}
		if err := reason(); err != nil {
			return err
		}
		storage, err := s.find(ctx)
		if err != nil {
			return err
		}
		chosen, err := s.toDismiss(ctx, storage.Tables)
		if err != nil {
			return err
		}
		for _, q := range chosen.left {
			fmt.Fprintf(e.Stderr, "line %d is left as it is: %s\n", q.Line, becameOf(q))
		}
		if err := hourlog.Dismiss(ctx, storage.Tables, s.id, chosen.rows, why); err != nil {
			return err
		}
		switch {
		case len(chosen.rows) > 0 || chosen.states[hourlog.Dismissed] > 0: // dismissed before, by the same command perhaps
		case chosen.states[hourlog.Redriven] > 0:
			return fmt.Errorf("no row is left to dismiss: %w", reasoned.ErrDecided)
		default:
			return errors.New(s.none(storage.Name(ctx, s.id.CloudID)))
		}
		did := Dismissed{s.id.CloudID, s.id.Hour, len(chosen.rows), chosen.states[hourlog.Redriven], chosen.states[hourlog.Dismissed], why.Reason, why.By}
		text := cli.Count(did.Rows, "row") + " dismissed\n"
		if len(chosen.left) > 0 {
			text += fmt.Sprintf("%s left unchanged: %d in the bill by a redrive, %d dismissed already\n", cli.Count(len(chosen.left), "row"), did.Redriven, did.AlreadyDone)
		}
		return cli.Results(e, []Dismissed{did}, text)
	})
	s.flags(e, cmd)
	reason = cli.ReasonFlags(cmd, &why)
	return cmd
}

// dismissal is what a command to dismiss rows is about.
type dismissal struct {
	rows   []hourlog.RejectedRow // to be dismissed
	left   []hourlog.RejectedRow // that cannot be, or are already
	states map[hourlog.RowStatus]int
}

// toDismiss chooses among the rejected rows of the hour.
func (s *selection) toDismiss(ctx context.Context, tables table.Store) (dismissal, error) {
	d := dismissal{states: map[hourlog.RowStatus]int{}}
	for q, err := range hourlog.RejectedRows(ctx, tables, s.id) {
		switch {
		case err != nil:
			return d, err
		case !s.wants(q):
			continue
		case q.State == hourlog.RowRejected, s.lines != nil && q.State != hourlog.Dismissed: // the ledger reports why not
			d.rows = append(d.rows, q)
		default:
			d.left = append(d.left, q)
			d.states[q.State]++
		}
	}
	return d, nil
}

// becameOf is what became of a row that is not rejected any more.
func becameOf(q hourlog.RejectedRow) string {
	if q.State == hourlog.Redriven {
		return "it is in the bill, by a redrive"
	}
	return fmt.Sprintf("it was dismissed by %s", q.DecidedBy)
}
