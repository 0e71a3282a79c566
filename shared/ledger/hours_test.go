package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestCommitHour(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	before, after := day(t, "20191210"), day(t, "20191211")
	h := hour(t, "2019121100")
	first, firstHour := blobOf(cloudID, h, "aaaaaaaaaaaaaaaa")
	t.Run("an unknown blob has no verdict", func(t *testing.T) {
		_, err := l.Hour(ctx, first)
		is(t, err, table.ErrNotFound)
		_, err = l.AcceptedHour(ctx, first)
		is(t, err, table.ErrNotFound)
	})
	t.Run("the first blob of an hour counts and opens its usage days", func(t *testing.T) {
		verdict, err := commit(ctx, l, first, firstHour, before, after)
		ok(t, err)
		if verdict != ledger.Accepted {
			t.Errorf("verdict %q", verdict)
		}
		want := firstHour
		want.Verdict = ledger.Accepted
		got, err := l.Hour(ctx, first)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row of the blob (-want +got):\n%s", diff)
		}
		want.Counts = first.SHA16
		got, err = l.AcceptedHour(ctx, first)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row of the hour (-want +got):\n%s", diff)
		}
		for _, d := range []usage.Day{before, after} {
			if !marked(t, l, cloudID, d.Compact()) {
				t.Errorf("day %s is not open", d)
			}
		}
	})
	t.Run("committing it again changes no verdict and no row", func(t *testing.T) {
		was := dump(t, l, cloudID)
		verdict, err := commit(ctx, l, first, firstHour, before, after)
		ok(t, err)
		if verdict != ledger.Accepted {
			t.Errorf("verdict %q", verdict)
		}
		if diff := cmp.Diff(was, dump(t, l, cloudID)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("another file with the same rows is a duplicate", func(t *testing.T) {
		id, same := blobOf(cloudID, h, "bbbbbbbbbbbbbbbb")
		same.RowSetHash = firstHour.RowSetHash
		verdict, err := commit(ctx, l, id, same, before)
		ok(t, err)
		got, err := l.Hour(ctx, id)
		ok(t, err)
		if verdict != ledger.Duplicate || got.Verdict != verdict || got.Accepted != 0 || !strings.Contains(got.Reason, firstHour.Blob) {
			t.Errorf("verdict %q, row %+v", verdict, got)
		}
	})
	t.Run("another file with other rows is a conflict, and the first still counts", func(t *testing.T) {
		id, other := blobOf(cloudID, h, "cccccccccccccccc")
		verdict, err := commit(ctx, l, id, other, before)
		ok(t, err)
		got, err := l.Hour(ctx, id)
		ok(t, err)
		if verdict != ledger.Conflict || got.Verdict != verdict || !strings.Contains(got.Reason, "decide which one is right") {
			t.Errorf("verdict %q, row %+v", verdict, got)
		}
		standing, err := l.AcceptedHour(ctx, id)
		ok(t, err)
		if standing.Counts != first.SHA16 {
			t.Errorf("%s counts", standing.Counts)
		}
	})
	t.Run("a stamp whose clock is centuries late is heard", func(t *testing.T) {
		id, late := blobOf(cloud(3), h, "eeeeeeeeeeeeeeee")
		late.CollectedAt = time.Date(1600, 12, 31, 23, 59, 59, 0, time.UTC)
		_, err := commit(ctx, l, id, late)
		ok(t, err)
		got, err := l.Hour(ctx, id)
		ok(t, err)
		if !got.CollectedAt.IsZero() {
			t.Errorf("a column holds %s: Azure Tables begins with 1601", got.CollectedAt)
		}
	})
	t.Run("an hour without usage counts and opens no day", func(t *testing.T) {
		id, empty := blobOf(cloud(1), h, "dddddddddddddddd")
		verdict, err := commit(ctx, l, id, empty)
		ok(t, err)
		if verdict != ledger.Accepted || marked(t, l, cloud(1), before.Compact()) {
			t.Errorf("verdict %q", verdict)
		}
	})
	t.Run("of many blobs racing for one hour exactly one counts", func(t *testing.T) {
		const racers = 6
		verdicts := make([]ledger.Verdict, racers)
		var wait sync.WaitGroup
		for i := range racers {
			wait.Go(func() {
				id, h := blobOf(cloud(2), h, fmt.Sprintf("%016x", i))
				var err error
				if verdicts[i], err = commit(ctx, l, id, h, before); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		id, _ := blobOf(cloud(2), h, "")
		standing, err := l.AcceptedHour(ctx, id)
		ok(t, err)
		for i, verdict := range verdicts {
			want := ledger.Conflict
			if fmt.Sprintf("%016x", i) == standing.Counts {
				want = ledger.Accepted
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
	l := inMemory()
	decide := func(t *testing.T, sha16 string, v ledger.Verdict) ledger.Verdict {
		t.Helper()
		id, h := blobOf(cloudID, hour(t, "2019121019"), sha16)
		h.Verdict, h.Reason = v, "because"
		got, err := l.DecideHour(ctx, id, h)
		ok(t, err)
		return got
	}
	t.Run("a final verdict stays", func(t *testing.T) {
		decide(t, "a", ledger.Rejected)
		if got := decide(t, "a", ledger.Conflict); got != ledger.Rejected {
			t.Errorf("got %q", got)
		}
	})
	t.Run("unregistered is not final", func(t *testing.T) {
		decide(t, "b", ledger.Unregistered)
		if got := decide(t, "b", ledger.Rejected); got != ledger.Rejected {
			t.Errorf("got %q", got)
		}
	})
	t.Run("an unregistered blob counts once its registration exists", func(t *testing.T) {
		decide(t, "c", ledger.Unregistered)
		id, h := blobOf(cloudID, hour(t, "2019121019"), "c")
		verdict, err := commit(ctx, l, id, h, day(t, "20191210"))
		ok(t, err)
		if verdict != ledger.Accepted {
			t.Errorf("got %q", verdict)
		}
	})
}

func TestMarks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	for i, at := range []time.Duration{0, 3 * time.Hour, time.Hour} {
		id, h := blobOf(cloudID, hour(t, "2019121019")+usage.Hour(i), fmt.Sprintf("%016x", i))
		in := inputOf(id, d)
		in.LandedAt = landed.Add(at)
		_, err := l.CommitHour(ctx, id, h, []ledger.DayInput{in})
		ok(t, err)
	}
	marks, err := l.OpenMarks(ctx)
	ok(t, err)
	want := []ledger.OpenMark{{CloudID: cloudID, Day: d, OpenDay: ledger.OpenDay{
		Since: landed, LastLanding: landed.Add(3 * time.Hour), LastInput: "2019121021_0000000000000002"}}}
	if diff := cmp.Diff(want, marks, cmpopts.IgnoreUnexported(ledger.OpenMark{})); diff != "" {
		t.Errorf("a mark says since when, the latest landing and the newest input (-want +got):\n%s", diff)
	}
}

func TestMissingAndDeadline(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	first := d.First()
	for h := first; h < first+31; h++ {
		id, row := blobOf(cloudID, h, "aaaaaaaaaaaaaaaa")
		switch h - first {
		case 5, 25: // never came
		case 7: // came and was refused
			row.Verdict = ledger.Rejected
			_, err := l.DecideHour(ctx, id, row)
			ok(t, err)
		default:
			_, err := commit(ctx, l, id, row)
			ok(t, err)
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
			got, err := l.Missing(ctx, cloudID, d, c.start, c.settling)
			ok(t, err)
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
			if got := ledger.Deadline(d, c.made, c.first, delay); !got.Equal(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	inputs := []ledger.DayInput{{LandedAt: landed.Add(2 * time.Hour)}, {LandedAt: landed}, {LandedAt: landed.Add(time.Hour)}}
	earliest, latest := ledger.Landings(inputs)
	if none, never := ledger.Landings(nil); !earliest.Equal(landed) || !latest.Equal(landed.Add(2*time.Hour)) || !none.IsZero() || !never.IsZero() {
		t.Errorf("landings %s and %s, want %s", earliest, latest, landed)
	}
}
