package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/ledger"
)

const aboutWithdraw = `end a redrive that died on its way

Its rows are refused again and may be redriven or dismissed; the usage days that
it held open may close. A run that is still alive fails at its commit. A redrive
that counts is not touched: supersede its hour, or send a correction.`

func withdrawRedrive(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "quarantine withdraw", aboutWithdraw)
	var s selection
	var why ledger.Reasoned
	s.flags(fs)
	reason := reasonFlags(fs, &why)
	if err := s.parse(fs, args); err != nil {
		return err
	}
	if s.code != "" || s.lines != nil {
		return errors.New("a redrive is withdrawn whole: leave --line and --code out")
	}
	if err := reason(); err != nil {
		return err
	}
	app, standing, err := s.find(ctx, env)
	if err != nil {
		return err
	}
	if standing.Redrive == "" {
		return errors.New("no redrive of the hour is on its way")
	}
	if err := app.ledger.WithdrawRedrive(ctx, s.id, why); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "withdrawn: the redrive by %s since %s\n", standing.RedriveBy, standing.RedriveAt.UTC().Format("2006-01-02T15:04:05Z"))
	return nil
}

// oneOf refuses a value that no row can have: a list that is empty because of
// a slip would read as all clear.
func oneOf[T ~string](flag, value string, all ...T) error {
	names := make([]string, len(all))
	for i, v := range all {
		if value == string(v) {
			return nil
		}
		names[i] = string(v)
	}
	if value == "" {
		return nil
	}
	return fmt.Errorf("%s %q is none of %s", flag, value, strings.Join(names, ", "))
}
