package ledger_test

import (
	"context"
	"strings"
	"testing"

	"stackusage/shared/ledger"
)

// wayOfExclusions is every step by which an hour leaves the bill and comes back:
// A is excluded by an operator, B is let in, B is taken out by an end, the end is
// no more, and B counts again.
func wayOfExclusions(t testing.TB, l *ledger.Ledger, cloudID string) []func(context.Context) error {
	f := threeFiles{l, cloudID, day(t, "20191210")}
	exclude := func(sha16 string, byEnd bool) func(context.Context) error {
		return f.step(sha16, func(ctx context.Context, id ledger.HourID, _ ledger.Hour) error {
			_, err := l.Exclude(ctx, id, because("a test of the stack"), byEnd)
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
		return f.step(sha16, func(ctx context.Context, id ledger.HourID, _ ledger.Hour) error {
			_, err := l.EndTakeOver(ctx, id, because("it is not registered"))
			return err
		})
	}
	return []func(context.Context) error{
		f.land(fileA), f.close, exclude(fileA, false), f.close, exclude(fileA, false),
		f.land(fileB), f.land(fileC), exclude(fileC, true), supersede(fileB), f.close,
		f.ask(fileC), end(fileC), f.ask(fileC), exclude(fileB, true), f.close, f.land(fileB), f.close,
	}
}

func TestExclude(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	id, _ := blobOf(cloudID, hour(t, "2019121019"), fileA)
	other, _ := blobOf(cloudID, id.Hour, fileB)
	third, _ := blobOf(cloudID, id.Hour, fileC)
	d := id.Hour.Day()
	way := wayOfExclusions(t, l, cloudID)
	steps := func(n int) {
		t.Helper()
		for range n {
			ok(t, way[0](ctx))
			way = way[1:]
		}
	}
	verdict := func(id ledger.HourID, want ledger.Verdict) ledger.Hour {
		t.Helper()
		h, err := l.Hour(ctx, id)
		ok(t, err)
		if h.Verdict != want {
			t.Errorf("file %s is %s, want %s", id.SHA16, h.Verdict, want)
		}
		return h
	}
	stated := func(want string) {
		t.Helper()
		last, err := l.LastRevision(ctx, cloudID, d)
		ok(t, err)
		if last.Inputs != want || marked(t, l, cloudID, d.Compact()) {
			t.Errorf("the day is stated with %q, want %q, and closed", last.Inputs, want)
		}
	}
	steps(2)
	if _, err := l.Exclude(ctx, id, ledger.Reasoned{By: "olga"}, false); err == nil {
		t.Error("no reason, and no error")
	}
	steps(2)
	stated("")
	if h := verdict(id, ledger.Excluded); h.Decision != ledger.Exclude || h.DecidedBy != "olga" || h.Accepted != 9 {
		t.Errorf("row %+v", h)
	}
	missing, err := l.Missing(ctx, cloudID, d, id.Hour, 0)
	ok(t, err)
	if missing[0] != id.Hour+1 {
		t.Errorf("missing from %s on: an excluded hour is decided", missing[0])
	}
	steps(4)
	if h := verdict(third, ledger.Conflict); !strings.Contains(h.Reason, "excluded by an operator") {
		t.Errorf("reason %q", h.Reason)
	}
	_, err = l.Exclude(ctx, other, because("x"), false)
	is(t, err, ledger.ErrDecided)
	steps(2)
	stated("2019121019_" + fileB)
	if h := verdict(id, ledger.Voided); !strings.Contains(h.Earlier, "exclude by olga: a test of the stack") || h.SupersededBy != fileB {
		t.Errorf("row %+v", h)
	}
	steps(2)
	if h := verdict(third, ledger.Conflict); h.Decision != ledger.Withdrawn || h.TakesOver() {
		t.Errorf("row %+v", h)
	}
	steps(1)
	_, err = l.Exclude(ctx, other, because("x"), false) // C is about to take its place
	is(t, err, ledger.ErrDecided)
	steps(2)
	stated("")
	verdict(other, ledger.Unregistered)
	verdict(third, ledger.Conflict)
	_, err = l.Exclude(ctx, other, because("x"), false) // it counts again one day, and the reason would be lost
	is(t, err, ledger.ErrDecided)
	if missing, err = l.Missing(ctx, cloudID, d, id.Hour, 0); err != nil || missing[0] != id.Hour {
		t.Errorf("missing from %s on, %v: what an end took out is missing where it is expected again", missing[0], err)
	}
	if v, err := l.DecideHour(ctx, other, ledger.Hour{Verdict: ledger.Unregistered}); err != nil || v != ledger.Unregistered {
		t.Errorf("verdict %s, error %v", v, err)
	}
	steps(2)
	stated("2019121019_" + fileB)
	if h := verdict(other, ledger.Accepted); h.Decision != "" || h.Accepted != 9 || !strings.Contains(h.Earlier, "exclude by olga") {
		t.Errorf("row %+v", h)
	}
}

// TestADayThatIsExcludedBeforeItIsStated: all that its hours had is taken out. A
// closer that read them before finds the number of its revision taken.
func TestADayThatIsExcludedBeforeItIsStated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	id, h := blobOf(cloudID, hour(t, "2019121019"), fileA)
	d := id.Hour.Day()
	h.UsageDays = d.Compact()
	_, err := commit(ctx, l, id, h, d)
	ok(t, err)
	slow, err := l.BeginClose(ctx, cloudID, d)
	ok(t, err)
	_, err = l.Exclude(ctx, id, because("a test of the stack"), false)
	ok(t, err)
	ok(t, stateNext(ctx, l, cloudID, d))
	is(t, l.CommitRevision(ctx, slow, ledger.Revision{Number: 1, Inputs: ledger.InputList(slow.Counted)}), ledger.ErrOtherCloser)
	if last, err := l.LastRevision(ctx, cloudID, d); err != nil || last.Inputs != "" || marked(t, l, cloudID, d.Compact()) {
		t.Errorf("revision %+v, error %v", last, err)
	}
}
