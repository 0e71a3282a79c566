package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func hourID(name landing.Name) hourlog.ID {
	return hourlog.ID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16}
}

func because(reason string) reasoned.Decision {
	return reasoned.Decision{By: "olga", Reason: reason, At: time.Date(2019, 12, 12, 9, 0, 0, 0, time.UTC)}
}

// supersede lets a file take the place of the one that counts, as the
// operator's tool and the message that it sends do.
func (r *rig) supersede(t testing.TB, name landing.Name) {
	t.Helper()
	_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(name), because("the stack corrected its rows"))
	ok(t, err)
	r.done(t, "IngestHour", landedMessage(name))
}

// usageOf is what a bill must say of rows.
func usageOf(t *testing.T, hours ...[]string) map[string]string {
	t.Helper()
	want := model{}
	for _, rows := range hours {
		for _, text := range rows {
			addRow(t, want, text)
		}
	}
	return want.text()
}

// billed compares the bill with rows. What was billed and taken back is zero.
func (b billing) billed(t *testing.T, hours ...[]string) {
	t.Helper()
	got := b.sums(t)
	want := usageOf(t, hours...)
	for key, sum := range got {
		if _, there := want[key]; !there && sum == "0" {
			delete(got, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the bill (-usage +bill):\n%s", diff)
	}
	checkChains(t, b.records(t))
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.ReopenDelay = 6 * time.Hour
	bill := newBilling(t, r)
	rnd := rand.New(rand.NewPCG(2, 2))
	r.complete(t)
	r.settle(t, rnd)
	first := r.land(t, hour23, rowsOf(hour23)...)
	// The other file has rows of another day, and of one resource fewer.
	other := []string{row(1, hour22, "7.25"), row(9, hour22, "0.125"), row(9, hour22-24, "3")}
	second := r.ingest(t, hour23, other...)
	third := r.ingest(t, hour23, row(1, hour22, "1000"))

	t.Run("a conflict counts nowhere", func(t *testing.T) {
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
	})
	t.Run("a file that is kept out changes no bill", func(t *testing.T) {
		_, err := hourlog.KeepOut(t.Context(), r.Tables, hourID(third), because("a test of the stack"))
		ok(t, err)
		r.done(t, "IngestHour", landedMessage(third))
		if h := r.hourRow(t, third); h.Verdict != hourlog.KeptOut || h.DecidedBy != "olga" || h.DecisionReason != "a test of the stack" || h.DecidedAt.IsZero() {
			t.Errorf("row %+v", h)
		}
		if open := r.rows(t, table.OpenDays); len(open) > 0 {
			t.Errorf("open: %v", open)
		}
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
	})
	t.Run("a file that supersedes another is billed in its place, on the days of both", func(t *testing.T) {
		r.supersede(t, second)
		if h := r.hourRow(t, first); h.Verdict != hourlog.Voided || h.SupersededBy != second.SHA16 || h.DecidedBy != "olga" || h.Accepted != 3 {
			t.Errorf("row of the file that left %+v", h)
		}
		if h := r.hourRow(t, second); h.Verdict != hourlog.Accepted || h.Decision != hourlog.DecisionSupersede || h.Accepted != 3 || h.Reason != "" {
			t.Errorf("row of the file that counts %+v", h)
		}
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), other, rowsOf(hour00))
	})
	t.Run("both files coming again change nothing", func(t *testing.T) {
		was := r.dump(t)
		r.done(t, "IngestHour", landedMessage(first))
		r.done(t, "IngestHour", landedMessage(second))
		if diff := cmp.Diff(was, r.dump(t)); diff != "" {
			t.Errorf("storage (-before +after):\n%s", diff)
		}
	})
	t.Run("superseding back bills the first file again", func(t *testing.T) {
		r.supersede(t, first)
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour23), rowsOf(hour00))
		h := r.hourRow(t, first)
		if want := "2019-12-12T09:00:00Z void by olga: the stack corrected its rows"; h.Verdict != hourlog.Accepted || h.Earlier != want || h.SupersededBy != "" {
			t.Errorf("row %+v; its earlier decisions should be %q", h, want)
		}
	})
	t.Run("a file without rows takes all of the hour's usage off the bill", func(t *testing.T) {
		empty := r.ingest(t, hour23)
		r.supersede(t, empty)
		r.settle(t, rnd)
		bill.billed(t, rowsOf(hour22), rowsOf(hour00))
	})
	t.Run("a day of which nothing counts any more is stated as nothing", func(t *testing.T) {
		for _, h := range []usage.Hour{hour22, hour00} {
			r.supersede(t, r.ingest(t, h))
		}
		r.settle(t, rnd)
		bill.billed(t)
	})
	t.Run("a lost message is sent again by Sweep", func(t *testing.T) {
		_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(second), because("again"))
		ok(t, err)
		r.take(t, queue.Landed)
		r.advance(time.Hour)
		r.sweep(t)
		sent := r.take(t, queue.Landed)
		if len(sent) != 1 {
			t.Fatalf("sent %v", sent)
		}
		r.done(t, "IngestHour", sent[0])
		r.settle(t, rnd)
		bill.billed(t, other)
	})
}

func TestTakeOverCrashes(t *testing.T) {
	t.Parallel()
	rows := []string{row(1, hour23, "2"), row(4, hour00, "2"), `{"no":"usage"}`}
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := registered(t)
			r.ingest(t, hour00, append(rowsOf(hour00), row(1, hour00-30, "1"))...)
			r.ingest(t, hour00, rows...)
			_, name := blobOf(t, hour00, rows...)
			_, err := hourlog.AskTakeOver(t.Context(), r.Tables, hourID(name), because("it is right"))
			ok(t, err)
			return r
		},
		func(r *rig) (int, string) {
			_, name := blobOf(t, hour00, rows...)
			return r.call("IngestHour", landedMessage(name))
		},
		sameStorage)
}

// A file that takes over while a day closes, between any two requests of the
// closer: the day is closed with one of the two files, and never with both or
// neither; in the end it is stated with the one that counts.
func TestATakeOverWhileADayCloses(t *testing.T) {
	t.Parallel()
	closeBeside := func(t *testing.T, at int) (requests int, r *rig, bill billing) {
		t.Helper()
		r = registered(t)
		bill = newBilling(t, r)
		r.complete(t)
		second := r.ingest(t, hour23, row(2, hour22, "40"))
		beside := r.beside(t)
		r.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				beside.supersede(t, second)
			}
			return do()
		})
		r.done(t, "CloseDay", dayMessage(theDay))
		r.through(nil)
		return requests, r, bill
	}
	requests, _, _ := closeBeside(t, 0)
	for at := 1; at <= requests; at++ {
		t.Run(fmt.Sprintf("before request %d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			_, r, bill := closeBeside(t, at)
			if day := r.only(t, table.UsageDays); day["inputCount"] != int64(3) {
				t.Errorf("stated with inputs %v", day["inputs"])
			}
			r.settle(t, rand.New(rand.NewPCG(3, uint64(at))))
			bill.billed(t, rowsOf(hour22), []string{row(2, hour22, "40")}, rowsOf(hour00))
		})
	}
}
