package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/export"
	"stackusage/agent/spool"
	"stackusage/shared/delivery"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

var first = usage.HourOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newSpool has a file for each of n hours.
func newSpool(t *testing.T, n int) (*spool.Spool, []string) {
	t.Helper()
	sp, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	ok(t, err)
	t.Cleanup(func() { sp.Close() })
	var names []string
	for i := range n {
		names = append(names, seal(t, sp, first+usage.Hour(i), fmt.Sprintf("hour %d", i)))
	}
	return sp, names
}

func seal(t *testing.T, sp *spool.Spool, h usage.Hour, text string) string {
	t.Helper()
	f, err := sp.Create(h)
	ok(t, err)
	_, err = f.Write([]byte(text))
	ok(t, err)
	name := landing.NameOf(cloudID, h, sha256.Sum256([]byte(text))).File()
	ok(t, sp.Seal(f, name))
	return name
}

// tree is what a folder has, hashed.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sum := sha256.Sum256(text)
		rel, _ := filepath.Rel(dir, path)
		info, _ := d.Info()
		all[rel] = hex.EncodeToString(sum[:]) + " " + info.ModTime().String()
		return err
	}))
	return all
}

func manifest(t *testing.T, to string) delivery.Manifest {
	t.Helper()
	m, err := delivery.ReadManifest(filepath.Join(to, delivery.ManifestName))
	ok(t, err)
	return m
}

func listed(files []delivery.File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

// TestWrite: what is not uploaded is in the folder, listed; the spool does not change; a
// second export adds what came since, and takes nothing back.
func TestWrite(t *testing.T) {
	sp, names := newSpool(t, 4)
	to := filepath.Join(t.TempDir(), "stick")
	ok(t, sp.MarkSent(names[0]))
	ok(t, sp.MarkRejected(names[2]))
	before := tree(t, sp.Dir())
	w, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	m := manifest(t, to)
	if diff := cmp.Diff(names[1:], listed(m.Files)); diff != "" || m.CloudID != cloudID || m.From != first+1 || m.To != first+4 || w.Files != 3 || w.There != 0 || w.Bytes != 18 {
		t.Errorf("%+v, manifest %+v %s", w, m, diff)
	}
	for _, f := range m.Files {
		text, err := os.ReadFile(filepath.Join(to, f.Name))
		ok(t, err)
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(text)) != f.Size {
			t.Errorf("%s: %q", f.Name, text)
		}
	}
	written := tree(t, to)
	w, err = export.Write(t.Context(), sp.Dir(), cloudID, to)
	if ok(t, err); w.Files != 0 || w.There != 3 {
		t.Errorf("again: %+v", w)
	}
	if diff := cmp.Diff(written, tree(t, to)) + cmp.Diff(before, tree(t, sp.Dir())); diff != "" {
		t.Errorf("a second export or the spool: %s", diff)
	}
	ok(t, sp.MarkSent(names[1]))
	later := seal(t, sp, first+9, "later")
	_, err = export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	if diff := cmp.Diff(append(slices.Clone(names[1:]), later), listed(manifest(t, to).Files)); diff != "" {
		t.Error(diff)
	}
}

// TestWriteRefuses a folder that is not this registration's, and what is no folder for it.
func TestWriteRefuses(t *testing.T) {
	sp, _ := newSpool(t, 1)
	to := t.TempDir()
	const other = "b31316d4-de02-43a4-903d-eb74f8258b02"
	_, err := export.Write(t.Context(), sp.Dir(), other, to)
	ok(t, err)
	before := tree(t, to)
	for want, folder := range map[string]string{
		"has hours of registration " + other: to, "in the spool": sp.Dir(), "the spool; name": filepath.Join(sp.Dir(), "sealed"),
	} {
		if _, err := export.Write(t.Context(), sp.Dir(), cloudID, folder); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", folder, err, want)
		}
	}
	if diff := cmp.Diff(before, tree(t, to)); diff != "" {
		t.Error(diff)
	}
	ok(t, os.WriteFile(filepath.Join(to, delivery.ManifestName), []byte("{}"), 0o600))
	if _, err := export.Write(t.Context(), sp.Dir(), other, to); err == nil || !strings.Contains(err.Error(), "empty folder") {
		t.Error(err)
	}
	if _, err := export.Write(t.Context(), filepath.Join(to, "none"), cloudID, filepath.Join(to, "new")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(to, "new")); !os.IsNotExist(err) {
		t.Error("a folder was made for no hours")
	}
}

// TestWriteLeavesOut names what is damaged, in the spool or in the folder, and writes
// the others.
func TestWriteLeavesOut(t *testing.T) {
	sp, names := newSpool(t, 3)
	to := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(sp.Dir(), "sealed", names[0]), []byte("torn"), 0o600))
	ok(t, os.WriteFile(filepath.Join(to, names[1]), []byte("torn"), 0o600))
	w, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	if diff := cmp.Diff(names[2:], listed(manifest(t, to).Files)); diff != "" || len(w.Problems) != 2 || !strings.Contains(w.Problems[0], names[0]) || !strings.Contains(w.Problems[1], names[1]) {
		t.Errorf("%v %s", w.Problems, diff)
	}
	if text, _ := os.ReadFile(filepath.Join(to, names[1])); string(text) != "torn" {
		t.Error("a file of the folder was overwritten")
	}
	if _, err := os.Stat(filepath.Join(sp.Dir(), "sealed", names[0])); err != nil {
		t.Errorf("the export changed the spool: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(to, ".*")); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}

// TestWriteAfterAKill: files without a manifest, and one that is half written.
func TestWriteAfterAKill(t *testing.T) {
	sp, names := newSpool(t, 3)
	to := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := export.Write(ctx, sp.Dir(), cloudID, to); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(sp.Dir(), "sealed", names[0]))
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(to, names[0]), text, 0o600))
	ok(t, os.WriteFile(filepath.Join(to, ".stackusage-export-"+names[1]), text[:2], 0o600))
	ok(t, os.WriteFile(filepath.Join(to, ".stackusage-export-manifest.json"), []byte("{"), 0o600))
	w, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	if ok(t, err); w.Files != 2 || w.There != 1 || len(manifest(t, to).Files) != 3 {
		t.Errorf("%+v", w)
	}
	if found, _ := filepath.Glob(filepath.Join(to, ".*")); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}

