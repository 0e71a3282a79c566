package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/faultstore"
	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/status"
	"stackusage/shared/table"
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

func (r *rig) readStatus(t testing.TB) (s status.Status) {
	t.Helper()
	ok(t, json.Unmarshal([]byte(r.status(t, http.StatusOK)), &s))
	return s
}

// heartbeat has the agent report now.
func (r *rig) heartbeat(t testing.TB, change func(*landing.Heartbeat)) {
	t.Helper()
	h := landing.Heartbeat{Format: landing.HeartbeatFormat, At: r.Now().UTC()}
	if change != nil {
		change(&h)
	}
	text, err := json.Marshal(h)
	ok(t, err)
	r.putBlob(t, landing.Container(cloudID), landing.HeartbeatName(usage.HourOf(r.Now())), text)
}

// well is a rig of which all is well: at noon, ten reported hours landed but for those
// named, the agent has reported, and Sweep has run.
func well(t testing.TB, without ...int) *rig {
	t.Helper()
	r := newRig(t)
	r.advance(-time.Duration((12+usage.HourOf(r.Now()).OfDay())%24) * time.Hour) // no file may land before its hour is over
	now := usage.HourOf(r.Now())
	ok(t, r.registry().Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", EffectiveDay: (now - 10).Day().Compact(),
		SubscriptionID: payer, BillingModel: registration.PayAsYouUse, Region: "northwest", Start: (now - 10).Start()}))
	for ago := 10; ago > 0; ago-- {
		if h := now - usage.Hour(ago); !slices.Contains(without, ago) {
			r.ingest(t, h, row(1, h, "1"))
		}
	}
	r.again(t)
	return r
}

// again has the agent report, and Sweep run.
func (r *rig) again(t testing.TB) {
	t.Helper()
	r.heartbeat(t, nil)
	r.sweep(t)
	for _, q := range []string{queue.Landed, queue.Days, queue.Batches} {
		r.take(t, q)
	}
}

