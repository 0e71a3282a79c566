package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/faultstore"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/queue"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// linesOf reads the records of a daily file.
func linesOf(t testing.TB, r *rig, path string) []daily.Record {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(unzip(t, r.blob(t, path))), "\n")
	var records []daily.Record
	for _, line := range lines[1 : len(lines)-1] {
		var l daily.DayLine
		ok(t, json.Unmarshal([]byte(line), &l))
		var record daily.Record
		ok(t, json.Unmarshal(l.Record, &record))
		records = append(records, record)
	}
	return records
}

func TestCloseDay(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.complete(t)
	r.done(t, "CloseDay", dayMessage(theDay))
	day := r.only(t, table.UsageDays)
	t.Run("the revision says what the day is made of", func(t *testing.T) {
		for column, want := range map[string]any{
			"revision": int64(1), "complete": true, "inputCount": int64(3), "rows": int64(9), "records": int64(3), "batches": int64(1),
			"billingModel": "PayAsYouUse", "billingSubscriptionId": payer,
		} {
			if day[column] != want {
				t.Errorf("%s is %v, want %v", column, day[column], want)
			}
		}
		if _, gaps := day["missingHours"]; gaps {
			t.Errorf("a complete day names gaps: %v", day["missingHours"])
		}
	})
	t.Run("the daily file has the exact sums", func(t *testing.T) {
		got := map[string]string{}
		for _, record := range linesOf(t, r, day["file"].(string)) {
			got[record.ResourceURI[strings.LastIndex(record.ResourceURI, "/")+1:]] = record.Quantity.String() + " " + record.Region
			if record.Flags != nil {
				t.Errorf("flags %v", record.Flags)
			}
		}
		want := map[string]string{"sa001": "4.5 Azure Stack", "sa002": "0.75 Azure Stack", "sa003": "49.384277698583901 Azure Stack"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sums (-want +got):\n%s", diff)
		}
	})
	t.Run("the batch is listed, kept and queued", func(t *testing.T) {
		batch := r.only(t, table.UsageBatches)
		if batch["state"] != "ready" || batch["records"] != int64(3) || len(recordsOf(r.blob(t, batch["blob"].(string)))) != 3 {
			t.Errorf("%v", batch)
		}
		if diff := cmp.Diff([]string{batchMessage(theDay, 1)}, r.take(t, queue.Batches)); diff != "" {
			t.Errorf("queue (-want +got):\n%s", diff)
		}
	})
	t.Run("the day is closed and its revision is open", func(t *testing.T) {
		marks := r.ofDay(t, table.OpenDays)
		if _, ok := marks[cloudID+"/20191210_0001"]; !ok || len(marks) != 1 {
			t.Errorf("marks %v", marks)
		}
	})
	t.Run("the message again changes nothing", func(t *testing.T) {
		was := r.dump(t)
		r.done(t, "CloseDay", dayMessage(theDay))
		if diff := cmp.Diff(was, r.dump(t)); diff != "" {
			t.Errorf("storage (-want +got):\n%s", diff)
		}
	})
}

func TestCloseDayWithGaps(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	r.ingest(t, hour00, rowsOf(hour00)...)
	t.Run("waits until the deadline", func(t *testing.T) {
		r.advance(47 * time.Hour)
		r.done(t, "CloseDay", dayMessage(theDay))
		if days := r.rows(t, table.UsageDays); len(days) != 0 {
			t.Errorf("stated %v", days)
		}
	})
	t.Run("then names the gap, in the revision and on every record", func(t *testing.T) {
		r.advance(2 * time.Hour)
		r.done(t, "CloseDay", dayMessage(theDay))
		day := r.only(t, table.UsageDays)
		if day["complete"] != false || day["missingHours"] != "2019121023" || day["inputCount"] != int64(2) {
			t.Errorf("%v", day)
		}
		for _, record := range linesOf(t, r, day["file"].(string)) {
			if diff := cmp.Diff([]string{daily.FlagIncompleteDay}, record.Flags); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("an hour that comes after that waits until commerce has answered", func(t *testing.T) {
		r.ingest(t, hour23, rowsOf(hour23)...)
		r.done(t, "CloseDay", dayMessage(theDay))
		if _, open := r.rows(t, table.OpenDays)[cloudID+"/20191210"]; !open || len(r.rows(t, table.UsageDays)) != 1 {
			t.Error("the day is closed without the hour, or was stated again")
		}
	})
}

func TestADayOfWhichNothingCountsIsDone(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	// A blob that lost its race left an input and a mark on another day.
	for name, row := range map[string]table.Row{
		table.DayInputs: {Partition: cloudID + "_20191209", Key: "2019121022_ffffffffffffffff", Props: table.Props{"partial": "none"}},
		table.OpenDays:  {Partition: cloudID, Key: "20191209", Props: table.Props{"lastInput": "x"}},
		table.UsageHours: {Partition: cloudID + "_20191210", Key: "22_ffffffffffffffff",
			Props: table.Props{"verdict": string(hourlog.Conflict)}},
	} {
		ok(t, r.store.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Insert, Row: row}))
	}
	r.done(t, "CloseDay", dayMessage(theDay-1))
	if marks := r.rows(t, table.OpenDays); len(marks) != 1 {
		t.Errorf("marks %v", marks)
	}
	if days := r.rows(t, table.UsageDays); len(days) != 0 {
		t.Errorf("stated %v", days)
	}
}

func TestTwoClosersAtOnce(t *testing.T) {
	t.Parallel()
	alone := stated(t)
	for range 3 {
		r := registered(t)
		r.complete(t)
		var wait sync.WaitGroup
		for range 2 {
			wait.Go(func() {
				for range 3 { // the one that comes second is told to come again
					if status, _ := r.call("CloseDay", dayMessage(theDay)); status == http.StatusOK {
						return
					}
				}
				t.Error("a closer was never told 200")
			})
		}
		wait.Wait()
		sameStorage(t, alone, r)
		for _, message := range r.take(t, queue.Batches) {
			if message != batchMessage(theDay, 1) {
				t.Errorf("message %s", message)
			}
		}
	}
}

func TestCloseDayCrashes(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := registered(t)
			r.complete(t)
			return r
		},
		func(r *rig) (int, string) { return r.call("CloseDay", dayMessage(theDay)) },
		func(t *testing.T, want, got *rig) {
			t.Helper()
			sameStorage(t, want, got)
			if days := got.rows(t, table.UsageDays); len(days) != 1 {
				t.Errorf("%d revisions", len(days))
			}
			if got.depth(t, queue.Batches) == 0 {
				t.Error("the batch was never queued")
			}
		})
}