// TestWriteBesideAnUpload: a file that moves meanwhile is in the folder or left out, and
// what is listed is whole.
func TestWriteBesideAnUpload(t *testing.T) {
	sp, names := newSpool(t, 60)
	to := t.TempDir()
	var uploads sync.WaitGroup
	uploads.Go(func() {
		for _, name := range names {
			if err := sp.MarkSent(name); err != nil {
				t.Error(err)
			}
		}
	})
	_, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	uploads.Wait()
	ok(t, err)
	if m, err := delivery.ReadManifest(filepath.Join(to, delivery.ManifestName)); err == nil {
		for _, f := range m.Files {
			if _, err := os.Stat(filepath.Join(to, f.Name)); err != nil {
				t.Error(err)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestConfirm marks what the receipt has and no other file; what it has not is exported
// again.
func TestConfirm(t *testing.T) {
	sp, names := newSpool(t, 5)
	to := t.TempDir()
	_, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	files := manifest(t, to).Files
	receipt := delivery.Receipt{Format: delivery.ReceiptFormat, CloudID: cloudID, Files: slices.Clone(files[:3])}
	receipt.Files[1].SHA256 = files[1].SHA256[:63] + map[bool]string{true: "1", false: "0"}[files[1].SHA256[63] == '0']
	other := receipt
	other.CloudID = "b31316d4-de02-43a4-903d-eb74f8258b02"
	if _, err := export.Confirm(sp.Dir(), cloudID, other); err == nil || !strings.Contains(err.Error(), other.CloudID) {
		t.Errorf("another registration's: %v", err)
	}
	ok(t, sp.MarkRejected(names[2]))
	c, err := export.Confirm(sp.Dir(), cloudID, receipt)
	ok(t, err)
	if c.Moved != 2 || c.Already != 0 || c.Waiting != 3 || len(c.Problems) != 1 || !strings.Contains(c.Problems[0], names[1]) {
		t.Errorf("%+v", c)
	}
	sent, err := sp.Sent()
	ok(t, err)
	if len(sent) != 2 || sent[0].Name() != names[0] || sent[1].Name() != names[2] {
		t.Errorf("sent %v", sent)
	}
	gaps, err := sp.Gaps(first, 1)
	if ok(t, err); gaps[0] != first+5 {
		t.Errorf("to be collected next: %v", gaps)
	}
	again := t.TempDir()
	_, err = export.Write(t.Context(), sp.Dir(), cloudID, again)
	ok(t, err)
	if diff := cmp.Diff([]string{names[1], names[3], names[4]}, listed(manifest(t, again).Files)); diff != "" {
		t.Error(diff)
	}
	receipt.Files[1] = files[1]
	if c, err = export.Confirm(sp.Dir(), cloudID, receipt); err != nil || c.Moved != 1 || c.Already != 2 || len(c.Problems) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = sp.Prune(time.Now().Add(time.Hour))
	ok(t, err)
	if c, err = export.Confirm(sp.Dir(), cloudID, receipt); err != nil || c.Moved != 0 || c.Already != 3 {
		t.Errorf("after the files are deleted: %+v, %v", c, err)
	}
	none, _ := newSpool(t, 0)
	if c, err = export.Confirm(none.Dir(), cloudID, receipt); err != nil || len(c.Problems) != 3 {
		t.Errorf("a spool without them: %+v, %v", c, err)
	}
}

// TestDecode: a manifest that Write would not have written is an error.
func TestDecode(t *testing.T) {
	sp, _ := newSpool(t, 2)
	to := t.TempDir()
	_, err := export.Write(t.Context(), sp.Dir(), cloudID, to)
	ok(t, err)
	path := filepath.Join(to, delivery.ManifestName)
	good, err := os.ReadFile(path)
	ok(t, err)
	m := manifest(t, to)
	f := m.Files[0]
	for name, change := range map[string][2]string{
		"format": {"export/1", "export/2"}, "cloudId": {cloudID, strings.ToUpper(cloudID)}, "unknown name": {`"from"`, `"frm"`},
		"a path": {f.Name, "../" + f.Name}, "another hash": {f.SHA256, m.Files[1].SHA256}, "no hash": {f.SHA256, f.SHA256[:16]},
		"size": {`"size": 6`, `"size": 0`}, "from": {`"from": "2024-03-01T00`, `"from": "2024-03-01T01`}, "order": {"2024030100-", "2024030102-"}, "cut": {"\n}", ""},
	} {
		text := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		ok(t, os.WriteFile(path, text, 0o600))
		if m, err := delivery.ReadManifest(path); err == nil || bytes.Equal(text, good) {
			t.Errorf("%s: %v %v", name, m, slices.Sorted(maps.Keys(tree(t, to))))
		}
	}
}
