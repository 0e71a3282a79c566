package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/redrive"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// redriver is what the operator's tool redrives with.
func (r *rig) redriver() redrive.Redriver {
	return redrive.Redriver{
		Tables: r.Tables, Landing: r.Landing, App: r.Blobs,
		Settings: ingest.Settings{TempDir: r.Settings.TempDir, SpillSums: r.Settings.SpillSums},
		Region: func(ctx context.Context, cloudID string) (ingest.RegisteredRegion, error) {
			history, err := r.Registrations.History(ctx, cloudID)
			return ingest.RegionOf(history), err
		},
	}
}

// fix asks for one row of a file to be sent again, put right.
func fix(name landing.Name, line int64, text string) redrive.Request {
	return redrive.Request{ID: hourID(name), Why: because("the meter was read again"), Fixed: map[int64][]byte{line: []byte(text)}}
}

// refusedHour is a rig of a whole day, one hour of which has two rejected rows:
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
		out, err := r.redriver().Redrive(t.Context(), redrive.Request{ID: hourID(name), Why: because("again")})
		ok(t, err)
		if out.Rows != 0 || out.Still != 2 || len(r.dump(t)) != was {
			t.Errorf("outcome %+v", out)
		}
	})
	t.Run("a row that was put right is billed", func(t *testing.T) {
		out, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		ok(t, err)
		if out.Rows != 1 || out.UsageDays != "20191210" || out.Already {
			t.Errorf("outcome %+v", out)
		}
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
		if h := r.hourRow(t, name); h.Verdict != hourlog.Voided || h.SupersededBy != out.Corrected || !strings.Contains(h.Reason, "corrected/") {
			t.Errorf("row of the original %+v", h)
		}
		h, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
		ok(t, err)
		if h.Counts != out.Corrected || h.Decision != hourlog.DecisionRedrive || h.DecidedBy != "olga" || h.Original != name.SHA16 || h.Accepted != 4 || h.Quarantined != 1 {
			t.Errorf("pointer %+v", h)
		}
		if rows := r.refusedRows(t, name); len(rows) != 2 || rows[0].State != hourlog.Redriven || rows[1].State != hourlog.RowRejected || rows[1].Line != 5 {
			t.Errorf("rows %+v", rows)
		}
		for path, rows := range map[string][]string{"the rows of the corrected blob": append(rowsOf(hour23), row(4, hour22, "8"), `{"no":"usage"}`), "of the original": append(rowsOf(hour23), row(4, hour22, "-8"), `{"no":"usage"}`)} {
			if again := r.ingest(t, hour23, append(slices.Clone(rows[1:]), rows[0])...); r.hourRow(t, again).Verdict != hourlog.Duplicate {
				t.Errorf("an agent's file with %s: %+v", path, r.hourRow(t, again))
			}
		}
	})
	t.Run("never twice, whatever is said of it", func(t *testing.T) {
		out, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		ok(t, err)
		if !out.Already || out.Rows != 1 || out.Corrected == "" || out.Why.By != "olga" {
			t.Errorf("the same row again: outcome %+v", out)
		}
		more := fix(name, 4, row(4, hour22, "8"))
		more.Fixed[5] = []byte(row(5, hour22, "1"))
		for _, req := range []redrive.Request{fix(name, 4, row(4, hour22, "9")), more} {
			if _, err := r.redriver().Redrive(t.Context(), req); !errors.Is(err, reasoned.ErrDecided) {
				t.Errorf("%d rows: error %v", len(req.Fixed), err)
			}
		}
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
	})
	t.Run("a row that is not in quarantine is not taken", func(t *testing.T) {
		if _, err := r.redriver().Redrive(t.Context(), fix(name, 1, row(1, hour22, "8"))); !errors.Is(err, table.ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("another row makes another corrected blob, with usage of another day", func(t *testing.T) {
		_, err := r.redriver().Redrive(t.Context(), fix(name, 5, row(5, hour22-24, "0.5")))
		ok(t, err)
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"), row(5, hour22-24, "0.5"))...)
	})
	second := r.ingest(t, hour23, row(1, hour22, "7"))
	t.Run("a corrected blob leaves like any other", func(t *testing.T) {
		r.supersede(t, second)
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), []string{row(1, hour22, "7")}, rowsOf(hour00))
	})
	t.Run("an hour that is let back in has its refused rows to be redriven again", func(t *testing.T) {
		r.supersede(t, name)
		r.settle(t, rnd)
		bill.billed(t, all()...)
		_, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		ok(t, err)
		r.settle(t, rnd)
		bill.billed(t, all(row(4, hour22, "8"))...)
	})
	t.Run("what is dismissed stays out", func(t *testing.T) {
		for _, q := range r.refusedRows(t, name) {
			err := hourlog.Dismiss(t.Context(), r.Tables, r.counting(t, name), []hourlog.RejectedRow{q}, because("noise"))
			if dismissed := err == nil; dismissed != (q.Line == 5) {
				t.Errorf("line %d, %s: %v", q.Line, q.State, err)
			}
		}
		out, err := r.redriver().Redrive(t.Context(), redrive.Request{ID: hourID(name), Why: because("again")})
		ok(t, err)
		if out.Rows+out.Still != 0 {
			t.Errorf("outcome %+v", out)
		}
		r.settle(t, rnd)
	})
}

