package quarantine

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/ledger"
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
	var why ledger.Reasoned
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
		chosen, err := s.toDismiss(ctx, storage.Ledger)
		if err != nil {
			return err
		}
		for _, q := range chosen.left {
			fmt.Fprintf(e.Stderr, "line %d is left as it is: %s\n", q.Line, becameOf(q))
		}
		if err := storage.Ledger.Dismiss(ctx, s.id, chosen.rows, why); err != nil {
			return err
		}
		switch {
		case len(chosen.rows) > 0 || chosen.states[ledger.Dismissed] > 0: // dismissed before, by the same command perhaps
		case chosen.states[ledger.Redriven] > 0:
			return fmt.Errorf("no row is left to dismiss: %w", ledger.ErrDecided)
		default:
			return errors.New(s.none(storage.Name(ctx, s.id.CloudID)))
		}
		did := Dismissed{s.id.CloudID, s.id.Hour, len(chosen.rows), chosen.states[ledger.Redriven], chosen.states[ledger.Dismissed], why.Reason, why.By}
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
	rows   []ledger.RejectedRow // to be dismissed
	left   []ledger.RejectedRow // that cannot be, or are already
	states map[ledger.RowStatus]int
}

// toDismiss chooses among the rejected rows of the hour.
func (s *selection) toDismiss(ctx context.Context, l *ledger.Ledger) (dismissal, error) {
	d := dismissal{states: map[ledger.RowStatus]int{}}
	for q, err := range l.RejectedRows(ctx, s.id) {
		switch {
		case err != nil:
			return d, err
		case !s.wants(q):
			continue
		case q.State == ledger.RowRejected, s.lines != nil && q.State != ledger.Dismissed: // the ledger reports why not
			d.rows = append(d.rows, q)
		default:
			d.left = append(d.left, q)
			d.states[q.State]++
		}
	}
	return d, nil
}

// becameOf is what became of a row that is not rejected any more.
func becameOf(q ledger.RejectedRow) string {
	if q.State == ledger.Redriven {
		return "it is in the bill, by a redrive"
	}
	return fmt.Sprintf("it was dismissed by %s", q.DecidedBy)
}
