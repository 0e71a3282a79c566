package spool_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

var hour = hourOf("2019121019")

// text is what the tests seal, name the file's name.
const (
	text = "text"
	name = "2019121019-982d9e3eb996f559.ndjson.gz"
)

func hourOf(compact string) usage.Hour {
	h, err := usage.ParseCompactHour(compact)
	if err != nil {
		panic(err)
	}
	return h
}

// opened is the spool that was opened last over each folder.
var opened sync.Map

// open opens a folder as after a restart: what was opened there before is closed.
func open(t *testing.T, dir string) *spool.Spool {
	t.Helper()
	if before, ok := opened.LoadAndDelete(dir); ok {
		before.(*spool.Spool).Close()
	}
	s, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	opened.Store(dir, s)
	t.Cleanup(func() { s.Close() })
	return s
}

func create(t *testing.T, s *spool.Spool, hour usage.Hour, text string) *spool.File {
	t.Helper()
	f, err := s.Create(hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func seal(t *testing.T, s *spool.Spool, hour usage.Hour, name, text string) {
	t.Helper()
	if err := s.Seal(create(t, s, hour, text), name); err != nil {
		t.Fatal(err)
	}
}

func mustFind(t *testing.T, s *spool.Spool, hour usage.Hour, state spool.State, names ...string) {
	t.Helper()
	found, err := s.Find(hour)
	var got []string
	for _, e := range slices.Concat(found.Sealed, found.Sent) {
		got = append(got, e.Name())
	}
	if err != nil || found.State != state || !slices.Equal(got, names) {
		t.Errorf("hour %s is in state %d as %q, %v; want %d as %q", hour, found.State, got, err, state, names)
	}
}

// files lists the regular files below dir, but for the lock.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found := []string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path != "lock" {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func mustHold(t *testing.T, dir string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("the spool holds (-want +got)\n%s", diff)
	}
}

func TestAnHourGoesFromAbsentToSealedToSent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mustFind(t, s, hour, spool.Absent)
	seal(t, s, hour, name, "text")
	mustFind(t, s, hour, spool.Sealed, name)
	mustHold(t, dir, "sealed/"+name)

	f, err := s.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if f.Close(); err != nil || string(got) != text {
		t.Fatalf("read %q, %v", got, err)
	}
	if err := s.MarkSent(name); err != nil {
		t.Fatal(err)
	}
	mustFind(t, s, hour, spool.Sent, name)
	mustHold(t, dir, "sent/"+name)
	mustFind(t, s, hour-1, spool.Absent)

	t.Run("and stays there after a restart", func(t *testing.T) {
		mustFind(t, open(t, dir), hour, spool.Sent, name)
	})
	t.Run("from where it is neither read nor marked again", func(t *testing.T) {
		if _, err := s.Read(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("read: %v", err)
		}
		if err := s.MarkSent(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("mark: %v", err)
		}
	})
}

func TestFindTellsHoursApart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, h := range []string{"2019121018", "2019121020"} {
		seal(t, s, hour, h+"-0123456789abcdef.ndjson.gz", "")
	}
	for _, other := range []string{"2019121019", "2019121019-", "2019121019-x.ndjson.gz", "201912101-0123456789abcdef.ndjson.gz", "2019121019-0123456789ABCDEF.ndjson.gz"} {
		if err := os.WriteFile(filepath.Join(dir, "sealed", other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustFind(t, s, hour, spool.Absent)
	if entries, err := s.Sealed(); err != nil || len(entries) != 2 {
		t.Errorf("sealed: %v, %v", entries, err)
	}
}

func TestAnHourSealedAgainIsToBeUploaded(t *testing.T) {
	s := open(t, t.TempDir())
	const again = "2019121019-ffffffffffffffff.ndjson.gz"
	seal(t, s, hour, name, text)
	if err := s.MarkSent(name); err != nil {
		t.Fatal(err)
	}
	seal(t, s, hour, again, "")
	mustFind(t, s, hour, spool.Sealed, again, name)
}

func TestTheFolderMayHaveAnyName(t *testing.T) {
	for _, folder := range []string{"[a-c]", "[", "*", "a?b", `back\slash`, "with space", "ü", "%d"} {
		t.Run(folder, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), folder))
			mustFind(t, s, hour, spool.Absent)
			seal(t, s, hour, name, "")
			mustFind(t, s, hour, spool.Sealed, name)
			if err := s.MarkSent(name); err != nil {
				t.Fatal(err)
			}
			mustFind(t, s, hour, spool.Sent, name)
		})
	}
}

func TestAKillLeavesAnHourWholeOrAbsent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps func(t *testing.T, s *spool.Spool)
		state spool.State
	}{
		{"after the file is made", func(t *testing.T, s *spool.Spool) { create(t, s, hour, "") }, spool.Absent},
		{"after a part is written", func(t *testing.T, s *spool.Spool) { create(t, s, hour, "te") }, spool.Absent},
		{"after it is synced and closed", func(t *testing.T, s *spool.Spool) {
			f := create(t, s, hour, "text")
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}, spool.Absent},
		{"after it is renamed", func(t *testing.T, s *spool.Spool) { seal(t, s, hour, name, "text") }, spool.Sealed},
		{"after it is marked", func(t *testing.T, s *spool.Spool) {
			seal(t, s, hour, name, "text")
			if err := s.MarkSent(name); err != nil {
				t.Fatal(err)
			}
		}, spool.Sent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			tt.steps(t, s)
			var want []string
			if tt.state != spool.Absent {
				want = []string{name}
			}
			mustFind(t, s, hour, tt.state, want...) // a reader that does not restart
			killed := filepath.Join(t.TempDir(), "killed")
			if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			mustFind(t, open(t, killed), hour, tt.state, want...)
			switch tt.state {
			case spool.Absent:
				mustHold(t, killed)
			case spool.Sealed:
				mustHold(t, killed, "sealed/"+name)
			default:
				mustHold(t, killed, "sent/"+name)
			}
		})
	}
}

func TestOpenClearsNothingButItsOwn(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"tmp/somebody-else", "tmp/folder.unsealed/x", "else"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	create(t, open(t, dir), hour, "te")
	open(t, dir)
	mustHold(t, dir, "else", "tmp/folder.unsealed/x", "tmp/somebody-else")
}