// counting is the file that counts for the hour of another.
func (r *rig) counting(t testing.TB, name landing.Name) hourlog.ID {
	t.Helper()
	h, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
	ok(t, err)
	id := hourID(name)
	id.SHA16 = h.Counts
	return id
}

// refusedRows are the rejected rows of the hour of a file.
func (r *rig) refusedRows(t testing.TB, name landing.Name) []hourlog.RejectedRow {
	t.Helper()
	return rowsRefused(t, r.Tables, r.counting(t, name))
}

// A corrected file has an input of every usage day that its original has one of: a day
// that waits for the hour finds it, though no row of today is of the day.
func TestARedriveKeepsTheDaysOfItsOriginal(t *testing.T) {
	t.Parallel()
	r := registered(t)
	name := r.ingest(t, hour00, row(1, hour22, "-8"))
	if h := r.hourRow(t, name); h.UsageDays != "20191210,20191211" {
		t.Fatalf("usage days %s", h.UsageDays)
	}
	_, err := r.redriver().Redrive(t.Context(), fix(name, 1, row(1, theDay.First()-1, "8")))
	ok(t, err)
	h, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
	ok(t, err)
	if h.UsageDays != "20191209,20191210,20191211" {
		t.Errorf("usage days %s", h.UsageDays)
	}
}

// Every write of a redrive fails both ways; there is a dismissal to be copied.
func TestRedriveCrashes(t *testing.T) {
	t.Parallel()
	_, name := blobOf(t, hour23, append(rowsOf(hour23), row(4, hour22, "-8"), `{"no":"usage"}`)...)
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r, _ := refusedHour(t)
			ok(t, hourlog.Dismiss(t.Context(), r.Tables, hourID(name), r.refusedRows(t, name)[1:], because("noise")))
			return r
		},
		func(r *rig) (int, string) {
			if _, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8"))); err != nil {
				return http.StatusInternalServerError, err.Error()
			}
			return http.StatusOK, "{}"
		},
		func(t *testing.T, want, got *rig) {
			t.Helper()
			sameStorage(t, want, got)
			if rows := got.refusedRows(t, name); len(rows) != 2 || rows[1].State != hourlog.Dismissed || rows[1].DecisionReason != "noise" {
				t.Errorf("rows %+v", rows)
			}
		})
}

// Whoever redrives is killed after each of his writes, and nobody runs the command
// again: Sweep and IngestHour finish what was announced.
func TestARedriveThatWasKilledIsFinished(t *testing.T) {
	t.Parallel()
	writes := int64(0)
	for at := int64(0); at <= writes; at++ {
		r, name := refusedHour(t)
		bill := newBilling(t, r)
		r.settle(t, rand.New(rand.NewPCG(4, 4)))
		count := r.killAfter(at)
		_, err := r.redriver().Redrive(t.Context(), fix(name, 4, row(4, hour22, "8")))
		if r.through(nil); at == 0 {
			ok(t, err)
			writes = count.Load()
		}
		standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, hourID(name))
		ok(t, err)
		begun := standing.Challenger != "" || standing.Original != ""
		r.daysPass(t)
		r.settle(t, rand.New(rand.NewPCG(4, 4)))
		more := []string{row(4, hour22, "8")}
		if !begun {
			more = nil
		}
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), more)
	}
}

// killAfter lets n writes through and none after them; 0 lets all through. The
// result counts the writes.
func (r *rig) killAfter(n int64) *atomic.Int64 {
	var writes atomic.Int64
	r.through(func(op faultstore.Operation, do func() error) error {
		if op.Write && writes.Add(1) > n && n > 0 {
			return errFault
		}
		return do()
	})
	return &writes
}

// Redrives of the same rows that overlap, some with the same fix and some with
// another one: each row is billed once, with one of the fixes.
func TestRedrivesAtOnce(t *testing.T) {
	t.Parallel()
	r, name := refusedHour(t)
	bill := newBilling(t, r)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 5 {
				req := fix(name, 4, row(4, hour22, []string{"8", "9", "10"}[i%3]))
				req.Fixed[5] = []byte(row(5, hour22, "1"))
				if _, err := r.redriver().Redrive(t.Context(), req); err == nil || errors.Is(err, reasoned.ErrDecided) {
					return
				}
			}
		})
	}
	wg.Wait()
	r.daysPass(t)
	r.settle(t, rand.New(rand.NewPCG(5, 5)))
	if h := r.hourRow(t, name); h.Verdict != hourlog.Voided {
		t.Errorf("row %+v", h)
	}
	sum := bill.sums(t)
	for _, q := range []string{"8", "9", "10"} {
		if want := usageOf(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00), []string{row(4, hour22, q), row(5, hour22, "1")}); fmt.Sprint(want) == fmt.Sprint(sum) {
			return
		}
	}
	t.Errorf("the bill is %v", sum)
}

// redriveOne sends text in place of a rejected row of the hour, if it has one.
func (r *rig) redriveOne(t *testing.T, h usage.Hour, text string) bool {
	t.Helper()
	id := hourlog.ID{CloudID: cloudID, Hour: h}
	standing, err := hourlog.AcceptedHour(t.Context(), r.Tables, id)
	ok(t, err)
	id.SHA16 = standing.Counts
	for q, err := range hourlog.RejectedRows(t.Context(), r.Tables, id) {
		ok(t, err)
		if q.State != hourlog.RowRejected {
			continue
		}
		req := redrive.Request{ID: id, Why: because("read again"), Fixed: map[int64][]byte{q.Line: []byte(text)}}
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
