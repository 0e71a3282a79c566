package handlers_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
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
	r.through(func(req *policy.Request) (*http.Response, error) {
		if req.Raw().Method != http.MethodGet && strings.Contains(req.Raw().URL.Path, "$batch") { // the transaction that commits
			return nil, errFault
		}
		return req.Next()
	})
	r.fails(t, "IngestHour", landedMessage(name))
	r.through(nil)
	if len(r.rows(t, table.DayInputs)) == 0 {
		t.Fatal("no inputs were written")
	}
	ok(t, r.end(t, hour22-48, false))
	r.advance(72 * time.Hour)
	r.done(t, "IngestHour", landedMessage(name))
	if got := r.hourRow(t, name).Verdict; got != ledger.Unregistered {
		t.Fatal(got)
	}
	r.sweptOut(t, rnd)
	book, err := r.store.Tables.Book(t.Context(), cloudID)
	ok(t, err)
	reg := book.Registrations[0]
	reg.EffectiveDay = book.Registrations[1].EffectiveDay
	_, _, err = r.operator(false).Put(t.Context(), registration.Wish{Registration: reg})
	ok(t, err)
	r.sweep(t)
	r.announced(t)
	r.advance(72 * time.Hour)
	r.sweptOut(t, rnd)
	if got := r.hourRow(t, name).Verdict; got != ledger.Counted || len(paid(t, b)) != 1 {
		t.Errorf("%s, charged %v", got, paid(t, b))
	}
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
	book, err := r.store.Tables.Book(t.Context(), cloudID)
	ok(t, err)
	reg := book.Registrations[0]
	reg.EffectiveDay = book.Registrations[1].EffectiveDay
	_, _, err = r.operator(false).Put(t.Context(), registration.Wish{Registration: reg})
	ok(t, err)
	r.sweptOut(t, rnd)
	check(t, "charged again", all, paid(t, b))
}