// TestStatus: each condition has its code and its severity, and says what to do next.
func TestStatus(t *testing.T) {
	t.Parallel()
	refusing := func(status, times int) func(*testing.T) *rig {
		return func(t *testing.T) *rig {
			r := stated(t)
			r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool { w.WriteHeader(status); return true }
			for range times {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(25 * time.Hour)
			}
			r.again(t)
			return r
		}
	}
	const theDecision, theSilence, theWait = "problem DecisionWaits: ", "problem StackSilent: ", "notice DayWaits: "
	for name, tt := range map[string]struct {
		of   func(*testing.T) *rig
		want []string
	}{
		"all is well":       {func(t *testing.T) *rig { return well(t) }, nil},
		"an hour is late":   {func(t *testing.T) *rig { return well(t, 1, 2, 3, 4, 5, 6) }, nil},
		"nothing since":     {func(t *testing.T) *rig { return well(t, 1, 2, 3, 4, 5, 6, 7, 8) }, []string{theSilence + "stackusage-agent doctor"}},
		"nothing ever":      {func(t *testing.T) *rig { return well(t, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) }, []string{theSilence + "stackusage-agent doctor"}},
		"a gap":             {func(t *testing.T) *rig { return well(t, 8, 9) }, []string{"problem HoursMissing: stackusage-agent backfill"}},
		"a gap of just now": {func(t *testing.T) *rig { return well(t, 4) }, nil},
		"silent on purpose": {func(t *testing.T) *rig {
			r := well(t, 1, 2, 3, 4, 5, 6, 7, 8)
			reg, err := r.registry().Registrations(t.Context(), cloudID)
			ok(t, err)
			reg[0].Unwatched = true
			ok(t, r.registry().Put(t.Context(), reg[0]))
			return r
		}, []string{"notice StackSilent: "}},
		"delivered by hand": {func(t *testing.T) *rig {
			r := well(t, 1, 2, 3, 4, 5, 6, 7, 8)
			r.byHand(t, 2)
			r.advance(30 * time.Hour)
			r.sweep(t)
			return r
		}, nil},
		"a delivery is late": {func(t *testing.T) *rig {
			r := well(t, 1, 2, 3, 4, 5, 6, 7, 8)
			r.byHand(t, 2)
			r.advance(48 * time.Hour)
			r.sweep(t)
			return r
		}, []string{theSilence + "stackusage-agent export"}},
		"accepted as missing": {func(t *testing.T) *rig {
			r := well(t, 8)
			history, err := r.registry().History(t.Context(), cloudID)
			ok(t, err)
			missed := usage.HourOf(r.Now()) - 8
			_, err = calendar.Accept(t.Context(), r.store.Tables, history, calendar.Range{First: missed, Last: missed}, reasoned.Decision{By: "olga", Reason: "lost", At: r.Now()})
			ok(t, err)
			return r
		}, []string{"notice HoursAccepted: "}},
		"no heartbeat": {func(t *testing.T) *rig {
			r := well(t)
			r.advance(3 * time.Hour)
			r.sweep(t)
			return r
		}, []string{"notice AgentSilent: stackusage-agent status"}},
		"the agent fails": {func(t *testing.T) *rig {
			r := well(t)
			r.advance(time.Hour)
			r.sweep(t)
			r.heartbeat(t, func(h *landing.Heartbeat) { h.CollectError, h.CredentialEnd = "no route", r.Now().Add(20*24*time.Hour) })
			return r
		}, []string{"notice AgentFailing: stackusage-agent doctor", "notice CertificateEnds: stackusage-agent doctor"}},
		"a certificate ends soon": {func(t *testing.T) *rig {
			r := well(t)
			r.advance(time.Hour)
			r.sweep(t)
			r.heartbeat(t, func(h *landing.Heartbeat) { h.CredentialEnd = r.Now().Add(6 * 24 * time.Hour) })
			return r
		}, []string{"problem CertificateEnds: stackusage-agent doctor"}},
		"a heartbeat that is none": {func(t *testing.T) *rig {
			r := well(t)
			r.advance(time.Hour)
			r.sweep(t)
			r.putBlob(t, landing.Container(cloudID), landing.HeartbeatName(usage.HourOf(r.Now())), []byte("{"))
			return r
		}, []string{"problem NotRead: "}},
		"a conflict": {func(t *testing.T) *rig {
			r := well(t)
			h := usage.HourOf(r.Now()) - 2
			r.ingest(t, h, row(1, h, "2"))
			return r
		}, []string{"problem HourConflict: stackusage hour list --verdict conflict --registration hamburg"}},
		"a file that is rejected, and its hour is missing": {func(t *testing.T) *rig {
			r := well(t, 8)
			r.rejectedFile(t, usage.HourOf(r.Now())-8)
			return r
		}, []string{"problem FileRejected: stackusage hour list --verdict rejected", "problem HoursMissing: stackusage-agent backfill"}},
		"a file that is rejected, and another one is accepted": {func(t *testing.T) *rig {
			r := well(t)
			r.rejectedFile(t, usage.HourOf(r.Now())-8)
			r.rejectedFile(t, usage.HourOf(r.Now())-2)
			return r
		}, nil},
		"a stack that nobody has registered": {func(t *testing.T) *rig {
			r := newRig(t)
			r.ingest(t, usage.HourOf(r.Now())-2)
			r.again(t)
			return r
		}, []string{"problem FileUnregistered: stackusage registration create --cloud-id " + cloudID}},
		"rejected rows": {func(t *testing.T) *rig {
			r := well(t, 2, 3)
			now := usage.HourOf(r.Now())
			r.ingest(t, now-2, "{}", row(1, now-2, "1"), "{")
			r.ingest(t, now-3, "{}")
			return r
		}, []string{"problem RowsUndecided: stackusage quarantine list --registration hamburg"}},
		"rejected rows that are dismissed": {func(t *testing.T) *rig {
			r := well(t, 2)
			h := usage.HourOf(r.Now()) - 2
			name := r.ingest(t, h, "{}", row(1, h, "1"))
			id := hourlog.ID{CloudID: cloudID, Hour: h, SHA16: name.SHA16}
			var rows []hourlog.RejectedRow
			for q, err := range hourlog.RejectedRows(t.Context(), r.Tables, id) {
				ok(t, err)
				rows = append(rows, q)
			}
			ok(t, hourlog.Dismiss(t.Context(), r.Tables, id, rows, reasoned.Decision{By: "olga", Reason: "no usage", At: r.Now()}))
			return r
		}, nil},
		"a day that waits, and then is overdue": {func(t *testing.T) *rig {
			r := well(t, 8)
			r.advance(75 * time.Hour)
			r.again(t)
			return r
		}, []string{"problem DayOverdue: stackusage message list", "problem HoursMissing: stackusage-agent backfill", theSilence + "stackusage-agent doctor"}},
		"a day that waits": {func(t *testing.T) *rig {
			r := well(t, 8)
			r.advance(40 * time.Hour)
			r.again(t)
			return r
		}, []string{"notice DayWaits: stackusage day list --from", "problem HoursMissing: stackusage-agent backfill", theSilence + "stackusage-agent doctor"}},
		"a batch that is on its way":          {func(t *testing.T) *rig { r := stated(t); r.again(t); return r }, []string{theWait, theDecision + "stackusage finding list", theSilence}},
		"a batch that is never sent":          {func(t *testing.T) *rig { r := stated(t); r.advance(7 * time.Hour); r.again(t); return r }, []string{theWait, "problem BatchUnanswered: stackusage batch list", theDecision, theSilence}},
		"commerce refuses the app":            {refusing(401, 1), []string{theWait, "problem CredentialsRefused: stackusage batch list", theDecision, theSilence}},
		"commerce refuses the batch":          {refusing(400, 1), []string{theWait, "problem BatchRefused: stackusage batch list", theDecision, theSilence}},
		"commerce does not answer five times": {refusing(500, 5), []string{"problem BatchUnanswered: stackusage batch list", "problem DayOverdue: ", theDecision, theSilence}},
		"a message that cannot be read": {func(t *testing.T) *rig {
			r := well(t)
			r.done(t, "CloseDay", "garbage")
			return r
		}, []string{"problem MessagesFailed: stackusage message list"}},
		"a message that is dismissed": {func(t *testing.T) *rig {
			r := well(t)
			r.done(t, "CloseDay", "garbage")
			for m, err := range queue.FailedMessages(t.Context(), r.Tables) {
				ok(t, err)
				_, err = queue.DismissFailed(t.Context(), r.Tables, m, reasoned.Decision{By: "olga", Reason: "a test", At: r.Now().Add(time.Second)})
				ok(t, err)
			}
			return r
		}, nil},
		"a message on a poison queue": {func(t *testing.T) *rig { r := well(t); r.poison(t, queue.Landed, "x"); return r }, []string{"problem MessagesPoisoned: stackusage message list"}},
		"Sweep does not run":          {func(t *testing.T) *rig { r := well(t); r.advance(31 * time.Minute); return r }, []string{"problem SweepSilent: "}},
		"Sweep never ran":             {func(t *testing.T) *rig { r := well(t); r.forget(t, table.Sweeps); return r }, []string{"problem SweepSilent: "}},
		"more open days than are read": {func(t *testing.T) *rig {
			r := well(t)
			for d := range usage.Day(120) {
				ok(t, r.store.Tables.Apply(t.Context(), table.OpenDays, cloudID, table.Op{Verb: table.Put, Row: table.Row{Partition: cloudID, Key: (theDay + d).Compact(), Props: table.Props{}}}))
			}
			return r
		}, []string{"problem NotRead: "}},
		"a table that cannot be read": {func(t *testing.T) *rig {
			r := well(t)
			r.through(func(op faultstore.Operation, do func() error) error {
				if op.Name == table.Quarantine || op.Name == queue.Days {
					return errFault
				}
				return do()
			})
			return r
		}, []string{"problem NotRead: ", "problem NotRead: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tt.of(t).readStatus(t)
			var got []string
			for _, f := range s.Findings {
				line := fmt.Sprintf("%s %s: ", f.Severity, f.Code)
				if len(f.Next) > 0 {
					line += f.Next[0].Command
				}
				got = append(got, line)
				if f.Text == "" || strings.Contains(f.Text, "%!") || strings.Contains(strings.Join(f.Details, ""), "%!") {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if !slices.EqualFunc(tt.want, got, func(want, got string) bool { return strings.HasPrefix(got, want) }) {
				t.Errorf("findings\n%s\nwant\n%s\n%+v", strings.Join(got, "\n"), strings.Join(tt.want, "\n"), s.Findings)
			}
		})
	}
}

// rejectedFile lands a file that is no hour blob.
func (r *rig) rejectedFile(t testing.TB, h usage.Hour) {
	t.Helper()
	name := landing.Name{CloudID: cloudID, Hour: h, SHA16: "00000000000000aa"}
	r.putBlob(t, name.Container(), name.Blob(), []byte("no gzip"))
	r.done(t, "IngestHour", landedMessage(name))
}

// TestStatusCounts: what was found is told in numbers, hours and codes.
func TestStatusCounts(t *testing.T) {
	t.Parallel()
	r := well(t, 2, 3, 8, 9)
	now := usage.HourOf(r.Now())
	r.ingest(t, now-2, "{}", row(1, now-2, "1"), "{", "{")
	r.ingest(t, now-3, row(1, now-3, "-1"))
	s := r.readStatus(t)
	find := func(code status.Code) status.Finding {
		i := slices.IndexFunc(s.Findings, func(f status.Finding) bool { return f.Code == code })
		if i < 0 {
			t.Fatalf("no %s in %+v", code, s.Findings)
		}
		return s.Findings[i]
	}
	rows := find(status.RowsUndecided)
	if rows.Text != "4 rows of 2 hours are quarantined and undecided" || !slices.Equal(rows.Details, []string{"UnreadableJson 3, QuantityNegative 1"}) || rows.Since.IsZero() {
		t.Errorf("%+v", rows)
	}
	hours := find(status.HoursMissing)
	if hours.Details[0] != (now-9).String()+" to "+(now-8).String() || !strings.HasSuffix(hours.Next[0].Command, "--to "+(now-7).String()) ||
		!strings.Contains(hours.Next[1].Command, "hour accept-missing --from "+(now-9).String()+" --to "+(now-8).String()+" --reason TEXT --registration hamburg") {
		t.Errorf("%+v", hours)
	}
	got := s.Registrations[0]
	if got.Name != "hamburg" || got.LastHour == nil || *got.LastHour != now-1 || got.Behind < 3600 || got.Behind > 7200 || got.Problems != 2 || got.Agent == nil || !got.Watched || got.OpenDays == 0 {
		t.Errorf("%+v", got)
	}
	if s.Sweep == nil || s.Checked == 0 {
		t.Errorf("%+v", s)
	}
}

// TestStatusOfOpenWork: a day to close, and a revision that commerce keeps waiting.
func TestStatusOfOpenWork(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.ingest(t, hour00+1, row(1, hour00+1, "1"))
	r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool { w.WriteHeader(http.StatusUnauthorized); return true }
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.done(t, "CloseDay", "garbage")
	r.poison(t, queue.Landed, "x")
	s := r.readStatus(t)
	for i := range s.OpenDays {
		s.OpenDays[i].Since, s.OpenDays[i].DueAt = time.Time{}, s.OpenDays[i].DueAt.Truncate(48*time.Hour)
	}
	s.OpenRevisions[0].Since = time.Time{}
	days := []status.OpenDay{{CloudID: cloudID, UsageDay: "2019-12-11", WaitsFor: "23 hours missing, the first is 2019-12-11T02:00Z", DueAt: r.Now().UTC().Add(48 * time.Hour).Truncate(48 * time.Hour)}}
	if diff := cmp.Diff(days, s.OpenDays); diff != "" {
		t.Errorf("open days (-want +got):\n%s", diff)
	}
	revisions := []status.OpenDay{{CloudID: cloudID, UsageDay: "2019-12-10", Revision: 1, Unanswered: 1, LastResponse: `credentials: HTTP 401: ""`}}
	if diff := cmp.Diff(revisions, s.OpenRevisions); diff != "" {
		t.Errorf("open revisions (-want +got):\n%s", diff)
	}
	if s.FailedMessages != 1 || s.Queues[queue.Batches] != 2 || s.Queues[queue.Poison(queue.Landed)] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestStatusWithoutStorage: a storage that does not answer is a 500 that says no secrets;
// a new app has lists that are lists.
func TestStatusWithoutStorage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.status(t, http.StatusOK); !strings.Contains(got, `"registrations": []`) || !strings.Contains(got, `"openDays": []`) || !strings.Contains(got, `"openRevisions": []`) {
		t.Errorf("body %s", got)
	}
	r.through(func(op faultstore.Operation, do func() error) error { return errFault })
	if got := r.status(t, http.StatusInternalServerError); got != `{"error":"storage does not answer; the log says more"}` {
		t.Errorf("body %s", got)
	}
	r.through(nil)
}

// TestStatusCost pins what the status reads: it does not grow with what landed.
func TestStatusCost(t *testing.T) {
	t.Parallel()
	r := well(t)
	// Registrations, open days, containers; failed messages, six queues, Sweep's last run.
	const app = 1 + 1 + 1 + 1 + 6 + 1
	// The revisions, the hours of one run of days, accepted hours; the month's heartbeats and
	// the newest; files that are not accepted; rejected rows; confirmed findings and the revisions.
	const each = 3 + 2 + 1 + 1 + 2
	// Of an open day the hours of two days and its last revision.
	days := len(r.rows(t, table.OpenDays))
	if got, want := r.count(func() { r.readStatus(t) }), app+each+3*days; got != want {
		t.Errorf("%d storage requests, want %d", got, want)
	}
}

// byHand has the registration say that hours are delivered by hand.
func (r *rig) byHand(t *testing.T, days int) {
	t.Helper()
	reg, err := r.registry().Registrations(t.Context(), cloudID)
	ok(t, err)
	reg[0].DeliveredEvery = days
	ok(t, r.registry().Put(t.Context(), reg[0]))
}
