package handlers_test

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// reinput changes the inputs of the usage day.
func (r *rig) reinput(t *testing.T, change func(table.Props)) {
	t.Helper()
	for row, err := range r.store.Tables.List(t.Context(), table.DayInputs, cloudID+"_20191210", "", "") {
		ok(t, err)
		change(row.Props)
		ok(t, r.store.Tables.Apply(t.Context(), table.DayInputs, row.Partition, table.Op{Verb: table.Update, Row: row}))
	}
}

// restate asks for another revision of the usage day, and closes it.
func (r *rig) restateDay(t *testing.T, reason string) (status int, body string) {
	t.Helper()
	_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because(reason))
	ok(t, err)
	return r.call("CloseDay", dayMessage(theDay))
}

// TestPartialsThatAreGoneAreRebuilt: a revision of an old day, whose partials
// lifecycle has removed, is made from the hour blobs.
func TestPartialsThatAreGoneAreRebuilt(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T) (*rig, billing) {
		t.Helper()
		r := newRig(t)
		bill := newBilling(t, r)
		r.registerAs(t, func(reg *registration.Registration) { reg.Region = "" })
		bare := strings.Replace(row(4, hour22, "100"), `\"location\":\"northwest\"`, `\"location\":\"\"`, 1)
		file, name := blobWith(t, landing.Header{CloudID: cloudID, ReportedStart: hour23.Start(), CollectedAt: hour23.End()}, append(rowsOf(hour23), `{}`, bare, row(5, hour22, "7"))...)
		r.drop(t, name, file)
		r.done(t, "IngestHour", landedMessage(name))
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.ingest(t, hour00, rowsOf(hour00)...)
		r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
		r.App.Blobs = r.withoutPartials()
		r.reroute(t)
		// Today's rules would take the row: the registration names a region by now.
		r.registerAs(t, func(*registration.Registration) {})
		return r, bill
	}
	t.Run("the sums are those that were counted, whatever the rules say today", func(t *testing.T) {
		t.Parallel()
		r, bill := gone(t)
		was := bill.sums(t)
		if status, body := r.restateDay(t, "look again"); status != 200 {
			t.Fatal(body)
		}
		last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
		ok(t, err)
		if last.Number != 2 || last.Rows != 10 {
			t.Errorf("revision %d of %d rows, want the second of 10", last.Number, last.Rows)
		}
		r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
		check(t, "billed", was, bill.sums(t))
	})
	t.Run("those of a corrected hour too", func(t *testing.T) {
		t.Parallel()
		r := registered(t)
		bill := newBilling(t, r)
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.ingest(t, hour23, append(rowsOf(hour23), `{}`, row(3, hour22, "-1"), row(5, hour22, "7"))...)
		r.ingest(t, hour00, rowsOf(hour00)...)
		if !r.redriveOne(t, hour23, row(4, hour22, "11")) {
			t.Fatal("nothing is redriven")
		}
		rnd := rand.New(rand.NewPCG(1, 1))
		r.daysPass(t) // the corrected blob is ingested
		r.untilNothingIsOpen(t, rnd)
		was := bill.sums(t)
		r.App.Blobs = r.withoutPartials()
		r.reroute(t)
		if status, body := r.restateDay(t, "look again"); status != 200 {
			t.Fatal(body)
		}
		r.untilNothingIsOpen(t, rnd)
		check(t, "billed", was, bill.sums(t))
		bill.billed(t, rowsOf(hour22), append(rowsOf(hour23), row(4, hour22, "11"), row(5, hour22, "7")), rowsOf(hour00))
	})
	t.Run("another compressor's bytes are no difference", func(t *testing.T) {
		t.Parallel()
		r, _ := gone(t)
		r.reinput(t, func(p table.Props) { p["sha256"] = strings.Repeat("ab", 32) })
		if status, body := r.restateDay(t, "look again"); status != 200 {
			t.Fatal(body)
		}
	})
	for column, v := range map[string]any{"content": strings.Repeat("ab", 32), "lines": int64(99), "rows": int64(99)} {
		t.Run("another "+column+" is one", func(t *testing.T) {
			t.Parallel()
			r, _ := gone(t)
			r.reinput(t, func(p table.Props) { p[column] = v })
			if status, body := r.restateDay(t, "look again"); status == 200 || !strings.Contains(body, "rebuild partial") {
				t.Error(status, body)
			}
		})
	}
	t.Run("so is a row that is rejected in the table, and not in the blob", func(t *testing.T) {
		t.Parallel()
		r, _ := gone(t)
		for row, err := range r.store.Tables.List(t.Context(), table.Quarantine, "", "", "") {
			ok(t, err)
			row.Props["line"] = row.Props["line"].(int64) + 10
			ok(t, r.store.Tables.Apply(t.Context(), table.Quarantine, row.Partition, table.Op{Verb: table.Update, Row: row}))
		}
		if status, body := r.restateDay(t, "look again"); status == 200 {
			t.Error(body)
		}
	})
	t.Run("storage that fails is not a partial that is gone", func(t *testing.T) {
		t.Parallel()
		r, _ := gone(t)
		r.App.Blobs = failingPartials{r.store.Blobs}
		r.reroute(t)
		if status, body := r.restateDay(t, "look again"); status == 200 {
			t.Error(body)
		}
	})
}

// failingPartials is storage that fails where partials are read.
type failingPartials struct{ blobStore }

func (f failingPartials) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if container == table.ContainerPartials {
		return nil, time.Time{}, errFault
	}
	return f.blobStore.Open(ctx, container, name)
}
