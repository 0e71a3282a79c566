package hourlog_test

import (
	"context"
	"fmt"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/shared/closing"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestCommitHour(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	before, after := ledgertest.Day(t, "20191210"), ledgertest.Day(t, "20191211")
	h := ledgertest.Hour(t, "2019121100")
	first, firstHour := ledgertest.BlobOf(ledgertest.CloudID, h, "aaaaaaaaaaaaaaaa")
	t.Run("an unknown blob has no verdict", func(t *testing.T) {
		_, err := hourlog.Read(ctx, tables, first)
		ledgertest.Is(t, err, table.ErrNotFound)
		_, err = hourlog.AcceptedHour(ctx, tables, first)
		ledgertest.Is(t, err, table.ErrNotFound)
	})
	t.Run("the first blob of an hour counts and opens its usage days", func(t *testing.T) {
		verdict, err := ledgertest.Commit(ctx, tables, first, firstHour, before, after)
		ledgertest.OK(t, err)
		if verdict != hourlog.Accepted {
			t.Errorf("verdict %q", verdict)
		}
		want := firstHour
		want.Verdict = hourlog.Accepted
		got, err := hourlog.Read(ctx, tables, first)
		ledgertest.OK(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row of the blob (-want +got):\n%s", diff)
		}
		want.Counts = first.SHA16
		got, err = hourlog.AcceptedHour(ctx, tables, first)
		ledgertest.OK(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row of the hour (-want +got):\n%s", diff)
		}
		for _, d := range []usage.Day{before, after} {
			if !ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
				t.Errorf("day %s is not open", d)
			}
		}
	})
	t.Run("committing it again changes no verdict and no row", func(t *testing.T) {
		was := ledgertest.Dump(t, tables, ledgertest.CloudID)
		verdict, err := ledgertest.Commit(ctx, tables, first, firstHour, before, after)
		ledgertest.OK(t, err)
		if verdict != hourlog.Accepted {
			t.Errorf("verdict %q", verdict)
		}
		if diff := cmp.Diff(was, ledgertest.Dump(t, tables, ledgertest.CloudID)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("another file with the same rows is a duplicate", func(t *testing.T) {
		id, same := ledgertest.BlobOf(ledgertest.CloudID, h, "bbbbbbbbbbbbbbbb")
		same.RowSetHash = firstHour.RowSetHash
		verdict, err := ledgertest.Commit(ctx, tables, id, same, before)
		ledgertest.OK(t, err)
		got, err := hourlog.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		if verdict != hourlog.Duplicate || got.Verdict != verdict || got.Accepted != 0 || !strings.Contains(got.Reason, firstHour.Blob) {
			t.Errorf("verdict %q, row %+v", verdict, got)
		}
	})
	t.Run("another file with other rows is a conflict, and the first still counts", func(t *testing.T) {
		id, other := ledgertest.BlobOf(ledgertest.CloudID, h, "cccccccccccccccc")
		verdict, err := ledgertest.Commit(ctx, tables, id, other, before)
		ledgertest.OK(t, err)
		got, err := hourlog.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		if verdict != hourlog.Conflict || got.Verdict != verdict || !strings.Contains(got.Reason, "decide which one is right") {
			t.Errorf("verdict %q, row %+v", verdict, got)
		}
		standing, err := hourlog.AcceptedHour(ctx, tables, id)
		ledgertest.OK(t, err)
		if standing.Counts != first.SHA16 {
			t.Errorf("%s counts", standing.Counts)
		}
	})
	t.Run("a stamp whose clock is centuries late is heard", func(t *testing.T) {
		id, late := ledgertest.BlobOf(ledgertest.Cloud(3), h, "eeeeeeeeeeeeeeee")
		late.CollectedAt = time.Date(1600, 12, 31, 23, 59, 59, 0, time.UTC)
		_, err := ledgertest.Commit(ctx, tables, id, late)
		ledgertest.OK(t, err)
		got, err := hourlog.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		if !got.CollectedAt.IsZero() {
			t.Errorf("a column holds %s: Azure Tables begins with 1601", got.CollectedAt)
		}
	})
	t.Run("an hour without usage counts and opens no day", func(t *testing.T) {
		id, empty := ledgertest.BlobOf(ledgertest.Cloud(1), h, "dddddddddddddddd")
		verdict, err := ledgertest.Commit(ctx, tables, id, empty)
		ledgertest.OK(t, err)
		if verdict != hourlog.Accepted || ledgertest.Marked(t, tables, ledgertest.Cloud(1), before.Compact()) {
			t.Errorf("verdict %q", verdict)
		}
	})
	t.Run("of many blobs racing for one hour exactly one counts", func(t *testing.T) {
		const racers = 6
		verdicts := make([]hourlog.Verdict, racers)
		var wait sync.WaitGroup
		for i := range racers {
			wait.Go(func() {
				id, h := ledgertest.BlobOf(ledgertest.Cloud(2), h, fmt.Sprintf("%016x", i))
				var err error
				if verdicts[i], err = ledgertest.Commit(ctx, tables, id, h, before); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		id, _ := ledgertest.BlobOf(ledgertest.Cloud(2), h, "")
		standing, err := hourlog.AcceptedHour(ctx, tables, id)
		ledgertest.OK(t, err)
		for i, verdict := range verdicts {
			want := hourlog.Conflict
			if fmt.Sprintf("%016x", i) == standing.Counts {
				want = hourlog.Accepted
			}
			if verdict != want {
				t.Errorf("blob %d: %q, want %q", i, verdict, want)
			}
		}
	})
}

func TestDecideHour(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	decide := func(t *testing.T, sha16 string, v hourlog.Verdict) hourlog.Verdict {
		t.Helper()
		id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), sha16)
		h.Verdict, h.Reason = v, "because"
		got, err := hourlog.Record(ctx, tables, id, h)
		ledgertest.OK(t, err)
		return got
	}
	t.Run("a final verdict stays", func(t *testing.T) {
		decide(t, "a", hourlog.Rejected)
		if got := decide(t, "a", hourlog.Conflict); got != hourlog.Rejected {
			t.Errorf("got %q", got)
		}
	})
	t.Run("unregistered is not final", func(t *testing.T) {
		decide(t, "b", hourlog.Unregistered)
		if got := decide(t, "b", hourlog.Rejected); got != hourlog.Rejected {
			t.Errorf("got %q", got)
		}
	})
	t.Run("an unregistered blob counts once its registration exists", func(t *testing.T) {
		decide(t, "c", hourlog.Unregistered)
		id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), "c")
		verdict, err := ledgertest.Commit(ctx, tables, id, h, ledgertest.Day(t, "20191210"))
		ledgertest.OK(t, err)
		if verdict != hourlog.Accepted {
			t.Errorf("got %q", verdict)
		}
	})
}

func TestMarks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	for i, at := range []time.Duration{0, 3 * time.Hour, time.Hour} {
		id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019")+usage.Hour(i), fmt.Sprintf("%016x", i))
		in := ledgertest.InputOf(id, d)
		in.LandedAt = ledgertest.Landed.Add(at)
		_, err := hourlog.Commit(ctx, tables, id, h, []openday.Input{in})
		ledgertest.OK(t, err)
	}
	marks, err := openday.List(ctx, tables)
	ledgertest.OK(t, err)
	want := []openday.Entry{{CloudID: ledgertest.CloudID, Day: d, Mark: openday.Mark{
		Since: ledgertest.Landed, LastLanding: ledgertest.Landed.Add(3 * time.Hour), LastInput: "2019121021_0000000000000002"}}}
	if diff := cmp.Diff(want, marks, cmpopts.IgnoreUnexported(openday.Entry{})); diff != "" {
		t.Errorf("a mark says since when, the latest landing and the newest input (-want +got):\n%s", diff)
	}
}

