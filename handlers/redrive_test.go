package handlers_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"stackusage/shared/intake"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// redriver is what the operator's tool redrives with.
func (r *rig) redriver() intake.Redriver {
	return intake.Redriver{
		Ledger: r.Ledger, Landing: r.Landing, App: r.Blobs,
		Settings: intake.Settings{TempDir: r.Settings.TempDir, SpillSums: r.Settings.SpillSums},
	}
}

// fix asks for one row of a file to be sent again, put right.
func fix(name landing.Name, run string, line int64, text string) intake.Request {
	return intake.Request{ID: hourID(name), Run: run, Why: because("the meter was read again"), Fixed: map[int64][]byte{line: []byte(text)}}
}

// refusedHour is a rig of a whole day, one hour of which has two refused rows:
// line 4 of the usage day, line 5 of the day before.
func refusedHour(t testing.TB) (*rig, landing.Name) {
	t.Helper()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour00, rowsOf(hour00)...)
	return r, r.ingest(t, hour23, append(rowsOf(hour23), row(4, hour22, "-8"), `{"no":"usage"}`)...)
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	rnd := rand.New(rand.NewPCG(4, 4))
	r.settle(t, rnd)
	all := func(more ...string) [][]string {
		return [][]string{rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), more}
	}

	t.Run("rows that are refused again change nothing", func(t *testing.T) {
		was := len(r.dump(t))
		out, err := r.redriver().Redrive(t.Context(), intake.Request{ID: hourID(name), Run: "a", Why: because("again")})
		ok(t, err)
		if out.Rows != 0 || out.Still != 2 || len(r.dump(t)) != was {
			t.Errorf("outcome %+v", out)
		}
	})
	t.Run("a row that was put right is billed", func(t *testing.T) {
		out, err := r.redriver().Redrive(t.Context(), fix(name, "b", 4, row(4, hour22, "8")))
		ok(t, err)
		if out.Rows != 1 || out.UsageDays != "20191210" || out.Already {
			t.Errorf("outcome %+v", out)
		}
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
		q := r.rows(t, table.Quarantine)[cloudID+"_20191210/23_"+name.SHA16+"_0000000004"]
		if q["status"] != "redriven" || q["supplement"] != out.Supplement || q["decidedBy"] != "olga" {
			t.Errorf("row %v", q)
		}
	})
	t.Run("never twice, whatever is said of it", func(t *testing.T) {
		out, err := r.redriver().Redrive(t.Context(), fix(name, "c", 4, row(4, hour22, "8")))
		ok(t, err)
		if !out.Already || out.Rows != 1 || out.Supplement == "" || out.Why.By != "olga" {
			t.Errorf("the same row again: outcome %+v", out)
		}
		more := fix(name, "c2", 4, row(4, hour22, "8"))
		more.Fixed[5] = []byte(row(5, hour22, "1"))
		for _, req := range []intake.Request{fix(name, "c1", 4, row(4, hour22, "9")), more} {
			if _, err := r.redriver().Redrive(t.Context(), req); !errors.Is(err, ledger.ErrDecided) {
				t.Errorf("%s: error %v", req.Run, err)
			}
		}
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
	})
	t.Run("a row that is not in quarantine is not taken", func(t *testing.T) {
		if _, err := r.redriver().Redrive(t.Context(), fix(name, "d", 1, row(1, hour22, "8"))); !errors.Is(err, table.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another row makes another supplement, of another day", func(t *testing.T) {
		_, err := r.redriver().Redrive(t.Context(), fix(name, "e", 5, row(5, hour22-24, "0.5")))
		ok(t, err)
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"), row(5, hour22-24, "0.5"))...)
	})
	second := r.ingest(t, hour23, row(1, hour22, "7"))
	t.Run("supplements fall with their hour", func(t *testing.T) {
		r.supersede(t, second)
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), []string{row(1, hour22, "7")}, rowsOf(hour00))
	})
	t.Run("an hour that is let back in has its refused rows to be redriven again", func(t *testing.T) {
		r.supersede(t, name)
		r.settle(t, rnd)
		bill.billed(t, all()...)
		_, err := r.redriver().Redrive(t.Context(), fix(name, "f", 4, row(4, hour22, "8")))
		ok(t, err)
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
	})
	t.Run("what is dismissed stays out", func(t *testing.T) {
		for q, err := range r.Ledger.RefusedRows(t.Context(), hourID(name)) {
			ok(t, err)
			err = r.Ledger.Dismiss(t.Context(), hourID(name), []ledger.RefusedRow{q}, because("noise"))
			if dismissed := err == nil; dismissed != (q.Line == 5) {
				t.Errorf("line %d, %s: %v", q.Line, q.State, err)
			}
		}
		out, err := r.redriver().Redrive(t.Context(), intake.Request{ID: hourID(name), Run: "g", Why: because("again")})
		ok(t, err)
		if out.Rows+out.Still != 0 {
			t.Errorf("outcome %+v", out)
		}
		r.settle(t, rnd)
	})
}

