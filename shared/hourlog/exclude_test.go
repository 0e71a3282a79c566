package hourlog_test

import (
	"context"
	"strings"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// wayOfExclusions is every step by which an hour leaves the bill and comes back:
// A is excluded by an operator, B is let in, B is taken out by an end, the end is
// no more, and B counts again.
func wayOfExclusions(t testing.TB, tables table.Store, cloudID string) []func(context.Context) error {
	f := threeFiles{tables, cloudID, ledgertest.Day(t, "20191210")}
	exclude := func(sha16 string, byEnd bool) func(context.Context) error {
		return f.step(sha16, func(ctx context.Context, id hourlog.ID, _ hourlog.Hour) error {
			_, err := hourlog.Exclude(ctx, tables, id, ledgertest.Because("a test of the stack"), byEnd)
			return err
		})
	}
	supersede := func(sha16 string) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := f.ask(sha16)(ctx); err != nil {
				return err
			}
			return f.take(sha16)(ctx)
		}
	}
	end := func(sha16 string) func(context.Context) error {
		return f.step(sha16, func(ctx context.Context, id hourlog.ID, _ hourlog.Hour) error {
			_, err := hourlog.EndTakeOver(ctx, tables, id, ledgertest.Because("it is not registered"))
			return err
		})
	}
	return []func(context.Context) error{
		f.land(ledgertest.FileA), f.close, exclude(ledgertest.FileA, false), f.close, exclude(ledgertest.FileA, false),
		f.land(ledgertest.FileB), f.land(ledgertest.FileC), exclude(ledgertest.FileC, true), supersede(ledgertest.FileB), f.close,
		f.ask(ledgertest.FileC), end(ledgertest.FileC), f.ask(ledgertest.FileC), exclude(ledgertest.FileB, true), f.close, f.land(ledgertest.FileB), f.close,
	}
}

func TestExclude(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	id, _ := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	other, _ := ledgertest.BlobOf(ledgertest.CloudID, id.Hour, ledgertest.FileB)
	third, _ := ledgertest.BlobOf(ledgertest.CloudID, id.Hour, ledgertest.FileC)
	d := id.Hour.Day()
	way := wayOfExclusions(t, tables, ledgertest.CloudID)
	steps := func(n int) {
		t.Helper()
		for range n {
			ledgertest.OK(t, way[0](ctx))
			way = way[1:]
		}
	}
	verdict := func(id hourlog.ID, want hourlog.Verdict) hourlog.Hour {
		t.Helper()
		h, err := hourlog.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		if h.Verdict != want {
			t.Errorf("file %s is %s, want %s", id.SHA16, h.Verdict, want)
		}
		return h
	}
	stated := func(want string) {
		t.Helper()
		last, err := daybook.LastRevision(ctx, tables, ledgertest.CloudID, d)
		ledgertest.OK(t, err)
		if last.Inputs != want || ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
			t.Errorf("the day is stated with %q, want %q, and closed", last.Inputs, want)
		}
	}
	steps(2)
	if _, err := hourlog.Exclude(ctx, tables, id, reasoned.Decision{By: "olga"}, false); err == nil {
		t.Error("no reason, and no error")
	}
	steps(2)
	stated("")
	if h := verdict(id, hourlog.Excluded); h.Decision != hourlog.DecisionExclude || h.DecidedBy != "olga" || h.Accepted != 9 {
		t.Errorf("row %+v", h)
	}
	missing, err := hourlog.Missing(ctx, tables, ledgertest.CloudID, d, id.Hour, 0)
	ledgertest.OK(t, err)
	if missing[0] != id.Hour+1 {
		t.Errorf("missing from %s on: an excluded hour is decided", missing[0])
	}
	steps(4)
	if h := verdict(third, hourlog.Conflict); !strings.Contains(h.Reason, "excluded by an operator") {
		t.Errorf("reason %q", h.Reason)
	}
	_, err = hourlog.Exclude(ctx, tables, other, ledgertest.Because("x"), false)
	ledgertest.Is(t, err, reasoned.ErrDecided)
	steps(2)
	stated("2019121019_" + ledgertest.FileB)
	if h := verdict(id, hourlog.Voided); !strings.Contains(h.Earlier, "exclude by olga: a test of the stack") || h.SupersededBy != ledgertest.FileB {
		t.Errorf("row %+v", h)
	}
	steps(2)
	if h := verdict(third, hourlog.Conflict); h.Decision != hourlog.DecisionWithdrawn || h.TakesOver() {
		t.Errorf("row %+v", h)
	}
	steps(1)
	_, err = hourlog.Exclude(ctx, tables, other, ledgertest.Because("x"), false) // C is about to take its place
	ledgertest.Is(t, err, reasoned.ErrDecided)
	steps(2)
	stated("")
	verdict(other, hourlog.Unregistered)
	verdict(third, hourlog.Conflict)
	_, err = hourlog.Exclude(ctx, tables, other, ledgertest.Because("x"), false) // it counts again one day, and the reason would be lost
	ledgertest.Is(t, err, reasoned.ErrDecided)
	if missing, err = hourlog.Missing(ctx, tables, ledgertest.CloudID, d, id.Hour, 0); err != nil || missing[0] != id.Hour {
		t.Errorf("missing from %s on, %v: what an end took out is missing where it is expected again", missing[0], err)
	}
	if v, err := hourlog.Record(ctx, tables, other, hourlog.Hour{Verdict: hourlog.Unregistered}); err != nil || v != hourlog.Unregistered {
		t.Errorf("verdict %s, error %v", v, err)
	}
	steps(2)
	stated("2019121019_" + ledgertest.FileB)
	if h := verdict(other, hourlog.Accepted); h.Decision != "" || h.Accepted != 9 || !strings.Contains(h.Earlier, "exclude by olga") {
		t.Errorf("row %+v", h)
	}
}

// TestADayThatIsExcludedBeforeItIsStated: all that its hours had is taken out. A
// closer that read them before finds the number of its revision taken.
func TestADayThatIsExcludedBeforeItIsStated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	d := id.Hour.Day()
	h.UsageDays = d.Compact()
	_, err := ledgertest.Commit(ctx, tables, id, h, d)
	ledgertest.OK(t, err)
	slow, err := daybook.Begin(ctx, tables, ledgertest.CloudID, d)
	ledgertest.OK(t, err)
	_, err = hourlog.Exclude(ctx, tables, id, ledgertest.Because("a test of the stack"), false)
	ledgertest.OK(t, err)
	ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	ledgertest.Is(t, daybook.Commit(ctx, tables, slow, daybook.Revision{Number: 1, Inputs: daybook.InputList(slow.Counted)}), daybook.ErrOtherCloser)
	if last, err := daybook.LastRevision(ctx, tables, ledgertest.CloudID, d); err != nil || last.Inputs != "" || ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
		t.Errorf("revision %+v, error %v", last, err)
	}
}
