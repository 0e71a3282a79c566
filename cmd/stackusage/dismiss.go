package main

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/ledger"
)

const aboutDismiss = `dismiss rejected rows that are no usage

They stay in quarantine, with who decided and why. Redrive with --line or --fixed
still accepts such a row. With --code, rows that count by a
redrive or are dismissed already are left as they are, and reported; a line that is
named by --line must not count. While another file is about to take the place of the
hour's, nothing is dismissed.`

func dismissQuarantine(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "quarantine dismiss", aboutDismiss)
	var s selection
	var why ledger.Reasoned
	s.flags(fs)
	reason := reasonFlags(fs, &why)
	if err := s.parse(fs, args); err != nil {
		return err
	}
	if s.code == "" && s.lines == nil {
		return errors.New("--line and --code are missing: name the rows to dismiss")
	}
	if err := reason(); err != nil {
		return err
	}
	app, _, err := s.find(ctx, env)
	if err != nil {
		return err
	}
	chosen, err := s.toDismiss(ctx, app)
	if err != nil {
		return err
	}
	for _, q := range chosen.left {
		fmt.Fprintf(env.stderr, "line %d is left as it is: %s\n", q.Line, becameOf(q))
	}
	if err := app.ledger.Dismiss(ctx, s.id, chosen.rows, why); err != nil {
		return err
	}
	if err := chosen.nothing(); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%d rows dismissed\n", len(chosen.rows))
	if len(chosen.left) > 0 {
		fmt.Fprintf(env.stdout, "%d rows left as they are: %d count by a redrive, %d are dismissed already\n",
			len(chosen.left), chosen.states[ledger.Redriven], chosen.states[ledger.Dismissed])
	}
	return nil
}

// dismissal is what a command to dismiss rows is about.
type dismissal struct {
	rows   []ledger.RefusedRow // to be dismissed
	left   []ledger.RefusedRow // that cannot be, or are already
	states map[ledger.RowStatus]int
}

// toDismiss chooses among the refused rows of the hour.
func (s *selection) toDismiss(ctx context.Context, app *app) (dismissal, error) {
	d := dismissal{states: map[ledger.RowStatus]int{}}
	for q, err := range app.ledger.RefusedRows(ctx, s.id) {
		switch {
		case err != nil:
			return d, err
		case !s.wants(q):
			continue
		case q.State == ledger.Refused, s.lines != nil && q.State != ledger.Dismissed: // the ledger says why not
			d.rows = append(d.rows, q)
		default:
			d.left = append(d.left, q)
			d.states[q.State]++
		}
	}
	return d, nil
}

// nothing is the error of a command with no row to dismiss.
func (d dismissal) nothing() error {
	switch {
	case len(d.rows) > 0:
		return nil
	case d.states[ledger.Redriven] > 0:
		return fmt.Errorf("no row is left to dismiss: %w", ledger.ErrDecided)
	}
	return errors.New("no rejected row of the hour matches --line and --code, or they are dismissed already; stackusage quarantine list shows the rows")
}

// becameOf says what became of a row that is not refused any more.
func becameOf(q ledger.RefusedRow) string {
	if q.State == ledger.Redriven {
		return "it counts, by a redrive"
	}
	return fmt.Sprintf("it was dismissed by %s", q.DecidedBy)
}
