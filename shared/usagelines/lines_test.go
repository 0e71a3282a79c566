package usagelines_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/outcome"
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
		"settled as declined":  {[]closeddays.Revision{{Outcome: say(outcome.Rejected, ledger.CodeDecided)}}, "billed 0 pending 0 declined 0 waived 4 away 0 unreported 0"},
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

// TestAFileThatWasChangedIsAnError: each file that lines come from is hashed.
func TestAFileThatWasChangedIsAnError(t *testing.T) {
	for _, container := range []string{table.ContainerDaily, table.ContainerReceipts} {
		s := newScene(t, t.TempDir())
		s.use(first, "a", "4")
		ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
		s.reader.Blobs = tampered{s.account.Blobs, container}
		var found error
		for _, err := range s.reader.Lines(t.Context(), usagelines.Query{CloudID: cloudID, First: first, Last: first}) {
			found = err
		}
		if found == nil || !strings.Contains(found.Error(), "SHA-256") {
			t.Errorf("%s: error %v", container, found)
		}
	}
}

// tampered adds a byte to each blob of a container.
type tampered struct {
	*memstore.Blobs
	container string
}

func (b tampered) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := b.Blobs.Open(ctx, container, name)
	if err != nil || container != b.container {
		return body, at, err
	}
	return io.NopCloser(io.MultiReader(body, strings.NewReader("\n"))), at, nil
}
