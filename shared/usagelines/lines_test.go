package usagelines_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// one is the only line of a day.
func (s *scene) one(day usage.Day) (line usagelines.Line) {
	s.t.Helper()
	n := 0
	for l, err := range s.reader.Lines(context.Background(), usagelines.Query{CloudID: cloudID, First: day, Last: day}) {
		ok(s.t, err)
		line = *l
		n++
	}
	if n != 1 {
		s.t.Fatalf("%d lines", n)
	}
	return line
}

func say(status, code string) func(int, daily.Record) outcome.Result {
	return func(int, daily.Record) outcome.Result { return outcome.Result{Status: status, Code: code} }
}

func TestWhatBecameOfALine(t *testing.T) {
	shown := func(l usagelines.Line) string {
		return fmt.Sprintf("billed %s pending %s declined %s waived %s away %s unreported %s", l.Billed, l.Pending, l.Declined, l.Waived, l.CarriedAway, l.Unreported)
	}
	for name, c := range map[string]struct {
		revisions []closeddays.Revision
		want      string
	}{
		"accepted":             {[]closeddays.Revision{{}}, "billed 4 pending 0 declined 0 waived 0 away 0 unreported 0"},
		"without outcome":      {[]closeddays.Revision{{Outcome: say("", "")}}, "billed 0 pending 4 declined 0 waived 0 away 0 unreported 0"},
		"declined":             {[]closeddays.Revision{{Outcome: say(outcome.Rejected, "Odd")}}, "billed 0 pending 0 declined 4 waived 0 away 0 unreported 0"},
		"settled as declined":  {[]closeddays.Revision{{Outcome: say(outcome.Rejected, outbox.CodeDecided)}}, "billed 0 pending 0 declined 0 waived 4 away 0 unreported 0"},
		"waived":               {[]closeddays.Revision{{Outcome: say(outcome.Expired, "")}, {Waive: true}}, "billed 0 pending 0 declined 0 waived 4 away 0 unreported 0"},
		"carried":              {[]closeddays.Revision{{Outcome: say(outcome.Expired, "")}, {CarryTo: first + 3}}, "billed 0 pending 0 declined 0 waived 0 away 4 unreported 0"},
		"carried, and again":   {[]closeddays.Revision{{Outcome: say(outcome.Expired, "")}, {CarryTo: first + 3}, {}}, "billed 0 pending 0 declined 0 waived 0 away 4 unreported 0"},
		"reporting off":        {[]closeddays.Revision{{ReportingOff: true}}, "billed 0 pending 0 declined 0 waived 0 away 0 unreported 4"},
		"accepted, then off":   {[]closeddays.Revision{{}, {ReportingOff: true}}, "billed 4 pending 0 declined 0 waived 0 away 0 unreported 0"},
		"off, then accepted":   {[]closeddays.Revision{{ReportingOff: true}, {}}, "billed 4 pending 0 declined 0 waived 0 away 0 unreported 0"},
		"declined, then taken": {[]closeddays.Revision{{Outcome: say(outcome.Rejected, "")}, {}}, "billed 4 pending 0 declined 0 waived 0 away 0 unreported 0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, t.TempDir())
			s.use(first, "a", "4")
			for _, r := range c.revisions {
				ok(t, s.Close(t.Context(), first, r))
			}
			if got := shown(s.one(first)); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestCarriedUsageIsOfItsTenant: the day that bills it has no other usage of the subscription.
func TestCarriedUsageIsOfItsTenant(t *testing.T) {
	s := newScene(t, t.TempDir())
	s.use(first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Outcome: say(outcome.Expired, "")}))
	ok(t, s.Close(t.Context(), first, closeddays.Revision{CarryTo: first + 1}))
	s.Tenants = nil
	ok(t, s.Close(t.Context(), first+1, closeddays.Revision{}))
	if l := s.one(first + 1); l.Tenant != tenant || l.UsedOn() != first || l.Billed.String() != "4" {
		t.Errorf("tenant %q, used on %s, billed %s", l.Tenant, l.UsedOn(), l.Billed)
	}
}

// TestPartOfABatchHasOutcomes: what DailyUsage has is in the bill while the batch waits.
func TestPartOfABatchHasOutcomes(t *testing.T) {
	s := newScene(t, t.TempDir())
	s.use(first, "a", "4")
	s.use(first, "b", "8")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Outcome: func(n int, _ daily.Record) outcome.Result {
		return outcome.Result{Status: []string{outcome.Duplicate, ""}[n]}
	}}))
	_, billed, _, _, pending, _, _ := s.lines(usagelines.Query{CloudID: cloudID, First: first, Last: first})
	if a, b := billed.of(key(first, first, "/a")), pending.of(key(first, first, "/b")); a.RatString() != "4" || b.RatString() != "8" {
		t.Errorf("billed %s, pending %s", a, b)
	}
}