// beside is the same app on the same storage, past what front does.
func (r *rig) beside(t testing.TB) *rig {
	t.Helper()
	app := *r.App
	app.Tables = r.store.Tables
	app.Blobs, app.Landing, app.Registrations = r.store.Blobs, r.store.Blobs, r.registry()
	beside := &rig{App: &app}
	beside.reroute(t)
	return beside
}

// An hour that commits while a day closes, between any two requests of the
// closer: it is stated, or it is named as missing and its day stays open.
func TestAnHourThatCommitsWhileADayCloses(t *testing.T) {
	t.Parallel()
	closeBeside := func(t *testing.T, at int) (requests int, r *rig) {
		t.Helper()
		r = registered(t)
		for _, h := range []usage.Hour{hour22, hour23} {
			r.ingest(t, h, rowsOf(h)...)
		}
		late := r.land(t, hour00, rowsOf(hour00)...)
		beside := r.beside(t)
		r.advance(50 * time.Hour) // past the deadline: the day closes, whatever is missing
		r.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				beside.done(t, "IngestHour", landedMessage(late))
			}
			return do()
		})
		r.done(t, "CloseDay", dayMessage(theDay))
		r.through(nil)
		return requests, r
	}
	requests, r := closeBeside(t, 0)
	if day := r.only(t, table.UsageDays); day["missingHours"] != "2019121100" {
		t.Fatalf("alone it states %v", day)
	}
	for at := 1; at <= requests; at++ {
		t.Run(fmt.Sprintf("before request %d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			_, r := closeBeside(t, at)
			day := r.only(t, table.UsageDays)
			_, open := r.rows(t, table.OpenDays)[cloudID+"/20191210"]
			switch inputs, gap := day["inputCount"], day["missingHours"]; {
			case inputs == int64(3) && gap == nil && day["complete"] == true:
			case inputs == int64(2) && gap == "2019121100" && day["complete"] == false && open:
			default:
				t.Errorf("stated with %v inputs, missing %v, complete %v; open %v", inputs, gap, day["complete"], open)
			}
		})
	}
}

// What is merged must be what the hours' commits were about.
func TestADamagedPartialIsNotStated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		partial func(t *testing.T, r *rig, inputs []table.Row) string
		want    string
	}{
		{"one of another hour, whose rows would count twice", func(_ *testing.T, _ *rig, inputs []table.Row) string {
			return inputs[1].Props["partial"].(string)
		}, "it is of 2019-12-10, hour 2019-12-10T23:00Z"},
		{"one with another quantity", func(t *testing.T, r *rig, inputs []table.Row) string {
			text := unzip(t, r.blob(t, "partials/"+inputs[0].Props["partial"].(string)))
			r.putBlob(t, "partials", "tampered", zip(t, strings.Replace(text, "0.25", "9.25", 1)))
			return "tampered"
		}, "DayInputs says"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := registered(t)
			r.complete(t)
			var inputs []table.Row
			for row, err := range r.store.Tables.List(t.Context(), table.DayInputs, cloudID+"_20191210", "", "") {
				ok(t, err)
				inputs = append(inputs, row)
			}
			inputs[0].Props["partial"] = c.partial(t, r, inputs)
			ok(t, r.store.Tables.Apply(t.Context(), table.DayInputs, inputs[0].Partition, table.Op{Verb: table.Put, Row: inputs[0]}))
			if body := r.fails(t, "CloseDay", dayMessage(theDay)); !strings.Contains(body, c.want) {
				t.Errorf("body %s, want %q", body, c.want)
			}
			if days := r.rows(t, table.UsageDays); len(days) != 0 {
				t.Errorf("stated %v", days)
			}
		})
	}
}
