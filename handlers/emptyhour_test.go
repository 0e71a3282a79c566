package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/daybook"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// TestAnHourWithoutRowsCompletesItsDay: the last hour that a day misses comes, and
// has no rows of it.
func TestAnHourWithoutRowsCompletesItsDay(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour23, rowsOf(hour23)...)
	r.advance(100 * time.Hour)
	rnd := rand.New(rand.NewPCG(1, 1))
	r.settle(t, rnd)
	if d := r.onlyOfDay(t, table.UsageDays); d["complete"] != false || d["missingHours"] != "2019121100" {
		t.Fatalf("%v", d)
	}
	r.ingest(t, hour00)
	r.settle(t, rnd)
	if d := r.ofDay(t, table.UsageDays)[cloudID+"/20191210_0002"]; d["complete"] != true || d["missingHours"] != nil || d["inputCount"] != int64(3) {
		t.Errorf("%v", d)
	}
}

// TestAnHourWithoutRowsWhileADayCloses: the hour commits between any two requests
// of the closer; in the end the day is complete.
func TestAnHourWithoutRowsWhileADayCloses(t *testing.T) {
	t.Parallel()
	closeBeside := func(t *testing.T, at int) (requests int, r *rig) {
		t.Helper()
		r = registered(t)
		newBilling(t, r)
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.ingest(t, hour23, rowsOf(hour23)...)
		r.advance(100 * time.Hour)
		last, beside := r.land(t, hour00), r.beside(t)
		r.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				beside.done(t, "IngestHour", landedMessage(last))
			}
			return do()
		})
		r.done(t, "CloseDay", dayMessage(theDay))
		r.through(nil)
		return requests, r
	}
	requests, _ := closeBeside(t, 0)
	for at := 1; at <= requests; at++ {
		t.Run(fmt.Sprintf("before request %d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			_, r := closeBeside(t, at)
			r.settle(t, rand.New(rand.NewPCG(4, uint64(at))))
			last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
			ok(t, err)
			if !last.Complete || last.InputCount != 3 {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestADayWithoutUsage(t *testing.T) {
	t.Parallel()
	opened := func(t *testing.T, r *rig) (days []string) {
		t.Helper()
		for key := range r.rows(t, table.OpenDays) {
			days = append(days, strings.TrimPrefix(key, cloudID+"/"))
		}
		return days
	}
	t.Run("closes, and states that nothing was used", func(t *testing.T) {
		t.Parallel()
		r := registered(t)
		bill := newBilling(t, r)
		for _, h := range allDay {
			r.ingest(t, h)
		}
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		d := r.onlyOfDay(t, table.UsageDays)
		if d["complete"] != true || d["records"] != int64(0) || d["rows"] != int64(0) || d["batches"] != int64(0) || d["inputCount"] != int64(3) {
			t.Errorf("%v", d)
		}
		if n := len(bill.records(t)); n != 0 {
			t.Errorf("%d records", n)
		}
	})
	t.Run("does not open where nobody is registered", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.ingest(t, hour00)
		if days := opened(t, r); len(days) != 0 {
			t.Errorf("open: %v", days)
		}
	})
	t.Run("closes with no revision where no hour of it is expected", func(t *testing.T) {
		t.Parallel()
		r := registered(t) // from hour 22 on
		r.Settings.SettlingHours = 24
		r.reroute(t)
		r.ingest(t, hour22)
		before := usage.Day(theDay - 1)
		if days := opened(t, r); len(days) != 2 {
			t.Fatalf("open: %v", days)
		}
		r.sweep(t)
		r.done(t, "CloseDay", dayMessage(before))
		if days := opened(t, r); len(days) != 1 || len(r.rows(t, table.UsageDays)) != 0 {
			t.Errorf("open: %v; %v", days, r.rows(t, table.UsageDays))
		}
		r.ingest(t, hour23, row(1, before.First()+23, "1"))
		r.done(t, "CloseDay", dayMessage(before))
		if d := r.only(t, table.UsageDays); d["records"] != int64(1) || d["inputCount"] != int64(2) {
			t.Errorf("with usage it is billed: %v", d)
		}
	})
}
