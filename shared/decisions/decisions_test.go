package decisions_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/ledgertest"
	"stackusage/shared/calendar"
	"stackusage/shared/daybook"
	"stackusage/shared/decisions"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/review"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const cloudID = ledgertest.CloudID

var begins = time.Date(2019, 12, 20, 0, 0, 0, 0, time.UTC)

// scene is a store in which operators decide something, an hour after each other.
type scene struct {
	t      *testing.T
	tables table.Store
	now    time.Time
}

// because is who decides next, and why.
func (s *scene) because(reason string) reasoned.Decision {
	s.now = s.now.Add(time.Hour)
	return reasoned.Decision{By: "olga", Reason: reason, At: s.now}
}

func (s *scene) note(reason string) registration.Note {
	why := s.because(reason)
	return registration.Note{By: why.By, Reason: why.Reason}
}

// settled is a file of a settlement.
type settled []byte

func (s settled) Open(context.Context, string, string) (io.ReadCloser, time.Time, error) {
	return io.NopCloser(bytes.NewReader(s)), time.Time{}, nil
}

// register changes a registration in every way.
func (s *scene) register() {
	ctx, t := s.t.Context(), s.t
	entries := registry.Registry{Tables: s.tables}
	g := &registrar.Registrar{Store: entries, Now: func() time.Time { return s.now }}
	r := registration.Registration{CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191201", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		SubscriptionKind: registration.CSP, BillingModel: registration.PayAsYouUse, Region: "local", Start: time.Date(2019, 12, 1, 0, 0, 0, 0, time.UTC)}
	put := func(reason string) {
		r.Note = s.note(reason)
		_, _, err := g.Put(ctx, registrar.Change{Registration: r})
		ledgertest.OK(t, err)
	}
	put("live")
	r.Region, r.EffectiveDay = "north", "20191205"
	put("renamed")
	m := registration.Mapping{TenantID: "dbab3982-796f-4d03-9908-044c08aef8a2", SubscriptionID: "5a1d7c9e-0b53-4b8e-9d43-1c2d4c9f1b22", EffectiveDay: "20191201", Note: s.note("a customer")}
	_, _, err := g.Map(ctx, "hamburg", m)
	ledgertest.OK(t, err)
	_, err = g.Unmap(ctx, "hamburg", m.SubscriptionID, "20191210", s.note("left"))
	ledgertest.OK(t, err)
	history, err := entries.History(ctx, cloudID)
	ledgertest.OK(t, err)
	parts, err := history.Parts("20191201")
	ledgertest.OK(t, err)
	own := "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	_, err = g.RecordInfrastructure(ctx, history, parts[0], []string{own}, registration.Note{By: "CloseDay", Reason: "found"})
	ledgertest.OK(t, err)
	_, err = g.ConfirmInfrastructure(ctx, "hamburg", "20191210", "0123456789abcdef", s.note("checked"))
	ledgertest.OK(t, err)
	_, err = g.SetInfrastructure(ctx, "hamburg", registration.InfrastructureEntry{EffectiveDay: "20191212", Note: s.note("none left")})
	ledgertest.OK(t, err)
	_, err = g.RecordProvider(ctx, "hamburg", own, s.note("a key"))
	ledgertest.OK(t, err)
	_, err = g.End(ctx, "hamburg", time.Date(2019, 12, 25, 0, 0, 0, 0, time.UTC), s.note("sold"), registrar.Condition{})
	ledgertest.OK(t, err)
	missing := calendar.Range{First: ledgertest.Hour(t, "2019120300"), Last: ledgertest.Hour(t, "2019120305")}
	history, err = entries.History(ctx, cloudID)
	ledgertest.OK(t, err)
	_, err = calendar.Accept(ctx, s.tables, history, missing, s.because("rebuilt"))
	ledgertest.OK(t, err)
}

// land puts a file beside those of its hour.
func (s *scene) land(hour, sha16 string) hourlog.ID {
	id, h := ledgertest.BlobOf(cloudID, ledgertest.Hour(s.t, hour), sha16)
	h.RejectedFile = "quarantine/" + sha16
	_, err := ledgertest.Commit(s.t.Context(), s.tables, id, h, id.Hour.Day())
	ledgertest.OK(s.t, err)
	return id
}

func (s *scene) decideFiles() {
	ctx, t := s.t.Context(), s.t
	// A and B claim an hour, and so does C: it replaces A, which is to come back, and does not.
	a, b, c := s.land("2019121019", ledgertest.FileA), s.land("2019121019", ledgertest.FileB), s.land("2019121019", ledgertest.FileC)
	_, err := hourlog.KeepOut(ctx, s.tables, b, s.because("sent twice"))
	ledgertest.OK(t, err)
	_, err = hourlog.AskTakeOver(ctx, s.tables, c, s.because("a: test build"))
	ledgertest.OK(t, err)
	_, err = hourlog.TakeOver(ctx, s.tables, c, hourlog.Hour{Blob: "c"}, nil)
	ledgertest.OK(t, err)
	_, err = hourlog.AskTakeOver(ctx, s.tables, a, s.because("a was right"))
	ledgertest.OK(t, err)
	_, err = hourlog.KeepOut(ctx, s.tables, a, s.because("no, c was"))
	ledgertest.OK(t, err)

	_, err = hourlog.Exclude(ctx, s.tables, s.land("2019121020", ledgertest.FileA), s.because("test stack"), false)
	ledgertest.OK(t, err)
	_, err = hourlog.Exclude(ctx, s.tables, s.land("2019121021", ledgertest.FileA), reasoned.Decision{By: "IngestHour", Reason: "the end", At: s.now}, true)
	ledgertest.OK(t, err)
	big, h := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, "2019121022"), ledgertest.FileA)
	h.Verdict = hourlog.Rejected
	_, err = hourlog.Record(ctx, s.tables, big, h)
	ledgertest.OK(t, err)
	_, err = hourlog.AskReingest(ctx, s.tables, big, s.because("limit raised"))
	ledgertest.OK(t, err)

	id := s.land("2019121023", ledgertest.FileA)
	var rows []hourlog.Quarantined
	for line := int64(3); line < 6; line++ {
		rows = append(rows, hourlog.Quarantined{Line: line, Code: "x", Bytes: "quarantine/" + ledgertest.FileA, Status: hourlog.RowRejected})
	}
	ledgertest.OK(t, hourlog.PutQuarantine(ctx, s.tables, id, rows))
	var two []hourlog.RejectedRow
	for r, err := range hourlog.RejectedRows(ctx, s.tables, id) {
		ledgertest.OK(t, err)
		if r.Line > 3 {
			two = append(two, r)
		}
	}
	ledgertest.OK(t, hourlog.Dismiss(ctx, s.tables, id, two, s.because("no usage")))
	corrected, h := ledgertest.BlobOf(cloudID, id.Hour, ledgertest.FileB)
	h.Original = id.SHA16
	for i := range rows {
		rows[i].Bytes = "quarantine/" + ledgertest.FileB
	}
	ledgertest.OK(t, hourlog.PutQuarantine(ctx, s.tables, corrected, rows))
	_, err = hourlog.CopyDismissals(ctx, s.tables, id, corrected, "quarantine/"+ledgertest.FileB)
	ledgertest.OK(t, err)
	_, err = hourlog.AskCorrect(ctx, s.tables, corrected, h, id.SHA16, s.because("agent wrote 4,0"))
	ledgertest.OK(t, err)
}

