package handlers_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/redrive"
	"stackusage/shared/table"
)

// pausing does something before the n-th listing of Quarantine.
type pausing struct {
	table.Store
	at   int
	hook func()
}

// pausing is the app's ledger, which calls hook before the at-th time that it
// lists rejected rows.
func (r *rig) pausing(at int, hook func()) table.Store {
	return &pausing{Store: r.Tables, at: at, hook: hook}
}

func (p *pausing) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	if name == table.Quarantine {
		if p.at--; p.at == 0 {
			p.hook()
		}
	}
	return p.Store.List(ctx, name, partition, from, to)
}

// TestARunThatWasOvertaken: two operators fix the same row differently, and one
// overtakes the other wherever it is. One of them has the row, the other and every
// later one is told so.
func TestARunThatWasOvertaken(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 4; at++ {
		r, name := refusedHour(t)
		rnd := rand.New(rand.NewPCG(4, 4))
		bill := newBilling(t, r)
		r.settle(t, rnd)
		slow := r.redriver()
		var second error
		slow.Tables = r.pausing(at, func() {
			_, second = r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "16")))
		})
		_, first := slow.Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		if (first == nil) == (second == nil) || first != nil && !errors.Is(first, reasoned.ErrDecided) || second != nil && !errors.Is(second, reasoned.ErrDecided) {
			t.Errorf("listing %d: errors %v, %v", at, first, second)
		}
		if _, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "32"))); !errors.Is(err, reasoned.ErrDecided) {
			t.Errorf("listing %d: error %v, want that the row counts", at, err)
		}
		r.settle(t, rnd)
		q := "16"
		if first == nil {
			q = "8"
		}
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, q)})
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
		_, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "16")))
		ok(t, err)
	})
	if err := hourlog.Dismiss(t.Context(), slow, hourID(name), rowsRefused(t, slow, hourID(name)), because("no usage")); !errors.Is(err, reasoned.ErrDecided) {
		t.Errorf("error %v, want that row 4 counts", err)
	}
	r.settle(t, rnd)
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "16")})
}

// rowsRefused are the rejected rows of an hour as l reads them.
func rowsRefused(t testing.TB, tables table.Store, id hourlog.ID) (rows []hourlog.RejectedRow) {
	t.Helper()
	for q, err := range hourlog.RejectedRows(t.Context(), tables, id) {
		ok(t, err)
		rows = append(rows, q)
	}
	return rows
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

// dying fails at the transaction by which a file would take another's place.
type dying struct{ table.Store }

func (d dying) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == table.UsageHours && len(ops) == 3 {
		return errFault
	}
	return d.Store.Apply(ctx, name, partition, ops...)
}

// TestARedriveThatDiedIsWithdrawn: nobody wants its rows any more. Until then no row
// of the hour is dismissed.
func TestARedriveThatDiedIsWithdrawn(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	rnd := rand.New(rand.NewPCG(4, 4))
	bill := newBilling(t, r)
	r.settle(t, rnd)
	dead := r.redriver()
	dead.Tables = dying{r.Tables}
	if _, err := dead.Redrive(t.Context(), fix(name, 4, row(4, hour22, "8"))); !errors.Is(err, errFault) {
		t.Fatalf("error %v", err)
	}
	rows := r.refusedRows(t, name)
	if err := hourlog.Dismiss(t.Context(), r.Tables, hourID(name), rows, because("it is no usage")); !errors.Is(err, reasoned.ErrDecided) {
		t.Errorf("a row was dismissed while the hour is about to change: %v", err)
	}
	standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
	ok(t, err)
	corrected := hourID(name)
	corrected.SHA16 = standing.Challenger
	for range 2 { // the second time there is nothing to withdraw
		h, err := hourlog.KeepOut(t.Context(), r.Tables, corrected, because("it is no usage"))
		if err != nil || h.Verdict != hourlog.KeptOut {
			t.Errorf("row %+v, error %v", h, err)
		}
	}
	ok(t, hourlog.Dismiss(t.Context(), r.Tables, hourID(name), rows, because("it is no usage")))
	r.advance(24 * time.Hour)
	r.settle(t, rnd)
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
	// The same redrive may be asked for again.
	_, err = r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
	ok(t, err)
	r.settle(t, rnd)
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
}

