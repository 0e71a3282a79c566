package handlers_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// pausing does something before the n-th listing of Quarantine.
type pausing struct {
	table.Store
	at   int
	hook func()
}

// pausing is the app's ledger, which calls hook before the at-th time that it
// lists refused rows.
func (r *rig) pausing(at int, hook func()) *ledger.Ledger {
	return &ledger.Ledger{Store: &pausing{Store: r.Ledger.Store, at: at, hook: hook}}
}

func (p *pausing) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	if name == table.Quarantine {
		if p.at--; p.at == 0 {
			p.hook()
		}
	}
	return p.Store.List(ctx, name, partition, from, to)
}

// TestARunThatWasOvertakenTakesNothingBack: a redrive has read which
// supplements there are, and is overtaken by another one before it reads the
// rows. The row that counts by then must not be given away once more.
func TestARunThatWasOvertakenTakesNothingBack(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 3; at++ {
		r, name := refusedHour(t)
		rnd := rand.New(rand.NewPCG(4, 4))
		bill := newBilling(t, r)
		r.settle(t, rnd)
		slow := r.redriver()
		slow.Ledger = r.pausing(at, func() {
			req := fix(name, "second", 4, row(4, hour22, "16"))
			req.TakeOver = true
			_, err := r.redriver().Redrive(t.Context(), req)
			ok(t, err)
		})
		if _, err := slow.Redrive(t.Context(), fix(name, "first", 4, row(4, hour22, "8"))); err == nil {
			t.Errorf("listing %d: the run that was overtaken says it is done", at)
		}
		if _, err := r.redriver().Redrive(t.Context(), fix(name, "third", 4, row(4, hour22, "32"))); !errors.Is(err, ledger.ErrDecided) {
			t.Errorf("listing %d: error %v, want that the row is taken", at, err)
		}
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "16")})
	}
}

// TestARowThatCountsIsNotDismissed: the same with an operator who dismisses.
func TestARowThatCountsIsNotDismissed(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	rnd := rand.New(rand.NewPCG(4, 4))
	bill := newBilling(t, r)
	r.settle(t, rnd)
	slow := r.pausing(1, func() {
		_, err := r.redriver().Redrive(t.Context(), fix(name, "second", 4, row(4, hour22, "16")))
		ok(t, err)
	})
	if err := slow.Dismiss(t.Context(), hourID(name), refusedRows(t, slow, hourID(name)), because("no usage")); !errors.Is(err, ledger.ErrDecided) {
		t.Errorf("error %v, want that row 4 counts", err)
	}
	r.settle(t, rnd)
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "16")})
}

// refusedRows are the refused rows of an hour as l reads them.
func refusedRows(t *testing.T, l *ledger.Ledger, id ledger.HourID) (rows []ledger.RefusedRow) {
	t.Helper()
	for q, err := range l.RefusedRows(t.Context(), id) {
		ok(t, err)
		rows = append(rows, q)
	}
	return rows
}

// dying fails at the transaction that would commit a supplement.
type dying struct{ table.Store }

func (d dying) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == table.UsageHours && len(ops) == 2 {
		return errFault
	}
	return d.Store.Apply(ctx, name, partition, ops...)
}

// dyingAt fails at the first write to a table.
type dyingAt struct {
	table.Store
	name string
}

func (d dyingAt) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == d.name {
		return errFault
	}
	return d.Store.Apply(ctx, name, partition, ops...)
}

// TestARedriveThatDiedIsWithdrawn: nobody wants its rows any more, and its usage
// days must not stay open for ever.
func TestARedriveThatDiedIsWithdrawn(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	rnd := rand.New(rand.NewPCG(4, 4))
	bill := newBilling(t, r)
	r.settle(t, rnd)
	dead := r.redriver()
	dead.Ledger = &ledger.Ledger{Store: dying{r.Ledger.Store}}
	if _, err := dead.Redrive(t.Context(), fix(name, "first", 4, row(4, hour22, "8"))); !errors.Is(err, errFault) {
		t.Fatalf("error %v", err)
	}
	if err := r.Ledger.WithdrawRedrive(t.Context(), hourID(name), ledger.Reasoned{}); err == nil {
		t.Error("no reason, and no error")
	}
	for range 2 { // the second time there is none
		ok(t, r.Ledger.WithdrawRedrive(t.Context(), hourID(name), because("it is no usage")))
	}
	ok(t, r.Ledger.Dismiss(t.Context(), hourID(name), refusedRows(t, r.Ledger, hourID(name)), because("it is no usage")))
	r.advance(24 * time.Hour)
	r.settle(t, rnd)
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
	standing, err := r.Ledger.CountedHour(t.Context(), hourID(name))
	ok(t, err)
	if standing.Redrive != "" || standing.RedriveBy != "olga" || standing.RedriveEnd != "withdrawn by olga: it is no usage" {
		t.Errorf("%+v", standing)
	}
}