func (s *scene) decideDays() {
	ctx, t := s.t.Context(), s.t
	day := ledgertest.Day(t, "20191210")
	why := settlement.Settlement{CloudID: cloudID, UsageDay: day, Parts: []settlement.SettledPart{{}},
		Differs: []settlement.Observation{{Subscription: "09065051-cfe9-4fcf-b90c-87f2af292fc9", Tenant: "dbab3982-796f-4d03-9908-044c08aef8a2", ObservedAt: day.End(), Input: "x"}}}
	text, err := why.Encode()
	ledgertest.OK(t, err)
	revise := func(day usage.Day, r daybook.Revision) {
		if r.Restate != "" {
			d := s.because(r.Reason)
			r.By, r.ClosedAt = d.By, d.At
		}
		ledgertest.OK(t, s.tables.Apply(ctx, table.UsageDays, cloudID, table.Op{Row: table.Row{Partition: cloudID, Key: openday.RevisionKey(day, int(r.Number)), Props: table.Encode(r)}}))
	}
	revise(day, daybook.Revision{Number: 1, Settlement: "daily/s", SettlementSHA256: fmt.Sprintf("%x", sha256.Sum256(text)), Findings: 1})
	_, err = review.Confirm(ctx, s.tables, settled(text), cloudID, day, s.because("moved later"))
	ledgertest.OK(t, err)
	revise(day+1, daybook.Revision{Number: 2, Restate: "a", Settle: openday.SettleAll, Reason: "catalogue"})
	revise(day+1, daybook.Revision{Number: 3, Restate: "b", Waived: 2, Reason: "credited"})
	revise(day+1, daybook.Revision{Number: 4, Restate: "c", CarriedTo: "20191220", Reason: "late"})
	revise(day+1, daybook.Revision{Number: 5, Restate: "d", Settle: openday.SettleRegistration, Reason: "change 3 of the registration: x"})
	revise(day+2, daybook.Revision{Number: 1})
	_, err = daybook.AskRestate(ctx, s.tables, cloudID, day+2, s.because("prices"))
	ledgertest.OK(t, err)

	m := ledgertest.ManifestOf(cloudID, day, 2)
	ledgertest.OK(t, outbox.Open(ctx, s.tables, m, s.now))
	id := outbox.ID{CloudID: cloudID, Day: day, Revision: 1, Number: 1}
	b, err := outbox.Read(ctx, s.tables, id)
	ledgertest.OK(t, err)
	b.Tries, b.NotBefore = outbox.SettleTries, s.now
	ledgertest.OK(t, outbox.Update(ctx, s.tables, id, b))
	_, err = outbox.AskRetry(ctx, s.tables, id, s.because("back"))
	ledgertest.OK(t, err)
	_, err = outbox.AskSettle(ctx, s.tables, id, outbox.SettleAccepted, s.because("by phone"))
	ledgertest.OK(t, err)
	_, err = outbox.AskSettle(ctx, s.tables, id, outbox.SettleDeclined, s.because("in writing"))
	ledgertest.OK(t, err)

	for _, text := range []string{queue.DayMessage(cloudID, day), "garbage"} {
		ledgertest.OK(t, queue.PutFailed(ctx, s.tables, queue.FailedMessage{Queue: queue.Days, Text: text, LastSeen: s.now}))
		message, err := queue.FailedByKey(ctx, s.tables, queue.Days, queue.FailedKey(text))
		ledgertest.OK(t, err)
		if text == "garbage" {
			_, err = queue.DismissFailed(ctx, s.tables, message, s.because("nobody's"))
		} else {
			_, err = queue.ResendFailed(ctx, s.tables, message, s.because("storage is back"))
		}
		ledgertest.OK(t, err)
	}
}