// TestADismissalWhileTheHourMoves: a row is dismissed while a corrected blob takes the
// place of the file that it was read of. It is dismissed in the one that counts.
func TestADismissalWhileTheHourMoves(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	rows := r.refusedRows(t, name)[1:] // line 5, which the redrive leaves out
	tables := &beforeWrite{r.Tables, table.Quarantine, func() {
		_, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		ok(t, err)
	}}
	ok(t, hourlog.Dismiss(t.Context(), tables, hourID(name), rows, because("noise")))
	if rows := r.refusedRows(t, name); rows[0].State != hourlog.Redriven || rows[1].State != hourlog.Dismissed || rows[1].DecisionReason != "noise" {
		t.Errorf("rows %+v", rows)
	}
	// And one that the corrected blob has fixed is not.
	r2, name := refusedHour(t)
	rows = r2.refusedRows(t, name)[:1]
	tables = &beforeWrite{r2.Tables, table.Quarantine, func() {
		_, err := r2.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		ok(t, err)
	}}
	if err := hourlog.Dismiss(t.Context(), tables, hourID(name), rows, because("noise")); !errors.Is(err, reasoned.ErrDecided) {
		t.Errorf("error %v, want that the row counts", err)
	}
}

// beforeWrite does something before the first write to a table.
type beforeWrite struct {
	table.Store
	name string
	hook func()
}

func (b *beforeWrite) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if hook := b.hook; name == b.name && hook != nil {
		b.hook = nil
		hook()
	}
	return b.Store.Apply(ctx, name, partition, ops...)
}

// TestADismissalBeforeARedriveIsAnnounced: a redrive of all rows that the rules take
// has read them, and one is dismissed before it says so. That row stays out.
func TestADismissalBeforeARedriveIsAnnounced(t *testing.T) {
	t.Parallel()
	r := registered(t)
	file, name := blobOf(t, hour23, append(rowsOf(hour23), row(4, hour22, "8"), row(5, hour22, "8"))...)
	r.drop(t, name, file)
	r.commitRejecting(t, name, file, 4, 5)
	slow := r.redriver()
	slow.Tables = &beforeWrite{r.Tables, table.UsageHours, func() {
		ok(t, hourlog.Dismiss(t.Context(), r.Tables, hourID(name), r.refusedRows(t, name)[:1], because("noise")))
	}}
	out, err := slow.Redrive(t.Context(), redrive.Request{ID: hourID(name), Why: because("the rules take it now")})
	if err != nil || out.Rows != 1 {
		t.Errorf("outcome %+v, error %v", out, err)
	}
	if rows := r.refusedRows(t, name); len(rows) != 2 || rows[0].State != hourlog.Dismissed || rows[1].State != hourlog.Redriven {
		t.Errorf("rows %+v", rows)
	}
	if h, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name)); err != nil || h.Accepted != 4 || h.Challenger != "" {
		t.Errorf("pointer %+v, error %v", h, err)
	}
}

// TestDismissFailsBothWays: the command is run again, and reads the rows anew.
func TestDismissFailsBothWays(t *testing.T) {
	t.Parallel()
	var name landing.Name
	_, name = blobOf(t, hour23, append(rowsOf(hour23), row(4, hour22, "-8"), `{"no":"usage"}`)...)
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r, _ := refusedHour(t)
			return r
		},
		func(r *rig) (int, string) {
			var rows []hourlog.RejectedRow
			for row, err := range hourlog.RejectedRows(t.Context(), r.Tables, hourID(name)) {
				if err != nil {
					return 500, err.Error()
				}
				rows = append(rows, row)
			}
			if err := hourlog.Dismiss(t.Context(), r.Tables, hourID(name), rows, because("noise")); err != nil {
				return 500, err.Error()
			}
			return 200, "{}"
		},
		sameStorage)
}
