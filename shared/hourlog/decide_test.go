package hourlog_test

import (
	"context"
	"fmt"
	"github.com/google/go-cmp/cmp"
	"strings"
	"sync"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// takeOver is what IngestHour does with a file that an operator let take over.
func takeOver(ctx context.Context, tables table.Store, id hourlog.ID, h hourlog.Hour, days ...usage.Day) (hourlog.Verdict, error) {
	h.UsageDays = daysText(days)
	inputs := make([]openday.Input, len(days))
	for i, d := range days {
		inputs[i] = ledgertest.InputOf(id, d)
	}
	return hourlog.TakeOver(ctx, tables, id, h, inputs)
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
func inConflict(ctx context.Context, t testing.TB, tables table.Store, cloudID string) (a, b hourlog.ID, daysOfA, daysOfB []usage.Day) {
	d := ledgertest.Day(t, "20191210")
	daysOfA, daysOfB = []usage.Day{d - 1, d}, []usage.Day{d, d + 1}
	a, hourA := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	hourA.UsageDays = daysText(daysOfA)
	b, hourB := ledgertest.BlobOf(cloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileB)
	_, err := ledgertest.Commit(ctx, tables, a, hourA, daysOfA...)
	ledgertest.OK(t, err)
	_, err = hourlog.Record(ctx, tables, b, hourlog.Beside(hourA, hourB))
	ledgertest.OK(t, err)
	return a, b, daysOfA, daysOfB
}

// atRest checks that each of the three days is stated with what counts, or is
// open, and says what became of the hour. least is 0 where the hour may be excluded.
func atRest(t *testing.T, tables table.Store, cloudID string, least int64) string {
	t.Helper()
	ctx := context.Background()
	d := ledgertest.Day(t, "20191210")
	standing, err := hourlog.AcceptedHour(ctx, tables, hourlog.ID{CloudID: cloudID, Hour: ledgertest.Hour(t, "2019121019")})
	ledgertest.OK(t, err)
	end := "counts " + (standing.Counts + "-")[:1]
	for at, day := range []usage.Day{d - 1, d, d + 1} {
		want := ""
		if standing.Counts == ledgertest.FileA && at < 2 || standing.Counts == ledgertest.FileB && at > 0 {
			want = "2019121019_" + standing.Counts
		}
		stated := ""
		for r, err := range daybook.Revisions(ctx, tables, cloudID, day) {
			ledgertest.OK(t, err)
			if stated = r.Inputs; at == 1 && (r.InputCount < least || r.InputCount > 1) {
				t.Errorf("revision %d of the day that both files have is made of %q", r.Number, r.Inputs)
			}
		}
		if open := ledgertest.Marked(t, tables, cloudID, day.Compact()); stated != want && !open {
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
func wayOfDecisions(t testing.TB, tables table.Store, cloudID string) []func(context.Context) error {
	f := threeFiles{tables, cloudID, ledgertest.Day(t, "20191210")}
	keep := func(sha16 string) func(context.Context) error {
		return f.step(sha16, func(ctx context.Context, id hourlog.ID, _ hourlog.Hour) error {
			_, err := hourlog.KeepOut(ctx, tables, id, ledgertest.Because(sha16+" is wrong"))
			return err
		})
	}
	restate := func(ctx context.Context) error {
		_, err := daybook.AskRestate(ctx, tables, cloudID, f.day, ledgertest.Because("the payer changed"))
		return err
	}
	return []func(context.Context) error{
		f.land(ledgertest.FileA), f.close, f.land(ledgertest.FileB), f.land(ledgertest.FileC),
		f.ask(ledgertest.FileB), f.close, f.take(ledgertest.FileB), f.close, f.take(ledgertest.FileB),
		f.ask(ledgertest.FileA), f.take(ledgertest.FileA), f.close,
		keep(ledgertest.FileC), f.ask(ledgertest.FileB), keep(ledgertest.FileB), f.take(ledgertest.FileB), restate, f.close,
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	row := func(t *testing.T, id hourlog.ID) hourlog.Hour {
		t.Helper()
		h, err := hourlog.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		return h
	}
	t.Run("without a reason or a name nothing is decided", func(t *testing.T) {
		_, b, _, _ := inConflict(ctx, t, tables, ledgertest.Cloud(1))
		was := ledgertest.Dump(t, tables, ledgertest.Cloud(1))
		for _, why := range []reasoned.Decision{{By: "olga"}, {Reason: "x"}, {By: "olga", Reason: "two\nlines"}, {By: "olga", Reason: strings.Repeat("x", 1001)}} {
			_, err := hourlog.KeepOut(ctx, tables, b, why)
			_, err2 := hourlog.AskTakeOver(ctx, tables, b, why)
			_, err3 := daybook.AskRestate(ctx, tables, b.CloudID, ledgertest.Day(t, "20191210"), why)
			if err == nil || err2 == nil || err3 == nil {
				t.Errorf("%.60q was enough", why)
			}
		}
		if diff := cmp.Diff(was, ledgertest.Dump(t, tables, ledgertest.Cloud(1))); diff != "" {
			t.Errorf("rows (-before +after):\n%s", diff)
		}
	})
	t.Run("only a conflict can be kept out, and what was kept out stays out", func(t *testing.T) {
		a, b, _, _ := inConflict(ctx, t, tables, ledgertest.Cloud(2))
		_, err := hourlog.KeepOut(ctx, tables, a, ledgertest.Because("x"))
		ledgertest.Is(t, err, reasoned.ErrDecided)
		_, err = hourlog.KeepOut(ctx, tables, b, ledgertest.Because("first"))
		ledgertest.OK(t, err)
		_, err = hourlog.KeepOut(ctx, tables, b, ledgertest.Because("second"))
		ledgertest.OK(t, err)
		if h := row(t, b); h.Verdict != hourlog.KeptOut || h.DecisionReason != "first" {
			t.Errorf("row %+v", h)
		}
		_, err = hourlog.AskTakeOver(ctx, tables, b, ledgertest.Because("x"))
		ledgertest.Is(t, err, reasoned.ErrDecided)
		_, err = hourlog.AskTakeOver(ctx, tables, hourlog.ID{CloudID: a.CloudID, Hour: a.Hour, SHA16: ledgertest.FileC}, ledgertest.Because("x"))
		ledgertest.Is(t, err, table.ErrNotFound)
	})
	t.Run("a take-over that was asked for keeps the days of both files open until it is done", func(t *testing.T) {
		a, b, _, daysOfB := inConflict(ctx, t, tables, ledgertest.Cloud(3))
		d := ledgertest.Day(t, "20191210")
		_, err := hourlog.AskTakeOver(ctx, tables, b, ledgertest.Because("b is right"))
		ledgertest.OK(t, err)
		for range 2 {
			for _, d := range []usage.Day{d - 1, d} {
				ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, a.CloudID, d))
				if !ledgertest.Marked(t, tables, a.CloudID, d.Compact()) {
					t.Errorf("day %s was finished", d)
				}
			}
		}
		_, hourB := ledgertest.BlobOf(a.CloudID, b.Hour, ledgertest.FileB)
		verdict, err := takeOver(ctx, tables, b, hourB, daysOfB...)
		ledgertest.OK(t, err)
		if verdict != hourlog.Accepted {
			t.Errorf("verdict %s", verdict)
		}
		for _, d := range []usage.Day{d - 1, d, d + 1} {
			ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, a.CloudID, d))
		}
		atRest(t, tables, a.CloudID, 1)
		if h := row(t, a); h.Verdict != hourlog.Voided || h.SupersededBy != ledgertest.FileB || h.DecisionReason != "b is right" || h.Accepted != 9 {
			t.Errorf("row of the file that left %+v", h)
		}
	})
	t.Run("a take-over can be withdrawn until it is done", func(t *testing.T) {
		a, b, _, daysOfB := inConflict(ctx, t, tables, ledgertest.Cloud(4))
		_, err := hourlog.AskTakeOver(ctx, tables, b, ledgertest.Because("b is right"))
		ledgertest.OK(t, err)
		_, err = hourlog.KeepOut(ctx, tables, b, ledgertest.Because("no, a is"))
		ledgertest.OK(t, err)
		_, hourB := ledgertest.BlobOf(a.CloudID, b.Hour, ledgertest.FileB)
		verdict, err := takeOver(ctx, tables, b, hourB, daysOfB...)
		ledgertest.OK(t, err)
		if h := row(t, b); verdict != hourlog.KeptOut || !strings.Contains(h.Earlier, "supersede by olga: b is right") {
			t.Errorf("verdict %s, row %+v", verdict, h)
		}
		for _, d := range []usage.Day{a.Hour.Day() - 1, a.Hour.Day()} {
			ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, a.CloudID, d))
		}
		atRest(t, tables, a.CloudID, 1)
	})
	t.Run("of two operators who let two files take over one is told to wait", func(t *testing.T) {
		a, b, _, _ := inConflict(ctx, t, tables, ledgertest.Cloud(5))
		c, hourC := ledgertest.BlobOf(a.CloudID, a.Hour, ledgertest.FileC)
		_, err := ledgertest.Commit(ctx, tables, c, hourC)
		ledgertest.OK(t, err)
		var wait sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wait.Go(func() {
				_, errs[i] = hourlog.AskTakeOver(ctx, tables, []hourlog.ID{b, c}[i%2], ledgertest.Because(fmt.Sprint(i)))
			})
		}
		wait.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				ledgertest.Is(t, err, reasoned.ErrDecided)
				refused++
			}
		}
		standing, err := hourlog.AcceptedHour(ctx, tables, a)
		ledgertest.OK(t, err)
		if refused != 3 || standing.Counts != ledgertest.FileA || (standing.Challenger == ledgertest.FileB) != row(t, b).TakesOver() || (standing.Challenger == ledgertest.FileC) != row(t, c).TakesOver() {
			t.Errorf("%d refused; the pointer %+v", refused, standing)
		}
	})
	t.Run("a file of more usage days than the column holds leaves them all", func(t *testing.T) {
		id, h := ledgertest.BlobOf(ledgertest.Cloud(6), ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
		d := ledgertest.Day(t, "20191210")
		h.UsageDays = d.Compact() + ",... (2 days)"
		_, err := ledgertest.Commit(ctx, tables, id, h, d, d-200)
		ledgertest.OK(t, err)
		ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, id.CloudID, d))
		ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, id.CloudID, d-200))
		b, hourB := ledgertest.BlobOf(id.CloudID, id.Hour, ledgertest.FileB)
		_, err = ledgertest.Commit(ctx, tables, b, hourB)
		ledgertest.OK(t, err)
		_, err = hourlog.AskTakeOver(ctx, tables, b, ledgertest.Because("x"))
		ledgertest.OK(t, err)
		_, err = takeOver(ctx, tables, b, hourB)
		ledgertest.OK(t, err)
		for _, d := range []usage.Day{d, d - 200} {
			if !ledgertest.Marked(t, tables, id.CloudID, d.Compact()) {
				t.Errorf("day %s is not open", d)
			}
		}
	})
}
