package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func because(reason string) ledger.Reasoned {
	return ledger.Reasoned{By: "olga", Reason: reason, At: landed.Add(time.Hour)}
}

const (
	fileA = "aaaaaaaaaaaaaaaa"
	fileB = "bbbbbbbbbbbbbbbb"
	fileC = "cccccccccccccccc"
)

// takeOver is what IngestHour does with a file that an operator let take over.
func takeOver(ctx context.Context, l *ledger.Ledger, id ledger.HourID, h ledger.Hour, days ...usage.Day) (ledger.Verdict, error) {
	h.UsageDays = daysText(days)
	inputs := make([]ledger.DayInput, len(days))
	for i, d := range days {
		inputs[i] = inputOf(id, d)
	}
	return l.TakeOver(ctx, id, h, inputs)
}

func daysText(days []usage.Day) string {
	texts := make([]string, len(days))
	for i, d := range days {
		texts[i] = d.Compact()
	}
	return strings.Join(texts, ",")
}

// inConflict is an hour with file A, which counts and has rows of the day
// before and the day, and B, which has rows of the day and the day after.
func inConflict(ctx context.Context, t testing.TB, l *ledger.Ledger, cloudID string) (a, b ledger.HourID, daysOfA, daysOfB []usage.Day) {
	d := day(t, "20191210")
	daysOfA, daysOfB = []usage.Day{d - 1, d}, []usage.Day{d, d + 1}
	a, hourA := blobOf(cloudID, hour(t, "2019121019"), fileA)
	hourA.UsageDays = daysText(daysOfA)
	b, hourB := blobOf(cloudID, hour(t, "2019121019"), fileB)
	_, err := commit(ctx, l, a, hourA, daysOfA...)
	ok(t, err)
	_, err = l.DecideHour(ctx, b, ledger.Beside(hourA, hourB))
	ok(t, err)
	return a, b, daysOfA, daysOfB
}

// stateNext is one round of a closer that states what counts, at once.
func stateNext(ctx context.Context, l *ledger.Ledger, cloudID string, d usage.Day) error {
	c, err := l.BeginClose(ctx, cloudID, d)
	if errors.Is(err, ledger.ErrNotOpen) {
		return nil
	} else if err != nil {
		return err
	}
	if !c.States() && !c.Empty() || c.Request != nil {
		r := ledger.Revision{Number: 1, Inputs: ledger.InputList(c.Counted), InputCount: int64(len(c.Counted))}
		if c.Last != nil {
			r.Number = c.Last.Number + 1
		}
		if err := l.CommitRevision(ctx, c, c.Answer(r)); err != nil {
			return err
		}
	}
	_, err = l.FinishClose(ctx, c)
	return err
}

// atRest checks that each of the three days is stated with what counts, or is
// open, and says what became of the hour. least is 0 where the hour may be excluded.
func atRest(t *testing.T, l *ledger.Ledger, cloudID string, least int64) string {
	t.Helper()
	ctx := context.Background()
	d := day(t, "20191210")
	standing, err := l.AcceptedHour(ctx, ledger.HourID{CloudID: cloudID, Hour: hour(t, "2019121019")})
	ok(t, err)
	end := "counts " + (standing.Counts + "-")[:1]
	for at, day := range []usage.Day{d - 1, d, d + 1} {
		want := ""
		if standing.Counts == fileA && at < 2 || standing.Counts == fileB && at > 0 {
			want = "2019121019_" + standing.Counts
		}
		stated := ""
		for r, err := range l.RevisionsOf(ctx, cloudID, day) {
			ok(t, err)
			if stated = r.Inputs; at == 1 && (r.InputCount < least || r.InputCount > 1) {
				t.Errorf("revision %d of the day that both files have is made of %q", r.Number, r.Inputs)
			}
		}
		if open := marked(t, l, cloudID, day.Compact()); stated != want && !open {
			t.Errorf("day %s is stated with %q, should be %q, and is closed", day, stated, want)
		} else if open {
			end += ", open"
		}
	}
	return end
}

