package handlers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// repacked is storage in which the files of a container say the same in other
// bytes: only a hash tells.
type repacked struct {
	content.Store
	container, prefix string
}

func (b repacked) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := b.Store.Open(ctx, container, name)
	if err != nil || container != b.container || !strings.HasPrefix(name, b.prefix) {
		return body, at, err
	}
	defer body.Close()
	gz, err := gzip.NewReader(body)
	if err != nil {
		return nil, at, err
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		return nil, at, err
	}
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.NoCompression)
	_, _ = w.Write(text)
	_ = w.Close()
	return io.NopCloser(&out), at, nil
}

// TestOtherBytesThanTheTablesSay: CloseDay checks what a revision is made from
// against the hashes in the tables: its partials, the daily file before it, the
// daily files that other days carry into it.
func TestOtherBytesThanTheTablesSay(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, r *rig, container, prefix, day, want string) {
		t.Helper()
		whole := r.Blobs
		r.App.Blobs = repacked{whole, container, cloudID + "/" + prefix}
		r.reroute(t)
		if body := r.fails(t, "CloseDay", day); !strings.Contains(body, want) {
			t.Errorf("%s, want %q", body, want)
		}
		r.App.Blobs = whole
		r.reroute(t)
		r.done(t, "CloseDay", day)
	}
	t.Run("a partial", func(t *testing.T) {
		t.Parallel()
		r := registered(t)
		r.complete(t)
		refused(t, r, table.ContainerPartials, "2019/12/10/2019121023", dayMessage(theDay), "DayInputs says")
		r.onlyOfDay(t, table.UsageDays)
	})
	t.Run("the daily file before", func(t *testing.T) {
		t.Parallel()
		r := registered(t)
		newBilling(t, r)
		r.complete(t)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("look again"))
		ok(t, err)
		refused(t, r, table.ContainerDaily, "2019/12/10/0001-", dayMessage(theDay), "UsageDays says")
		if n := len(r.ofDay(t, table.UsageDays)); n != 2 {
			t.Errorf("%d revisions", n)
		}
	})
	t.Run("what another day carries", func(t *testing.T) {
		t.Parallel()
		l := expired(t)
		ok(t, l.carry(t, theDay, december(14), "commerce was away"))
		l.done(t, "CloseDay", dayMessage(theDay)) // the day that carries
		refused(t, l.rig, table.ContainerDaily, "2019/12/10/0002-", dayMessage(december(14)), "DayInputs says")
	})
}

// TestARaisedLimitIsHonored: a limit above the built-in one, too.
func TestARaisedLimitIsHonored(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code        string
		limit       int64 // that the blob was over
		limits      landing.Limits
		judgedAgain bool
	}{
		"rows, the built-in limit":          {landing.RejectedTooManyRows, landing.DefaultMaxRows, landing.Limits{}, false},
		"rows, above the built-in limit":    {landing.RejectedTooManyRows, landing.DefaultMaxRows, landing.Limits{Rows: landing.DefaultMaxRows + 1}, true},
		"rows, and bytes are raised":        {landing.RejectedTooManyRows, landing.DefaultMaxRows, landing.Limits{Bytes: landing.DefaultMaxBytes + 1}, false},
		"bytes, the built-in limit":         {landing.RejectedTooLarge, landing.DefaultMaxBytes, landing.Limits{}, false},
		"bytes, above the built-in limit":   {landing.RejectedTooLarge, landing.DefaultMaxBytes, landing.Limits{Bytes: landing.DefaultMaxBytes + 1}, true},
		"bytes, the limit is lower by now":  {landing.RejectedTooLarge, landing.DefaultMaxBytes, landing.Limits{Bytes: landing.DefaultMaxBytes - 1}, false},
		"bytes, raised to the built-in one": {landing.RejectedTooLarge, 1000, landing.Limits{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registered(t)
			blob := r.land(t, hour22, rowsOf(hour22)...)
			_, err := hourlog.Record(t.Context(), r.Tables, hourID(blob), hourlog.Hour{Verdict: hourlog.Rejected, Code: c.code, Limit: c.limit, Blob: blob.String(), LandedAt: time.Now()})
			ok(t, err)
			r.Settings.Limits = c.limits
			r.done(t, "IngestHour", landedMessage(blob))
			if counts := r.hourRow(t, blob).Verdict == hourlog.Accepted; counts != c.judgedAgain {
				t.Errorf("counts: %t, want %t", counts, c.judgedAgain)
			}
		})
	}
}

// TestARaisedLimitIsRead: the reader takes as much as its limits say.
func TestARaisedLimitIsRead(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.Limits = landing.Limits{Rows: 2}
	blob := r.ingest(t, hour22, rowsOf(hour22)...)
	if h := r.hourRow(t, blob); h.Verdict != hourlog.Rejected || h.Limit != 2 {
		t.Fatalf("%+v", h)
	}
	r.Settings.Limits = landing.Limits{Rows: 3}
	r.done(t, "IngestHour", landedMessage(blob))
	if h := r.hourRow(t, blob); h.Verdict != hourlog.Accepted || h.Limit != 0 {
		t.Errorf("%+v", h)
	}
}

// TestAnHourMayTakeSoMuchDisk: over the limit it is rejected with it, and a higher one
// has it ingested. A disk that others have filled is no verdict, but a try that failed.
func TestAnHourMayTakeSoMuchDisk(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.Limits = landing.Limits{Disk: 1}
	blob := r.ingest(t, hour22, rowsOf(hour22)...)
	h := r.hourRow(t, blob)
	if h.Verdict != hourlog.Rejected || h.Code != landing.RejectedTooLarge || h.Limit != 1 || h.LimitOf != landing.OfDisk || !strings.Contains(h.Reason, "MAX_HOUR_DISK") {
		t.Fatalf("%+v", h)
	}
	r.Settings.Limits = landing.Limits{Disk: 1, Bytes: landing.DefaultMaxBytes + 1}
	r.done(t, "IngestHour", landedMessage(blob))
	if h := r.hourRow(t, blob); h.Verdict != hourlog.Rejected {
		t.Fatalf("another limit was raised: %+v", h)
	}
	r.Settings.Limits = landing.Limits{Disk: 100_000}
	r.done(t, "IngestHour", landedMessage(blob))
	if h := r.hourRow(t, blob); h.Verdict != hourlog.Accepted || h.Limit != 0 || h.LimitOf != "" {
		t.Errorf("%+v", h)
	}
	if left, err := os.ReadDir(r.Settings.TempDir); err != nil || len(left) > 0 {
		t.Errorf("left on disk: %v, %v", left, err)
	}
	r.Settings.TempDir = "/proc/no-such-folder" // nothing can be written
	blob = r.land(t, hour23, rowsOf(hour23)...)
	r.fails(t, "IngestHour", landedMessage(blob))
	if _, err := hourlog.Read(t.Context(), r.Tables, hourID(blob)); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("a verdict where there was no disk: %v", err)
	}
}