func TestRedriveCrashes(t *testing.T) {
	t.Parallel()
	var name landing.Name
	_, name = blobOf(t, hour23, append(rowsOf(hour23), row(4, hour22, "-8"), `{"no":"usage"}`)...)
	var run atomic.Int64 // the scenes run side by side
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r, _ := refusedHour(t)
			return r
		},
		func(r *rig) (int, string) {
			req := fix(name, fmt.Sprint(run.Add(1)), 4, row(4, hour22, "8"))
			_, err := r.redriver().Redrive(t.Context(), req)
			if err != nil {
				return http.StatusInternalServerError, err.Error()
			}
			return http.StatusOK, "{}"
		},
		sameStorage)
}

// Redrives of the same rows that overlap, some with the same fix and some with
// another one: each row is billed once, with one of the fixes.
func TestRedrivesThatOverlap(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for try := range 5 {
				req := fix(name, fmt.Sprintf("%d-%d", i, try), 4, row(4, hour22, []string{"8", "9", "10"}[i%3]))
				req.TakeOver = i%2 == 0
				req.Fixed[5] = []byte(row(5, hour22, "1"))
				if _, err := r.redriver().Redrive(t.Context(), req); err == nil || errors.Is(err, ledger.ErrDecided) {
					return
				}
			}
		})
	}
	wg.Wait()
	_, err := r.redriver().Redrive(t.Context(), func() intake.Request {
		req := fix(name, "last", 4, row(4, hour22, "8"))
		req.Fixed[5] = []byte(row(5, hour22, "1"))
		req.TakeOver = true
		return req
	}())
	if err != nil && !errors.Is(err, ledger.ErrDecided) {
		t.Fatal(err)
	}
	r.settle(t, rand.New(rand.NewPCG(5, 5)))
	var taken string
	for _, h := range r.rows(t, table.UsageHours) {
		if h["decision"] == string(ledger.Redriving) && h["verdict"] == string(ledger.Counted) {
			taken += fmt.Sprint(h["records"])
		}
	}
	if taken != "2" {
		t.Fatalf("supplements that count have %s rows, not 2 in one", taken)
	}
	sum := bill.sums(t)
	for _, q := range []string{"8", "9", "10"} {
		if want := usageOf(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, q), row(5, hour22, "1")}); fmt.Sprint(want) == fmt.Sprint(sum) {
			return
		}
	}
	t.Errorf("the bill is %v", sum)
}

// redriveOne sends text in place of a refused row of the hour, if it has one.
func (r *rig) redriveOne(t *testing.T, h usage.Hour, text string) bool {
	t.Helper()
	id := ledger.HourID{CloudID: cloudID, Hour: h}
	standing, err := r.Ledger.CountedHour(t.Context(), id)
	ok(t, err)
	id.SHA16 = standing.Counts
	for q, err := range r.Ledger.RefusedRows(t.Context(), id) {
		ok(t, err)
		if q.State != ledger.Refused {
			continue
		}
		req := intake.Request{ID: id, Run: "run", Why: because("read again"), Fixed: map[int64][]byte{q.Line: []byte(text)}}
		_, err := r.redriver().Redrive(t.Context(), req)
		ok(t, err)
		return true
	}
	return false
}

// accepted leaves out the rows that are refused.
func accepted(hours map[usage.Hour][]string) (all [][]string) {
	for _, rows := range hours {
		all = append(all, slices.DeleteFunc(slices.Clone(rows), func(row string) bool {
			return row == "{}" || strings.Contains(row, `"quantity":-`)
		}))
	}
	return all
}
