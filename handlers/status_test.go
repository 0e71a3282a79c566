package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/internal/faultstore"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

func (r *rig) status(t testing.TB, want int) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/status", nil))
	if w.Code != want || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

func TestStatus(t *testing.T) {
	t.Parallel()
	queues := func(some map[string]int64) map[string]int64 {
		all := map[string]int64{}
		for _, q := range []string{queue.Landed, queue.Days, queue.Batches} {
			all[q], all[q+"-poison"] = some[q], some[q+"-poison"]
		}
		return all
	}
	check := func(t *testing.T, r *rig, want status.Status) {
		t.Helper()
		var got status.Status
		ok(t, json.Unmarshal([]byte(r.status(t, http.StatusOK)), &got))
		want.Now = r.Now().UTC()
		since := cmpopts.EquateApproxTime(time.Minute)
		if diff := cmp.Diff(want, got, since); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
	}
	none, nothing := []status.OpenDay{}, []status.Finding{}
	t.Run("nothing is open in a new app, and the lists are lists", func(t *testing.T) {
		check(t, newRig(t), status.Status{OpenDays: none, OpenRevisions: none, Findings: nothing, Agents: []status.Agent{{CloudID: cloudID}}, Queues: queues(nil)})
	})
	t.Run("a day to close, a revision that commerce keeps waiting, and what failed", func(t *testing.T) {
		r := stated(t)
		r.ingest(t, hour00+1, row(1, hour00+1, "1"))
		r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool { w.WriteHeader(http.StatusUnauthorized); return true }
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		r.done(t, "CloseDay", "garbage")
		r.poison(t, queue.Landed, "x")
		container := landing.Container(cloudID)
		now := r.Now().UTC()
		for h, text := range map[usage.Hour]string{
			usage.HourOf(now.AddDate(0, -2, 0)): "long ago", usage.HourOf(now.AddDate(0, 0, -1)): "yesterday",
			usage.HourOf(now) - 1: "an hour ago", usage.HourOf(now): `{"format":"stackusage-heartbeat/1","secondsBehind":7,"collectError":"x"}`,
		} {
			r.putBlob(t, container, landing.HeartbeatName(h), []byte(text))
		}
		check(t, r, status.Status{
			Agents: []status.Agent{{CloudID: cloudID, Heartbeat: &landing.Heartbeat{Format: landing.HeartbeatFormat, SecondsBehind: 7, CollectError: "x"}}},
			OpenDays: []status.OpenDay{{CloudID: cloudID, UsageDay: "2019-12-11", Since: time.Now(),
				WaitsFor: "23 hours missing, the first is 2019-12-11T02:00Z", DueAt: time.Now().Add(48 * time.Hour)}},
			OpenRevisions: []status.OpenDay{{CloudID: cloudID, UsageDay: "2019-12-10", Revision: 1, Since: time.Now(), Unanswered: 1, LastResponse: `credentials: HTTP 401: ""`}},
			Findings: []status.Finding{{CloudID: cloudID, UsageDay: "2019-12-10", Kind: "unconfirmed",
				Text: "the list of infrastructure subscriptions is not confirmed: none"}},
			FailedMessages: 1,
			Queues:         queues(map[string]int64{queue.Batches: 2, queue.Landed + "-poison": 1}),
		})
	})
	t.Run("a storage that does not answer is a 500 that says no secrets", func(t *testing.T) {
		r := newRig(t)
		r.through(func(op faultstore.Operation, do func() error) error { return errFault })
		if got := r.status(t, http.StatusInternalServerError); got != `{"error":"storage does not answer; the log says more"}` {
			t.Errorf("body %s", got)
		}
		r.through(nil)
	})
}
