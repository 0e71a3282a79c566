package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/calendar"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// logged is what the app logs while work is done.
func (r *rig) logged(work func()) string {
	var log bytes.Buffer
	r.Log = slog.New(slog.NewJSONHandler(&log, nil))
	defer func() { r.Log = slog.New(slog.DiscardHandler) }()
	work()
	return log.String()
}

// TestLinesOfSilentStacks: each Sweep that ends well says so, and names each stack that is
// silent against its calendar, whether it has a container or not.
func TestLinesOfSilentStacks(t *testing.T) {
	t.Parallel()
	r := registered(t)
	now := usage.HourOf(r.Now())
	const other = "0badcafe-de02-43a4-903d-eb74f8258b01"
	starts := func(id string, start usage.Hour, change func(*registration.Registration)) {
		reg := registration.Registration{CloudID: id, Name: "kiel", EffectiveDay: "20191210", SubscriptionID: payer, BillingModel: registration.PayAsYouUse, Region: "x", Start: start.Start()}
		if change != nil {
			change(&reg)
		}
		ok(t, r.registry().Put(t.Context(), reg))
	}
	said := func(t *testing.T, want ...string) {
		t.Helper()
		log := r.logged(func() { r.sweep(t) })
		for _, text := range want {
			if !strings.Contains(log, text) {
				t.Errorf("no %s in\n%s", text, log)
			}
		}
		if n := strings.Count(log, "stack silent"); n != len(want)-1 {
			t.Errorf("%d lines, want %d:\n%s", n, len(want)-1, log)
		}
	}
	const ended = `"msg":"sweep ended"`
	silent := func(id, since string) string {
		return `"msg":"stack silent","function":"Sweep","invocation":"","cloudId":"` + id + `","registration":` + since
	}
	hamburg := silent(cloudID, `"AzureStack-`+cloudID+`"`)
	t.Run("nothing ever came", func(t *testing.T) { said(t, ended, hamburg+`,"since":"2019-12-10T22:00Z"`) })
	t.Run("hours come", func(t *testing.T) {
		r.ingest(t, now-7, rowsOf(now-7)...)
		said(t, ended)
	})
	t.Run("a stack without a container", func(t *testing.T) {
		starts(other, now-9, nil)
		said(t, ended, silent(other, `"kiel","since":"`+(now-9).String()))
	})
	t.Run("the next hour is seven hours old", func(t *testing.T) {
		r.advance(time.Hour)
		said(t, ended, silent(other, ""), hamburg+`,"since":"`+(now-6).String())
	})
	t.Run("hours that an operator has accepted as missing", func(t *testing.T) {
		history, err := r.registry().History(t.Context(), other)
		ok(t, err)
		_, err = calendar.Accept(t.Context(), r.store.Tables, history, calendar.Range{First: now - 9, Last: now + 100}, reasoned.Decision{By: "olga", Reason: "rebuilt", At: r.Now()})
		ok(t, err)
		said(t, ended, hamburg)
	})
	t.Run("a stack that is silent on purpose", func(t *testing.T) {
		starts(cloudID, hour22, func(reg *registration.Registration) { reg.Name, reg.Unwatched = "", true })
		said(t, ended)
	})
	t.Run("a run that fails has not ended", func(t *testing.T) {
		r.through(func(op faultstore.Operation, do func() error) error {
			if op.Name == table.OpenDays {
				return errFault
			}
			return do()
		})
		defer r.through(nil)
		if log := r.logged(func() { r.post("/Sweep", `{"Data":{"timer":{}},"Metadata":{}}`) }); strings.Contains(log, ended) {
			t.Errorf("log\n%s", log)
		}
	})
}

// Alert rules look for these lines: infra/modules/alert-rules.bicep.
func TestLinesOfAlerts(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.ingest(t, hour22, rowsOf(hour22)...)
	said := func(t *testing.T, want int) {
		t.Helper()
		log := r.logged(func() { r.sweep(t) })
		line := fmt.Sprintf(`"msg":"day overdue","function":"Sweep","invocation":"","cloudId":%q,"usageDay":%q,"deadline":`, cloudID, theDay.String())
		if n := strings.Count(log, line); n != want || strings.Count(log, "day overdue") != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, log)
		}
	}
	r.advance(49 * time.Hour)
	t.Run("a day that was due a while ago may be on its way", func(t *testing.T) { said(t, 0) })
	r.advance(2 * time.Hour)
	t.Run("a day that is still not stated two hours after its deadline is overdue", func(t *testing.T) { said(t, 1) })
	t.Run("a day that is stated is not", func(t *testing.T) {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.take(t, queue.Days)
		said(t, 0)
	})
	for status, kind := range map[int]string{http.StatusBadRequest: "declined", http.StatusForbidden: "credentials", http.StatusServiceUnavailable: "busy"} {
		t.Run(fmt.Sprintf("a batch that waits after %d says that the cause is %s", status, kind), func(t *testing.T) {
			r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool {
				w.WriteHeader(status)
				return true
			}
			log := r.logged(func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
			if !strings.Contains(log, `"msg":"batch waits"`) || !strings.Contains(log, fmt.Sprintf(`"kind":%q`, kind)) {
				t.Errorf("log %s", log)
			}
			r.advance(25 * time.Hour)
		})
	}
}