// counting counts the rows that a store sends of each table.
type counting struct {
	table.Store
	rows map[string]int
}

func (c counting) count(name string, rows iter.Seq2[table.Row, error]) iter.Seq2[table.Row, error] {
	c.rows[name] += 0
	return func(yield func(table.Row, error) bool) {
		for row, err := range rows {
			if c.rows[name]++; !yield(row, err) {
				return
			}
		}
	}
}

func (c counting) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return c.count(name, c.Store.List(ctx, name, partition, from, to))
}

func (c counting) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	return c.count(name, c.Store.Scan(ctx, name, from, to, any...))
}

// TestRead: each kind of decision is made, and read; what the app did by itself is not.
func TestRead(t *testing.T) {
	s := &scene{t, ledgertest.InMemory(), begins}
	s.register()
	s.decideFiles()
	s.decideDays()
	want := strings.Split(strings.TrimSpace(`
registration create hamburg from 2019-12-01: PayAsYouUse, billed to 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11 / live
registration update hamburg from 2019-12-05: region north in place of local / renamed
tenant map hamburg dbab3982-796f-4d03-9908-044c08aef8a2 to 5a1d7c9e-0b53-4b8e-9d43-1c2d4c9f1b22 from 2019-12-01 / a customer
tenant unmap hamburg dbab3982-796f-4d03-9908-044c08aef8a2 from 2019-12-10 / left
infrastructure confirm hamburg from 2019-12-01 against 0123456789abcdef / checked
infrastructure set hamburg from 2019-12-12: none / none left
registration issue-key hamburg names provider subscription 09065051-cfe9-4fcf-b90c-87f2af292fc9 / a key
registration end hamburg from 2019-12-25: end 2019-12-25T00:00Z in place of none / sold
hour accept-missing hamburg 2019-12-03T00:00Z to 2019-12-03T05:00Z 6 missing / rebuilt
hour keep hamburg 2019-12-10T19:00Z bbbbbbbbbbbbbbbb / sent twice
hour supersede hamburg 2019-12-10T19:00Z cccccccccccccccc / a: test build
hour supersede hamburg 2019-12-10T19:00Z aaaaaaaaaaaaaaaa / a was right
hour withdraw hamburg 2019-12-10T19:00Z aaaaaaaaaaaaaaaa / no, c was
hour exclude hamburg 2019-12-10T20:00Z aaaaaaaaaaaaaaaa / test stack
hour reingest hamburg 2019-12-10T22:00Z aaaaaaaaaaaaaaaa, not carried out yet / limit raised
quarantine dismiss hamburg 2019-12-10T23:00Z 2 rows from line 4 / no usage
quarantine redrive hamburg 2019-12-10T23:00Z bbbbbbbbbbbbbbbb, not carried out yet / agent wrote 4,0
finding confirm hamburg 2019-12-10 1 observation differs / moved later
day restate hamburg 2019-12-11 / catalogue
day settle hamburg 2019-12-11 / credited
day carry-forward hamburg 2019-12-11 to 2019-12-20 / late
day restate hamburg 2019-12-12, not carried out yet / prices
batch retry hamburg 2019-12-10 revision 1 batch 1 / back
batch settle hamburg 2019-12-10 revision 1 batch 1 as accepted / by phone
batch settle hamburg 2019-12-10 revision 1 batch 1 as declined, not carried out yet / in writing
message resend hamburg usage-days `+queue.FailedKey(queue.DayMessage(cloudID, ledgertest.Day(t, "20191210")))+` / storage is back
message dismiss usage-days `+queue.FailedKey("garbage")+` / nobody's`), "\n")
	slices.Reverse(want)
	read := func(q decisions.Question) (texts []string, all []decisions.Decision, rows map[string]int) {
		t.Helper()
		c := counting{s.tables, map[string]int{}}
		all, err := decisions.Read(t.Context(), c, q)
		ledgertest.OK(t, err)
		for _, d := range all {
			stack := ""
			if d.CloudID == cloudID {
				stack = "hamburg"
			}
			texts = append(texts, d.Text(stack)+" / "+d.Reason)
			if d.By != "olga" || d.At.Location() != time.UTC {
				t.Errorf("%+v", d)
			}
		}
		return texts, all, c.rows
	}
	texts, all, _ := read(decisions.Question{})
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Fatalf("decisions (-want +got):\n%s", diff)
	}
	t.Run("every kind is there", func(t *testing.T) {
		for _, kind := range decisions.Kinds() {
			if !slices.ContainsFunc(all, func(d decisions.Decision) bool { return d.Kind == kind }) {
				t.Errorf("no %s", kind)
			}
		}
	})
	t.Run("of a stack", func(t *testing.T) {
		if texts, _, _ := read(decisions.Question{CloudID: cloudID}); cmp.Diff(want[1:], texts) != "" {
			t.Errorf("%s", cmp.Diff(want[1:], texts))
		}
		if texts, _, _ := read(decisions.Question{CloudID: ledgertest.Cloud(7)}); len(texts) > 0 {
			t.Errorf("%q", texts)
		}
	})
	t.Run("since a day, rows without a decision as new are not sent", func(t *testing.T) {
		day := begins.AddDate(0, 0, 1)
		newer := slices.IndexFunc(all, func(d decisions.Decision) bool { return d.At.Before(day) })
		texts, _, rows := read(decisions.Question{Since: day})
		if diff := cmp.Diff(want[:newer], texts); diff != "" || newer < 3 {
			t.Errorf("%d decisions (-want +got):\n%s", newer, diff)
		}
		// Of the hours, the three with earlier decisions; of the days, those that answer a request.
		if rows[table.UsageHours] > 3 || rows[table.Quarantine] > 0 || rows[table.UsageBatches] != 1 || rows[table.UsageDays] != 4 {
			t.Errorf("rows that were sent: %v", rows)
		}
	})
	t.Run("of a kind, only its tables are read", func(t *testing.T) {
		texts, _, rows := read(decisions.Question{Kinds: []decisions.Kind{decisions.BatchRetry}})
		if len(texts) != 1 || len(rows) != 1 || rows[table.UsageBatches] != 1 {
			t.Errorf("%q, rows %v", texts, rows)
		}
	})
}
