package imports_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/memstore"
	"stackusage/shared/delivery"
	"stackusage/shared/imports"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

var (
	first = usage.HourOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))
	now   = time.Date(2024, 3, 3, 12, 0, 0, 0, time.UTC)
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file is an hour file with a row of each given usage hour, and one that no rule takes.
func file(t *testing.T, h usage.Hour, used ...usage.Hour) (name string, text []byte) {
	t.Helper()
	var b bytes.Buffer
	w, err := landing.NewWriter(&b, landing.Header{CloudID: cloudID, Region: "local", ReportedStart: h.Start(), ReportedEnd: h.End(), CollectedAt: now, AgentVersion: "1"})
	ok(t, err)
	for _, u := range used {
		ok(t, w.Row(fmt.Appendf(nil, `{"properties":{"subscriptionId":%q,"meterId":%q,"usageStartTime":%q,"usageEndTime":%q,"quantity":1,"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm\",\"location\":\"local\"}}"}}`,
			cloudID, cloudID, u.Start().Format(time.RFC3339), u.End().Format(time.RFC3339), cloudID)))
	}
	ok(t, w.Row([]byte(`{"properties":{}}`)))
	n, _, err := w.Close(1)
	ok(t, err)
	return n.File(), b.Bytes()
}

// folder is what an agent exported.
type folder struct {
	dir string
	m   delivery.Manifest
}

func newFolder(t *testing.T) *folder {
	return &folder{t.TempDir(), delivery.Manifest{Format: delivery.ManifestFormat, CloudID: cloudID}}
}

// put adds a file; written is what is in the folder.
func (f *folder) put(t *testing.T, name string, text, written []byte) string {
	t.Helper()
	ok(t, os.WriteFile(filepath.Join(f.dir, name), written, 0o600))
	sum := sha256.Sum256(text)
	f.m.Add(delivery.File{Name: name, Size: int64(len(text)), SHA256: fmt.Sprintf("%x", sum)})
	return name
}

func (f *folder) add(t *testing.T, h usage.Hour, used ...usage.Hour) string {
	t.Helper()
	name, text := file(t, h, used...)
	return f.put(t, name, text, text)
}

func history(off bool) registration.History {
	r := registration.Registration{CloudID: cloudID, EffectiveDay: "20240101", ReportingOff: off, Start: (first - 240).Start()}
	return registration.History{CloudID: cloudID, Registrations: []registration.Registration{r.Filled()}}
}

func importer(f *folder, store imports.Landing) *imports.Importer {
	return &imports.Importer{Folder: f.dir, Landing: store, Now: func() time.Time { return now }}
}

func storage(t *testing.T) *memstore.Blobs {
	b := memstore.NewBlobs()
	ok(t, b.Create(t.Context(), landing.Container(cloudID)))
	return b
}

// TestImport: each file is stored under its name, once, and the receipt has those that
// storage has.
func TestImport(t *testing.T) {
	f, store := newFolder(t), storage(t)
	names := []string{f.add(t, first), f.add(t, first+1, first+1), f.add(t, first+2)}
	im := importer(f, store)
	var told []string
	im.Progress = func(doing string, done, of int) { told = append(told, fmt.Sprint(doing, done, of)) }
	for _, fresh := range []int{3, 0} {
		c, err := im.Check(t.Context(), f.m, history(false))
		ok(t, err)
		if len(c.Bad) != 0 || len(c.Good) != 3 || c.Rows != 4 || len(c.Late) != 0 {
			t.Errorf("%+v", c)
		}
		l, err := im.Land(t.Context(), c)
		if ok(t, err); l.New != fresh || !l.Receipt.At.Equal(now) || len(l.Bad) != 0 {
			t.Errorf("%+v, want %d new", l, fresh)
		}
		if diff := cmp.Diff(f.m.Files, l.Receipt.Files); diff != "" {
			t.Error(diff)
		}
	}
	var landed []string
	ok(t, store.List(t.Context(), landing.Container(cloudID), func(name string, _ time.Time) error { landed = append(landed, name); return nil }))
	if len(landed) != 3 || landed[0] != "2024/03/01/00-"+names[0][11:] || len(told) != 12 || told[5] != "land3 3" {
		t.Errorf("%v %v", landed, told)
	}
}