func TestMissingAndDeadline(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	first := d.First()
	for h := first; h < first+31; h++ {
		id, row := ledgertest.BlobOf(ledgertest.CloudID, h, "aaaaaaaaaaaaaaaa")
		switch h - first {
		case 5, 25: // never came
		case 7: // came and was refused
			row.Verdict = hourlog.Rejected
			_, err := hourlog.Record(ctx, tables, id, row)
			ledgertest.OK(t, err)
		default:
			_, err := ledgertest.Commit(ctx, tables, id, row)
			ledgertest.OK(t, err)
		}
	}
	for _, c := range []struct {
		name     string
		start    usage.Hour
		settling int
		want     []usage.Hour
	}{
		{"hours of the day and the first of the next", first - 1000, 6, []usage.Hour{first + 5, first + 7, first + 25}},
		{"without settling hours only the day's own", first - 1000, 0, []usage.Hour{first + 5, first + 7}},
		{"from the start of the registration on", first + 6, 6, []usage.Hour{first + 7, first + 25}},
		{"a stamp registered later waits for nothing", first + 24 + 6, 6, nil},
		{"an hour that is not there yet", first - 1000, 8, []usage.Hour{first + 5, first + 7, first + 25, first + 31}},
		{"settling for a whole day", first + 26, 24, func() (hours []usage.Hour) {
			for h := first + 31; h < first+48; h++ {
				hours = append(hours, h)
			}
			return hours
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := hourlog.Missing(ctx, tables, ledgertest.CloudID, d, c.start, c.settling)
			ledgertest.OK(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
	const delay = 48 * time.Hour
	for _, c := range []struct {
		name        string
		made, first time.Time
		want        time.Time
	}{
		{"after the day's end", d.Start(), d.Start(), d.End().Add(delay)},
		{"after the day's end where nothing landed", time.Time{}, time.Time{}, d.End().Add(delay)},
		{"after the first landing", d.Start(), d.End().Add(5 * time.Hour), d.End().Add(5*time.Hour + delay)},
		{"after the registration was made", d.End().Add(9 * time.Hour), d.End().Add(5 * time.Hour), d.End().Add(9*time.Hour + delay)},
	} {
		t.Run("the deadline is "+c.name, func(t *testing.T) {
			if got := closing.Deadline(d, c.made, c.first, delay); !got.Equal(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	inputs := []openday.Input{{LandedAt: ledgertest.Landed.Add(2 * time.Hour)}, {LandedAt: ledgertest.Landed}, {LandedAt: ledgertest.Landed.Add(time.Hour)}}
	earliest, latest := hourlog.Landings(inputs)
	if none, never := hourlog.Landings(nil); !earliest.Equal(ledgertest.Landed) || !latest.Equal(ledgertest.Landed.Add(2*time.Hour)) || !none.IsZero() || !never.IsZero() {
		t.Errorf("landings %s and %s, want %s", earliest, latest, ledgertest.Landed)
	}
}
