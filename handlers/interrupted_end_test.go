package handlers_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/handlers"
	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/table"
)

// TestAnEndAfterAnInterruptedIngest: an IngestHour wrote its inputs and died before
// its commit; then the registration ends before the hour. The days are not left
// open, and the hour counts once it is registered again.
func TestAnEndAfterAnInterruptedIngest(t *testing.T) {
	t.Parallel()
	r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	name := r.land(t, hour22, rowsOf(hour22)...)
	r.through(func(op faultstore.Operation, do func() error) error {
		if len(op.Rows) > 1 { // the transaction that commits
			return errFault
		}
		return do()
	})
	r.fails(t, "IngestHour", landedMessage(name))
	r.through(nil)
	if len(r.rows(t, table.DayInputs)) == 0 {
		t.Fatal("no inputs were written")
	}
	ok(t, r.end(t, hour22-48, false))
	r.advance(72 * time.Hour)
	r.done(t, "IngestHour", landedMessage(name))
	if got := r.hourRow(t, name).Verdict; got != hourlog.Unregistered {
		t.Fatal(got)
	}
	r.sweptOut(t, rnd)
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	reg := history.Registrations[0]
	reg.EffectiveDay = history.Registrations[1].EffectiveDay
	_, _, err = r.operator(false).Put(t.Context(), registrar.Change{Registration: reg})
	ok(t, err)
	r.sweep(t)
	r.announced(t)
	r.advance(72 * time.Hour)
	r.sweptOut(t, rnd)
	if got := r.hourRow(t, name).Verdict; got != hourlog.Accepted || len(paid(t, b)) != 1 {
		t.Errorf("%s, charged %v", got, paid(t, b))
	}
}

// TestAnEndAfterAnInterruptedIngestBesideAnother: the same where another file of the
// hour came to count meanwhile.
func TestAnEndAfterAnInterruptedIngestBesideAnother(t *testing.T) {
	t.Parallel()
	r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
	newBilling(t, r)
	name := r.land(t, hour22, row(1, hour22-1, "5"))
	r.through(func(op faultstore.Operation, do func() error) error {
		if len(op.Rows) > 1 { // the transaction that commits
			return errFault
		}
		return do()
	})
	r.fails(t, "IngestHour", landedMessage(name))
	r.through(nil)
	other := r.ingest(t, hour22, rowsOf(hour22)...)
	if got := r.hourRow(t, other).Verdict; got != hourlog.Accepted {
		t.Fatal(got)
	}
	ok(t, r.end(t, hour22-48, false))
	r.sweep(t)
	r.announced(t)
	r.done(t, "IngestHour", landedMessage(name))
	for _, n := range []landing.Name{name, other} {
		if got := r.hourRow(t, n).Verdict; got != hourlog.Unregistered {
			t.Fatal(got)
		}
	}
	r.advance(72 * time.Hour)
	r.sweptOut(t, rnd)
}

// TestAnEndTakesOutACorrectedHour, and registered again the corrected rows count,
// not those that they replaced.
func TestAnEndTakesOutACorrectedHour(t *testing.T) {
	t.Parallel()
	r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	name := r.ingest(t, hour22, row(1, hour22-1, "1"), row(4, hour22-1, "-8"))
	_, err := r.redriver().Redrive(t.Context(), fix(name, 2, row(4, hour22-1, "8")))
	ok(t, err)
	r.advance(72 * time.Hour)
	r.settle(t, rnd)
	all := map[string]string{"2019-12-10 " + payer: "9"}
	check(t, "charged", all, paid(t, b))
	ok(t, r.end(t, hour22-48, true))
	r.sweptOut(t, rnd)
	check(t, "charged after the end", map[string]string{"2019-12-10 " + payer: "0"}, paid(t, b))
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	reg := history.Registrations[0]
	reg.EffectiveDay = history.Registrations[1].EffectiveDay
	_, _, err = r.operator(false).Put(t.Context(), registrar.Change{Registration: reg})
	ok(t, err)
	r.sweptOut(t, rnd)
	check(t, "charged again", all, paid(t, b))
}

