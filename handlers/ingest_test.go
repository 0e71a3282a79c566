package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestIngestHour(t *testing.T) {
	t.Parallel()
	r := registered(t)
	rows := append(rowsOf(hour00), row(4, hour00, "2"), `{"no":"usage"}`, row(5, hour23, "-1"))
	name := r.ingest(t, hour00, rows...)
	t.Run("the verdict says what the blob holds", func(t *testing.T) {
		file, _ := blobOf(t, hour00, rows...)
		want := hourlog.Hour{
			Verdict: hourlog.Accepted, Blob: name.String(), Bytes: int64(len(file)), Records: 6, Accepted: 4, Quarantined: 2, Pages: 1,
			UsageDays: "20191210,20191211", Region: "northwest", AgentVersion: "1.2.3", CollectedAt: hour00.End().Add(time.Minute),
		}
		got := r.hourRow(t, name)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(hourlog.Hour{}, "SHA256", "RowSetHash", "LandedAt", "RejectedFile")); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
		if !strings.HasPrefix(got.SHA256, name.SHA16) || len(got.RowSetHash) != 64 || time.Since(got.LandedAt).Abs() > time.Hour {
			t.Errorf("hashes %s, %s; landed %s", got.SHA256, got.RowSetHash, got.LandedAt)
		}
	})
	t.Run("each usage day has a partial and is open", func(t *testing.T) {
		for compact, lines := range map[string]int64{"20191210": 3, "20191211": 1} {
			in := r.rows(t, table.DayInputs)[cloudID+"_"+compact+"/2019121100_"+name.SHA16]
			if in["lines"] != lines || in["rows"] != lines {
				t.Fatalf("day %s: input %v", compact, in)
			}
			p, err := daily.OpenPartial(bytes.NewReader(r.blob(t, "partials/"+in["partial"].(string))))
			ok(t, err)
			if p.Header().HourBlob != r.hourRow(t, name).SHA256 {
				t.Errorf("the partial is of blob %s", p.Header().HourBlob)
			}
			if _, open := r.rows(t, table.OpenDays)[cloudID+"/"+compact]; !open {
				t.Errorf("day %s is not open", compact)
			}
		}
	})
	t.Run("refused rows are set aside with their bytes and their reason", func(t *testing.T) {
		rowsOf := r.rows(t, table.Quarantine)
		first := rowsOf[cloudID+"_20191211/00_"+name.SHA16+"_0000000005"]
		second := rowsOf[cloudID+"_20191211/00_"+name.SHA16+"_0000000006"]
		if len(rowsOf) != 2 || first["code"] != usage.RejectedJSON || second["code"] != usage.RejectedNegative ||
			first["line"] != int64(5) || first["bytes"] != r.hourRow(t, name).RejectedFile || first["blob"] != name.String() || first["status"] != "rejected" {
			t.Fatalf("rows %v", rowsOf)
		}
		var kept []string
		dec := json.NewDecoder(strings.NewReader(unzip(t, r.blob(t, first["bytes"].(string)))))
		for {
			var line struct {
				Code string
				Row  []byte
			}
			if err := dec.Decode(&line); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, line.Code+" "+string(line.Row))
		}
		want := []string{usage.RejectedJSON + ` {"no":"usage"}`, usage.RejectedNegative + " " + rows[5]}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("quarantine file (-want +got):\n%s", diff)
		}
	})
	t.Run("the same message again changes nothing", func(t *testing.T) {
		was := r.dump(t)
		r.done(t, "IngestHour", landedMessage(name))
		if diff := cmp.Diff(was, r.dump(t)); diff != "" {
			t.Errorf("storage (-want +got):\n%s", diff)
		}
	})
	t.Run("another file with the same rows is a duplicate", func(t *testing.T) {
		slices.Reverse(rows) // pages in another order
		again := r.ingest(t, hour00, rows...)
		if got := r.hourRow(t, again); again == name || got.Verdict != hourlog.Duplicate {
			t.Errorf("%s: %+v", again, got)
		}
	})
	t.Run("another file with other rows is a conflict and counts nowhere", func(t *testing.T) {
		other := r.ingest(t, hour00, row(1, hour23, "1000"))
		if got := r.hourRow(t, other); got.Verdict != hourlog.Conflict || got.Records != 1 || got.Accepted != 0 {
			t.Errorf("%+v", got)
		}
		if n := len(r.rows(t, table.DayInputs)); n != 2 {
			t.Errorf("%d inputs: the conflict has one", n)
		}
	})
	t.Run("an hour without usage counts, and is an input of its day", func(t *testing.T) {
		if got := r.hourRow(t, r.ingest(t, hour22)); got.Verdict != hourlog.Accepted || got.Records != 0 || got.UsageDays != "20191210" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the agent's self-test means nothing", func(t *testing.T) {
		was := r.dump(t)
		r.done(t, "IngestHour", strings.Replace(landedMessage(name), name.Blob(), "_probe/2019-12-10", 1))
		if diff := cmp.Diff(was, r.dump(t)); diff != "" {
			t.Errorf("storage (-want +got):\n%s", diff)
		}
	})
	t.Run("more sums than fit in memory make the same partials", func(t *testing.T) {
		small := registered(t)
		small.Settings.SpillSums = 2
		small.ingest(t, hour22, rowsOf(hour22)...)
		big := registered(t)
		big.ingest(t, hour22, rowsOf(hour22)...)
		if diff := cmp.Diff(big.dump(t), small.dump(t)); diff != "" {
			t.Errorf("storage (-in memory +spilled):\n%s", diff)
		}
	})
}