// TestBad names each file that is not what the manifest or its own name says, and lands
// the others only.
func TestBad(t *testing.T) {
	f, store := newFolder(t), storage(t)
	good := f.add(t, first)
	flipped := func(text []byte) []byte { c := slices.Clone(text); c[len(c)/2] ^= 1; return c }
	want := map[string]string{}
	name, text := file(t, first+1)
	want[f.put(t, name, text, flipped(text))] = ""
	name, text = file(t, first+2)
	want[f.put(t, name, text, text[:len(text)-9])] = "CutShort"
	name, text = file(t, first+3)
	want[f.put(t, name, text, append(slices.Clone(text), 0))] = "BytesAfterTheEnd"
	_, text = file(t, first+4)
	other := landing.NameOf(cloudID, first+5, sha256.Sum256(text)).File()
	want[f.put(t, other, text, text)] = "NameDiffersFromContent"
	missing := f.add(t, first+6)
	ok(t, os.Remove(filepath.Join(f.dir, missing)))
	want[missing] = "no such file"
	want[f.add(t, usage.HourOf(now)+2)] = "HourNotOver"
	f.m.Files[0].Size++ // the good one, which is the first
	want[good] = "the manifest lists"
	second := f.add(t, first+7)
	unlisted, text := file(t, first+8)
	ok(t, os.WriteFile(filepath.Join(f.dir, unlisted), text, 0o600))
	im := importer(f, store)
	c, err := im.Check(t.Context(), f.m, history(false))
	ok(t, err)
	for _, b := range c.Bad {
		if reason, bad := want[b.File]; !bad || !strings.Contains(b.Reason, reason) || b.Reason == "" {
			t.Errorf("%+v, want %s", b, reason)
		}
	}
	if len(c.Bad) != len(want) || len(c.Good) != 1 || c.Good[0].Name != second || c.Unlisted != 1 {
		t.Errorf("%+v", c)
	}
	l, err := im.Land(t.Context(), c)
	if ok(t, err); len(l.Receipt.Files) != 1 || l.Receipt.Files[0].Name != second {
		t.Errorf("%+v", l)
	}
}

// TestOtherRegistration: a file of another stack does not land in this one's container.
func TestOtherRegistration(t *testing.T) {
	f := newFolder(t)
	f.add(t, first)
	f.m.CloudID = "b31316d4-de02-43a4-903d-eb74f8258b02"
	c, err := importer(f, storage(t)).Check(t.Context(), f.m, history(false))
	if ok(t, err); len(c.Bad) != 1 || !strings.Contains(c.Bad[0].Reason, "OtherRegistration") {
		t.Errorf("%+v", c)
	}
}

// TestLate: usage that commerce takes no more, by the day of its use.
func TestLate(t *testing.T) {
	f := newFolder(t)
	f.add(t, first, first-1, first) // a row of the day before, one of the day, and one that is rejected
	f.add(t, first+24, first+24)
	for _, off := range []bool{false, true} {
		im := importer(f, storage(t))
		im.LatenessLimit = 36 * time.Hour
		c, err := im.Check(t.Context(), f.m, history(off))
		ok(t, err)
		day := first.Day()
		want := []imports.Late{
			{Day: day - 1, Rows: 1, Until: first.Start().Add(36 * time.Hour), ReportingOff: off},
			{Day: day, Rows: 2, Until: day.End().Add(36 * time.Hour), ReportingOff: off}, // at this very moment
		}
		if diff := cmp.Diff(want, c.Late); diff != "" || !want[1].Until.Equal(now) {
			t.Error(diff)
		}
	}
}

// flaky fails once at a blob, and may store other bytes.
type flaky struct {
	*memstore.Blobs
	fail string
	torn bool
}

func (s *flaky) PutWhole(ctx context.Context, container, name string, body io.ReadSeekCloser) error {
	switch {
	case s.fail != "" && strings.Contains(name, s.fail):
		s.fail = ""
		return errors.New("503 ServerBusy")
	case s.torn:
		return s.Blobs.Put(ctx, container, name, struct{ io.ReadSeekCloser }{noClose{bytes.NewReader([]byte("torn"))}}, 4)
	}
	return s.Blobs.PutWhole(ctx, container, name, body)
}

type noClose struct{ *bytes.Reader }

func (noClose) Close() error { return nil }

// TestInterrupted: after an error the next import goes on; what storage has under a name
// and is not the file is not in the receipt; and a file that changes meanwhile stays out.
func TestInterrupted(t *testing.T) {
	f := newFolder(t)
	f.add(t, first)
	f.add(t, first+1)
	store := &flaky{Blobs: storage(t), fail: "/01-"}
	im := importer(f, store)
	c, err := im.Check(t.Context(), f.m, history(false))
	ok(t, err)
	if _, err := im.Land(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ServerBusy") {
		t.Fatal(err)
	}
	if l, err := im.Land(t.Context(), c); err != nil || l.New != 1 || len(l.Receipt.Files) != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	store = &flaky{Blobs: storage(t), torn: true}
	im.Landing = store
	if l, err := im.Land(t.Context(), c); err != nil || len(l.Receipt.Files) != 0 || len(l.Bad) != 2 || !strings.Contains(l.Bad[0].Reason, "other bytes") {
		t.Errorf("%+v, %v", l, err)
	}
	im.Landing = storage(t)
	ok(t, os.WriteFile(filepath.Join(f.dir, f.m.Files[0].Name), []byte("changed"), 0o600))
	if l, err := im.Land(t.Context(), c); err != nil || len(l.Receipt.Files) != 1 || l.New != 1 || len(l.Bad) != 1 || !strings.Contains(l.Bad[0].Reason, "has changed") {
		t.Errorf("%+v, %v", l, err)
	}
}
