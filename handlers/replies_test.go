package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/table"
)

// TestReplies is the table of replies.go, row by row: what the host is told for
// an error, and whether an operator sees it.
func TestReplies(t *testing.T) {
	t.Parallel()
	failed := func(t *testing.T, r *rig, want int) {
		t.Helper()
		if got := r.rows(t, table.FailedMessages); len(got) != want {
			t.Errorf("FailedMessages has %d rows, want %d: %v", len(got), want, got)
		}
	}
	t.Run("a day that is not open is done", func(t *testing.T) {
		r := registered(t)
		r.done(t, "CloseDay", dayMessage(theDay))
		failed(t, r, 0)
	})
	t.Run("a day that is not due is done for now", func(t *testing.T) {
		r := registered(t)
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.done(t, "CloseDay", dayMessage(theDay))
		failed(t, r, 0)
		if days := r.rows(t, table.UsageDays); len(days) != 0 {
			t.Errorf("the day is stated: %v", days)
		}
	})
	t.Run("hours that came after the day was stated leave it open", func(t *testing.T) {
		r := stated(t)
		r.ingest(t, hour00+1, row(9, hour23, "1"))
		r.done(t, "CloseDay", dayMessage(theDay))
		failed(t, r, 0)
		if _, open := r.rows(t, table.OpenDays)[cloudID+"/20191210"]; !open {
			t.Error("the day has lost its mark, and the hour with it")
		}
		if days := r.rows(t, table.UsageDays); len(days) != 1 {
			t.Errorf("revisions %v", days)
		}
	})
	t.Run("what storage does not take fails the invocation", func(t *testing.T) {
		r := registered(t)
		name := r.land(t, hour22, rowsOf(hour22)...)
		r.through(func(op faultstore.Operation, do func() error) error { return errFault })
		for function, message := range map[string]string{
			"IngestHour": landedMessage(name), "CloseDay": dayMessage(theDay), "ForwardBatch": batchMessage(theDay, 1),
		} {
			if body := r.fails(t, function, message); !strings.Contains(body, errFault.Error()) {
				t.Errorf("%s: %s", function, body)
			}
		}
		if status, _ := r.post("/Sweep", `{"Data":{},"Metadata":{}}`); status != http.StatusInternalServerError {
			t.Errorf("Sweep: %d", status)
		}
		r.through(nil)
		failed(t, r, 0)
	})
	t.Run("what is no invocation fails, whatever it is", func(t *testing.T) {
		r := newRig(t)
		for _, envelope := range []string{"", "null", "[]", `{"Metadata":{}}`, `{"Data":{"other":"x"}}`, `{"Data":{"message"`, `{"Data":{"x":"` + strings.Repeat("x", 5<<20) + `"}}`} {
			if status, body := r.post("/CloseDay", envelope); status != http.StatusInternalServerError {
				t.Errorf("%.40s: %d %s", envelope, status, body)
			}
		}
	})
}

// A message that no repetition will make good is recorded where an operator
// sees it, and the host is told 200: five more tries would only hide it longer.
func TestGarbageMessages(t *testing.T) {
	t.Parallel()
	r := registered(t)
	good := func(name string) string {
		return strings.Replace(`{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/landing-`+cloudID+`/blobs/NAME"}`, "NAME", name, 1)
	}
	missing := nameFor(hour22, []byte("never landed"))
	for _, c := range []struct{ name, function, message, reason string }{
		{"no JSON", "IngestHour", "what?", "not an event"},
		{"an empty text", "IngestHour", "", "not an event"},
		{"another event", "IngestHour", `{"eventType":"Microsoft.Storage.BlobDeleted","subject":"x"}`, "only Microsoft.Storage.BlobCreated"},
		{"an event of no blob", "IngestHour", `{"eventType":"Microsoft.Storage.BlobCreated","subject":"/queues/x"}`, "names no blob"},
		{"a foreign name", "IngestHour", good("notes.txt"), "not of the form"},
		{"a name that leads elsewhere", "IngestHour", good("2019/12/10/../19-0123456789abcdef.ndjson.gz"), "not of the form"},
		{"a foreign container", "IngestHour", strings.Replace(good("x"), "landing-", "daily-", 1), "not landing-{cloudId}"},
		{"a blob that is not there", "IngestHour", landedMessage(missing), "no such blob"},
		{"a day without a day", "CloseDay", `{"cloudId":"` + cloudID + `","usageDay":"tomorrow"}`, "not of the form 2019-12-10"},
		{"an unknown field", "CloseDay", `{"cloudId":"` + cloudID + `","usageDay":"2019-12-10","force":true}`, "a name that does not belong here"},
		{"two values", "CloseDay", dayMessage(theDay) + "{}", "after top-level value"},
		{"a cloudId in capitals", "CloseDay", strings.ToUpper(`{"cloudid":"`+cloudID+`"`) + `,"usageDay":"2019-12-10"}`, "lower case with dashes"},
		{"a cloudId that is a filter", "CloseDay", `{"cloudId":"x' or PartitionKey ne '","usageDay":"2019-12-10"}`, "lower case with dashes"},
		{"a batch of no cloudId", "ForwardBatch", `{"usageDay":"2019-12-10","revision":1,"batch":1}`, "lower case with dashes"},
		{"a batch that was never listed", "ForwardBatch", batchMessage(theDay, 7), "no such row"},
	} {
		t.Run(c.name+" is recorded and done", func(t *testing.T) {
			for range 2 {
				r.done(t, c.function, c.message)
			}
			found := false
			for _, props := range r.rows(t, table.FailedMessages) {
				if props["text"] == c.message && strings.Contains(props["reason"].(string), c.reason) {
					found = props["times"] == int64(2)
				}
			}
			if !found {
				t.Errorf("no row for %q with reason %q, seen twice, in %v", c.message, c.reason, r.rows(t, table.FailedMessages))
			}
		})
	}
	t.Run("if it cannot be recorded the host must come again", func(t *testing.T) {
		r.through(func(op faultstore.Operation, do func() error) error { return errFault })
		r.fails(t, "IngestHour", "lost?")
		r.through(nil)
	})
	t.Run("and leaves nothing else behind", func(t *testing.T) {
		for _, name := range []string{table.UsageHours, table.OpenDays, table.UsageDays, table.UsageBatches} {
			if rows := r.rows(t, name); len(rows) != 0 {
				t.Errorf("%s: %v", name, rows)
			}
		}
	})
}

func TestAnEventMayBeOfEitherSchema(t *testing.T) {
	t.Parallel()
	r := registered(t)
	name := r.land(t, hour22, rowsOf(hour22)...)
	cloudEvent := `{"specversion":"1.0","type":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/` + name.Container() + `/blobs/` + name.Blob() + `"}`
	r.done(t, "IngestHour", cloudEvent)
	if got := r.hourRow(t, name).Verdict; got != hourlog.Accepted {
		t.Errorf("verdict %q", got)
	}
}