// TestCarriedOnAndOn: by usage day, lines are found wherever their usage was carried to,
// and only those of the days that are asked for.
func TestCarriedOnAndOn(t *testing.T) {
	s := newScene(t, t.TempDir())
	expire := closeddays.Revision{Outcome: say(outcome.Expired, "")}
	s.use(first, "a", "4")
	s.use(first+1, "a", "8")
	for _, c := range []struct {
		day usage.Day
		how closeddays.Revision
	}{
		{first, expire}, {first, closeddays.Revision{CarryTo: first + 5}},
		{first + 1, expire}, {first + 1, closeddays.Revision{CarryTo: first + 5}},
		{first + 5, expire}, {first + 5, closeddays.Revision{CarryTo: first + 7}},
		{first + 7, closeddays.Revision{}},
	} {
		ok(t, s.Close(t.Context(), c.day, c.how))
	}
	for day, want := range map[usage.Day]string{first: "4", first + 1: "8"} {
		_, billed, away, _, _, _, _ := s.lines(usagelines.Query{CloudID: cloudID, First: day, Last: day, ByUsageDay: true})
		if got := billed.of(key(first+7, day, "/a")).RatString(); got != want || len(billed) != 3 {
			t.Errorf("%s: billed %s of %v", day, got, billed)
		}
		if got := away.of(key(first+5, day, "/a")).RatString(); got != want {
			t.Errorf("%s: carried on %s", day, got)
		}
	}
}

// TestCarriedTwice: what two revisions carried is one sum.
func TestCarriedTwice(t *testing.T) {
	s := newScene(t, t.TempDir())
	s.use(first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Outcome: say(outcome.Expired, "")}))
	ok(t, s.Close(t.Context(), first, closeddays.Revision{CarryTo: first + 3}))
	s.use(first, "a", "8")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{CarryTo: first + 4}))
	s.use(first, "a", "16")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	if l := s.one(first); l.CarriedAway.String() != "12" || l.Billed.String() != "16" {
		t.Errorf("carried away %s, billed %s", l.CarriedAway, l.Billed)
	}
}

func TestCoverage(t *testing.T) {
	s := newScene(t, t.TempDir())
	s.use(first, "a", "4")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Missing: []usage.Hour{first.First()}}))
	mark := func(cloudID string, day usage.Day, revision string) {
		ok(t, s.account.Tables.Apply(t.Context(), table.OpenDays, cloudID, table.Op{Verb: table.Insert, Row: table.Row{Partition: cloudID, Key: day.Compact() + revision, Props: table.Encode(openday.Mark{})}}))
	}
	mark(cloudID, first, "")
	mark(cloudID, first, "_0001")
	mark(cloudID, first+1, "")
	mark(cloudID, first-1, "")                                // before the calendar
	mark("c59c6f67-75cf-5dcc-a489-b120304cc008", first-2, "") // of another stack
	history := registration.History{CloudID: cloudID, Registrations: []registration.Registration{{CloudID: cloudID, EffectiveDay: first.Compact(), Start: first.Start()}}}
	c, err := s.reader.Coverage(t.Context(), history, first-3, first+6, (first + 2).Start())
	ok(t, err)
	if got := fmt.Sprint(c.Days, c.Closed, c.Incomplete, c.Never); got != fmt.Sprint(7, 1, []usage.Day{first}, []usage.Day{first - 1, first + 1, first + 2}) || len(c.Open) != 2 || c.Open[0].Day != first {
		t.Errorf("%s, open %+v", got, c.Open)
	}
}

// TestAFileThatWasChangedIsAnError: each file that lines come from is hashed.
func TestAFileThatWasChangedIsAnError(t *testing.T) {
	for _, kind := range []string{".ndjson.gz", table.ContainerReceipts, "settlement"} {
		s := newScene(t, t.TempDir())
		s.use(first, "a", "4")
		ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
		s.reader.Blobs = tampered{s.account.Blobs, kind}
		var found error
		for _, err := range s.reader.Lines(t.Context(), usagelines.Query{CloudID: cloudID, First: first, Last: first}) {
			found = err
		}
		if found == nil || !strings.Contains(found.Error(), "SHA-256") {
			t.Errorf("%s: error %v", kind, found)
		}
	}
}

// tampered changes a byte that nothing depends on: of gzip the system, and of JSON a line
// feed at the end.
type tampered struct {
	*memstore.Blobs
	kind string // part of the paths of the blobs
}

func (b tampered) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := b.Blobs.Open(ctx, container, name)
	if err != nil || !strings.Contains(container+"/"+name, b.kind) {
		return body, at, err
	}
	text, err := io.ReadAll(body)
	if strings.HasSuffix(name, ".gz") {
		text[9] ^= 1
	} else {
		text = append(text, '\n')
	}
	return io.NopCloser(bytes.NewReader(text)), at, err
}