// TestAnEndAfterAnInterruptedReturn: an hour that an end took out was registered
// again, and whoever let it count again died on the way; then the registration ends
// before it once more. Its day is not left open, and it may count again all the same.
func TestAnEndAfterAnInterruptedReturn(t *testing.T) {
	t.Parallel()
	r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	name := r.ingest(t, hour22, rowsOf(hour22)...)
	r.advance(72 * time.Hour)
	r.settle(t, rnd)
	all := paid(t, b)
	ok(t, r.end(t, hour22-48, true))
	r.sweptOut(t, rnd)
	none := map[string]string{"2019-12-10 " + payer: "0"}
	check(t, "charged after the end", none, paid(t, b))
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	reg := history.Registrations[0]
	reg.EffectiveDay = history.Registrations[1].EffectiveDay
	again := func() {
		t.Helper()
		_, _, err = r.operator(true).Put(t.Context(), registrar.Change{Registration: reg})
		ok(t, err)
	}
	again()
	r.through(func(op faultstore.Operation, do func() error) error {
		err := do()
		if err == nil && op.Name == table.OpenDays && len(op.Rows) == 1 && op.Rows[0].Verb != table.Insert { // the mark is there
			return errFault
		}
		return err
	})
	r.fails(t, "IngestHour", landedMessage(name))
	r.through(nil)
	if standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name)); err != nil || standing.Challenger != name.SHA16 {
		t.Fatalf("it did not die on the way: %+v, %v", standing, err)
	}
	r.take(t, "usage-landed") // lost
	ok(t, r.end(t, hour22-48, true))
	for range 3 {
		r.daysPass(t)
	}
	r.sweptOut(t, rnd)
	if got := r.hourRow(t, name).Verdict; got != hourlog.Unregistered {
		t.Error(got)
	}
	check(t, "charged after the second end", none, paid(t, b))
	again()
	r.sweptOut(t, rnd)
	check(t, "charged at last", all, paid(t, b))
}

// unreadable are landed blobs that nobody can read any more.
type unreadable struct {
	handlers.Landing
	content []byte // nil: they are gone, by the error none
	none    error
}

func (u unreadable) Open(context.Context, string, string) (io.ReadCloser, time.Time, error) {
	if u.content == nil {
		return nil, time.Time{}, u.none
	}
	return io.NopCloser(bytes.NewReader(u.content)), hour22.End(), nil
}

// dyingBeforeReturn fails at the transaction by which a file counts again.
type dyingBeforeReturn struct{ table.Store }

func (d dyingBeforeReturn) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == table.UsageHours && len(ops) == 2 && ops[0].Verb == table.Update {
		return errFault
	}
	return d.Store.Apply(ctx, name, partition, ops...)
}

// TestAFileThatCannotReturn: it was about to count again after an end, and its blob is
// gone from landing, or damaged. Its day is not left open, and the message is kept.
func TestAFileThatCannotReturn(t *testing.T) {
	t.Parallel()
	for what, content := range map[string][]byte{"gone": nil, "damaged": []byte("no gzip")} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := longRegistered(t)
			name := r.ingest(t, hour22, rowsOf(hour22)...)
			_, err := hourlog.Exclude(t.Context(), r.Tables, hourID(name), because("it had ended"), true)
			ok(t, err)
			store := r.Tables
			r.Tables = dyingBeforeReturn{store}
			r.fails(t, "IngestHour", landedMessage(name))
			r.Tables = store
			if standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name)); err != nil || standing.Challenger != name.SHA16 {
				t.Fatalf("it did not die on the way: %+v, %v", standing, err)
			}
			r.Landing = unreadable{r.Landing, content, r.store.noBlob}
			r.done(t, "IngestHour", landedMessage(name))
			r.advance(100 * time.Hour)
			r.done(t, "CloseDay", dayMessage(theDay))
			if open := r.rows(t, table.OpenDays); len(open) > 0 && open[cloudID+"/20191210"] != nil {
				t.Errorf("open: %v", open)
			}
			if h := r.hourRow(t, name); h.Verdict != hourlog.Unregistered || len(r.rows(t, table.FailedMessages)) != 1 {
				t.Errorf("row %+v, failed %v", h, r.rows(t, table.FailedMessages))
			}
		})
	}
}