func TestARowThatIsTooLongIsRefusedWithItsBeginning(t *testing.T) {
	t.Parallel()
	r := registered(t)
	name := r.ingest(t, hour22, row(1, hour22-1, "1"), `{"properties":"`+strings.Repeat("x", usage.MaxLine)+`"}`)
	if got := r.hourRow(t, name); got.Accepted != 1 || got.Quarantined != 1 {
		t.Errorf("%+v", got)
	}
	refused := r.only(t, table.Quarantine)
	if refused["code"] != usage.RejectedLine {
		t.Errorf("refused as %v", refused)
	}
	if text := unzip(t, r.blob(t, refused["bytes"].(string))); !strings.Contains(text, `"cut":true`) {
		t.Errorf("the file does not say that the row is cut: %.200s", text)
	}
}

func TestUnregistered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.ingest(t, hour22, rowsOf(hour22)...)
	if got := r.hourRow(t, name); got.Verdict != hourlog.Unregistered || got.Reason == "" {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{table.DayInputs, table.OpenDays, table.Quarantine} {
		if rows := r.rows(t, name); len(rows) != 0 {
			t.Errorf("%s: %v", name, rows)
		}
	}
	t.Run("counts once it is registered", func(t *testing.T) {
		r.register(t)
		r.done(t, "IngestHour", landedMessage(name))
		if got := r.hourRow(t, name); got.Verdict != hourlog.Accepted || got.Accepted != 3 || got.Reason != "" {
			t.Errorf("%+v", got)
		}
	})
}

// A storage that breaks off in the middle of a download is no blob that was
// cut short: nothing may be written, and the host must come again.
func TestIngestHourWhenTheDownloadBreaks(t *testing.T) {
	t.Parallel()
	r := registered(t)
	var rows []string
	for i := range 200 {
		rows = append(rows, row(i, hour22-1, "1.5"+strings.Repeat("3", i%20)))
	}
	file, _ := blobOf(t, hour22, rows...)
	name := r.land(t, hour22, rows...)
	for _, after := range []int{0, 5, len(file) / 2, len(file) - 1} {
		was := r.dump(t)
		r.Landing = &breaking{r.store.Blobs, after}
		body := r.fails(t, "IngestHour", landedMessage(name))
		r.Landing = r.store.Blobs
		if strings.Contains(body, landing.RejectedCutShort) {
			t.Errorf("after %d bytes the blob is blamed: %s", after, body)
		}
		if diff := cmp.Diff(was, r.dump(t)); diff != "" {
			t.Errorf("after %d bytes, storage (-want +got):\n%s", after, diff)
		}
	}
	r.done(t, "IngestHour", landedMessage(name))
	if got := r.hourRow(t, name); got.Verdict != hourlog.Accepted || got.Accepted != 200 {
		t.Errorf("%+v", got)
	}
}

func TestIngestHourCrashes(t *testing.T) {
	t.Parallel()
	rows := append(rowsOf(hour00), row(4, hour00, "2"), `{"no":"usage"}`)
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := registered(t)
			r.land(t, hour00, rows...)
			return r
		},
		func(r *rig) (int, string) {
			_, name := blobOf(t, hour00, rows...)
			return r.call("IngestHour", landedMessage(name))
		},
		sameStorage)
}

func sameStorage(t *testing.T, want, got *rig) {
	t.Helper()
	if diff := cmp.Diff(want.dump(t), got.dump(t)); diff != "" {
		t.Errorf("storage (-without the fault +with it):\n%s", diff)
	}
}
