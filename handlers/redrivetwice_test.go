package handlers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/shared/intake"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// TestTheSameRedriveTwiceAtOnce: a redrive is overtaken by one of the same rows,
// wherever it is. Both are told that the rows count, and they count once.
func TestTheSameRedriveTwiceAtOnce(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 3; at++ {
		r, name := refusedHour(t)
		rnd := rand.New(rand.NewPCG(4, 4))
		bill := newBilling(t, r)
		r.settle(t, rnd)
		slow := r.redriver()
		slow.Ledger = r.pausing(at, func() {
			out, err := r.redriver().Redrive(t.Context(), fix(name, "second", 4, row(4, hour22, "8")))
			ok(t, err)
			if out.Already {
				t.Errorf("listing %d: the one that overtakes: %+v", at, out)
			}
		})
		out, err := slow.Redrive(t.Context(), fix(name, "first", 4, row(4, hour22, "8")))
		// One that is overtaken after it announced itself finds at its commit that all is done.
		if err != nil || out.Already != (at < 3) || out.Rows != 1 || out.UsageDays != "20191210" {
			t.Errorf("listing %d: outcome %+v, error %v", at, out, err)
		}
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
	}
}

// lagging stops a run before the transaction that commits its supplement, and
// after each time it reads a supplement's row.
type lagging struct {
	table.Store
	commits, looked func()
}

func (l lagging) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == table.UsageHours && len(ops) == 2 {
		l.commits()
	}
	return l.Store.Apply(ctx, name, partition, ops...)
}

func (l lagging) Get(ctx context.Context, name, partition, key string) (table.Row, error) {
	row, err := l.Store.Get(ctx, name, partition, key)
	if name == table.UsageHours && strings.Count(key, "_") == 2 {
		l.looked()
	}
	return row, err
}

// TestARedriveWaitsForTheOneThatOvertookIt: at its commit it has lost the hour to
// a run of the same rows, which commits only once it was looked for in vain.
func TestARedriveWaitsForTheOneThatOvertookIt(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	atCommit, goOn := make(chan struct{}), make(chan struct{})
	second := r.redriver()
	second.Ledger = &ledger.Ledger{Store: lagging{r.Ledger.Store, sync.OnceFunc(func() { close(atCommit); <-goOn }), func() {}}}
	var both sync.WaitGroup
	overtake := sync.OnceFunc(func() {
		both.Go(func() {
			out, err := second.Redrive(t.Context(), fix(name, "second", 4, row(4, hour22, "8")))
			if err != nil || out.Already {
				t.Errorf("the one that overtakes: outcome %+v, error %v", out, err)
			}
		})
		<-atCommit
	})
	looks := 0 // before the commit, at its second try, and then for the other run
	first := r.redriver()
	first.Ledger = &ledger.Ledger{Store: lagging{r.Ledger.Store, overtake, func() {
		if looks++; looks == 3 {
			close(goOn)
		}
	}}}
	out, err := first.Redrive(t.Context(), fix(name, "first", 4, row(4, hour22, "8")))
	if looks < 4 {
		t.Errorf("it looked %d times", looks)
		if looks < 3 {
			close(goOn)
		}
	}
	both.Wait()
	if err != nil || !out.Already {
		t.Errorf("the one that was overtaken: outcome %+v, error %v", out, err)
	}
	r.settle(t, rand.New(rand.NewPCG(4, 4)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
}

// laxer has the refused rows as rules would find them that take what was refused.
type laxer struct{ intake.Store }

func (l laxer) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := l.Store.Open(ctx, container, name)
	if err != nil {
		return nil, at, err
	}
	defer body.Close()
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	for row, err := range intake.ReadRefused(body) {
		if err != nil {
			return nil, at, err
		}
		row.Row = bytes.Replace(row.Row, []byte(`"quantity":-8`), []byte(`"quantity":8`), 1)
		if err := json.NewEncoder(gz).Encode(row); err != nil {
			return nil, at, err
		}
	}
	return io.NopCloser(&file), at, gz.Close()
}

func TestRowsAsTheyCameTwice(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	lax := r.redriver()
	lax.App = laxer{lax.App}
	req := func(run string) intake.Request {
		return intake.Request{ID: hourID(name), Run: run, Why: because("the rules take it now"), Want: func(q ledger.RefusedRow) bool { return q.Line == 4 }}
	}
	first, err := lax.Redrive(t.Context(), req("first"))
	ok(t, err)
	again, err := lax.Redrive(t.Context(), req("again"))
	ok(t, err)
	if first.Already || first.Rows != 1 || !again.Already || again.Rows != 1 || again.Supplement != first.Supplement {
		t.Errorf("outcomes %+v, %+v", first, again)
	}
	if out, err := r.redriver().Redrive(t.Context(), req("by the rules of before")); err != nil || out.Already || out.Rows != 0 {
		t.Errorf("where the row would be refused: outcome %+v, error %v", out, err)
	}
}

// TestManyRedrivesOfTheSameRows: whoever of them does it, all are told that the
// rows count.
func TestManyRedrivesOfTheSameRows(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			out, err := r.redriver().Redrive(t.Context(), fix(name, fmt.Sprint(i), 4, row(4, hour22, "8")))
			if err != nil || out.Rows != 1 {
				t.Errorf("outcome %+v, error %v", out, err)
			}
		})
	}
	all.Wait()
	r.settle(t, rand.New(rand.NewPCG(4, 4)))
	bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, "8")})
}