// wayOfDecisions is every step by which operators change what counts, and what
// the functions do then: B supersedes A, A supersedes B again, C is kept out, B
// is asked for and withdrawn, and the day is restated.
func wayOfDecisions(t testing.TB, l *ledger.Ledger, cloudID string) []func(context.Context) error {
	f := threeFiles{l, cloudID, day(t, "20191210")}
	keep := func(sha16 string) func(context.Context) error {
		return f.step(sha16, func(ctx context.Context, id ledger.HourID, _ ledger.Hour) error {
			_, err := l.KeepOut(ctx, id, because(sha16+" is wrong"))
			return err
		})
	}
	restate := func(ctx context.Context) error {
		_, err := l.AskRestate(ctx, cloudID, f.day, because("the payer changed"))
		return err
	}
	return []func(context.Context) error{
		f.land(fileA), f.close, f.land(fileB), f.land(fileC),
		f.ask(fileB), f.close, f.take(fileB), f.close, f.take(fileB),
		f.ask(fileA), f.take(fileA), f.close,
		keep(fileC), f.ask(fileB), keep(fileB), f.take(fileB), restate, f.close,
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	row := func(t *testing.T, id ledger.HourID) ledger.Hour {
		t.Helper()
		h, err := l.Hour(ctx, id)
		ok(t, err)
		return h
	}
	t.Run("without a reason or a name nothing is decided", func(t *testing.T) {
		_, b, _, _ := inConflict(ctx, t, l, cloud(1))
		was := dump(t, l, cloud(1))
		for _, why := range []ledger.Reasoned{{By: "olga"}, {Reason: "x"}, {By: "olga", Reason: "two\nlines"}, {By: "olga", Reason: strings.Repeat("x", 1001)}} {
			_, err := l.KeepOut(ctx, b, why)
			_, err2 := l.AskTakeOver(ctx, b, why)
			_, err3 := l.AskRestate(ctx, b.CloudID, day(t, "20191210"), why)
			if err == nil || err2 == nil || err3 == nil {
				t.Errorf("%.60q was enough", why)
			}
		}
		if diff := cmp.Diff(was, dump(t, l, cloud(1))); diff != "" {
			t.Errorf("rows (-before +after):\n%s", diff)
		}
	})
	t.Run("only a conflict can be kept out, and what was kept out stays out", func(t *testing.T) {
		a, b, _, _ := inConflict(ctx, t, l, cloud(2))
		_, err := l.KeepOut(ctx, a, because("x"))
		is(t, err, ledger.ErrDecided)
		_, err = l.KeepOut(ctx, b, because("first"))
		ok(t, err)
		_, err = l.KeepOut(ctx, b, because("second"))
		ok(t, err)
		if h := row(t, b); h.Verdict != ledger.KeptOut || h.DecisionReason != "first" {
			t.Errorf("row %+v", h)
		}
		_, err = l.AskTakeOver(ctx, b, because("x"))
		is(t, err, ledger.ErrDecided)
		_, err = l.AskTakeOver(ctx, ledger.HourID{CloudID: a.CloudID, Hour: a.Hour, SHA16: fileC}, because("x"))
		is(t, err, table.ErrNotFound)
	})
	t.Run("a take-over that was asked for keeps the days of both files open until it is done", func(t *testing.T) {
		a, b, _, daysOfB := inConflict(ctx, t, l, cloud(3))
		d := day(t, "20191210")
		_, err := l.AskTakeOver(ctx, b, because("b is right"))
		ok(t, err)
		for range 2 {
			for _, d := range []usage.Day{d - 1, d} {
				ok(t, stateNext(ctx, l, a.CloudID, d))
				if !marked(t, l, a.CloudID, d.Compact()) {
					t.Errorf("day %s was finished", d)
				}
			}
		}
		_, hourB := blobOf(a.CloudID, b.Hour, fileB)
		verdict, err := takeOver(ctx, l, b, hourB, daysOfB...)
		ok(t, err)
		if verdict != ledger.Accepted {
			t.Errorf("verdict %s", verdict)
		}
		for _, d := range []usage.Day{d - 1, d, d + 1} {
			ok(t, stateNext(ctx, l, a.CloudID, d))
		}
		atRest(t, l, a.CloudID, 1)
		if h := row(t, a); h.Verdict != ledger.Voided || h.SupersededBy != fileB || h.DecisionReason != "b is right" || h.Accepted != 9 {
			t.Errorf("row of the file that left %+v", h)
		}
	})
	t.Run("a take-over can be withdrawn until it is done", func(t *testing.T) {
		a, b, _, daysOfB := inConflict(ctx, t, l, cloud(4))
		_, err := l.AskTakeOver(ctx, b, because("b is right"))
		ok(t, err)
		_, err = l.KeepOut(ctx, b, because("no, a is"))
		ok(t, err)
		_, hourB := blobOf(a.CloudID, b.Hour, fileB)
		verdict, err := takeOver(ctx, l, b, hourB, daysOfB...)
		ok(t, err)
		if h := row(t, b); verdict != ledger.KeptOut || !strings.Contains(h.Earlier, "supersede by olga: b is right") {
			t.Errorf("verdict %s, row %+v", verdict, h)
		}
		for _, d := range []usage.Day{a.Hour.Day() - 1, a.Hour.Day()} {
			ok(t, stateNext(ctx, l, a.CloudID, d))
		}
		atRest(t, l, a.CloudID, 1)
	})
	t.Run("of two operators who let two files take over one is told to wait", func(t *testing.T) {
		a, b, _, _ := inConflict(ctx, t, l, cloud(5))
		c, hourC := blobOf(a.CloudID, a.Hour, fileC)
		_, err := commit(ctx, l, c, hourC)
		ok(t, err)
		var wait sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wait.Go(func() { _, errs[i] = l.AskTakeOver(ctx, []ledger.HourID{b, c}[i%2], because(fmt.Sprint(i))) })
		}
		wait.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				is(t, err, ledger.ErrDecided)
				refused++
			}
		}
		standing, err := l.AcceptedHour(ctx, a)
		ok(t, err)
		if refused != 3 || standing.Counts != fileA || (standing.Challenger == fileB) != row(t, b).TakesOver() || (standing.Challenger == fileC) != row(t, c).TakesOver() {
			t.Errorf("%d refused; the pointer %+v", refused, standing)
		}
	})
	t.Run("a file of more usage days than the column holds leaves them all", func(t *testing.T) {
		id, h := blobOf(cloud(6), hour(t, "2019121019"), fileA)
		d := day(t, "20191210")
		h.UsageDays = d.Compact() + ",... (2 days)"
		_, err := commit(ctx, l, id, h, d, d-200)
		ok(t, err)
		ok(t, stateNext(ctx, l, id.CloudID, d))
		ok(t, stateNext(ctx, l, id.CloudID, d-200))
		b, hourB := blobOf(id.CloudID, id.Hour, fileB)
		_, err = commit(ctx, l, b, hourB)
		ok(t, err)
		_, err = l.AskTakeOver(ctx, b, because("x"))
		ok(t, err)
		_, err = takeOver(ctx, l, b, hourB)
		ok(t, err)
		for _, d := range []usage.Day{d, d - 200} {
			if !marked(t, l, id.CloudID, d.Compact()) {
				t.Errorf("day %s is not open", d)
			}
		}
	})
}
