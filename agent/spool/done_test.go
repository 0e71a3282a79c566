package spool_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

// later is after whatever the tests send.
func later() time.Time { return time.Now().Add(time.Hour) }

func send(t *testing.T, s *spool.Spool, h usage.Hour) {
	t.Helper()
	file := spool.Entry{Hour: h, SHA16: "982d9e3eb996f559"}.Name()
	seal(t, s, h, file, text)
	if err := s.MarkSent(file); err != nil {
		t.Fatal(err)
	}
}

func mustPrune(t *testing.T, s *spool.Spool, before time.Time, want int) {
	t.Helper()
	if n, err := s.Prune(before); n != want || err != nil {
		t.Fatalf("%d files pruned, %v; want %d", n, err, want)
	}
}

func mustHaveGaps(t *testing.T, s *spool.Spool, first usage.Hour, want ...usage.Hour) {
	t.Helper()
	got, err := s.Gaps(first, len(want))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("gaps %v, %v; want %v", got, err, want)
	}
}

func TestPruning(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	send(t, s, hour)
	send(t, s, hour+1)
	send(t, s, hour+3)
	waiting := spool.Entry{Hour: hour + 5, SHA16: "982d9e3eb996f559"}.Name()
	seal(t, s, hour+5, waiting, text)

	t.Run("keeps what was sent lately", func(t *testing.T) {
		mustPrune(t, s, time.Now().Add(-time.Hour), 0)
	})
	t.Run("deletes what was sent long ago, and nothing that was not sent", func(t *testing.T) {
		old := time.Now().Add(-24 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, "sealed", waiting), old, old); err != nil {
			t.Fatal(err)
		}
		mustPrune(t, s, later(), 3)
		mustHold(t, dir, "done.json", "sealed/"+waiting)
	})
	t.Run("is remembered, also after a restart", func(t *testing.T) {
		for _, s := range []*spool.Spool{s, open(t, dir)} {
			mustFind(t, s, hour, spool.Sent)
			mustFind(t, s, hour+2, spool.Absent)
			mustHaveGaps(t, s, hour, hour+2, hour+4, hour+6)
			mustHaveGaps(t, s, hour-1, hour-1, hour+2)
		}
	})
	t.Run("says in its file which hours those are", func(t *testing.T) {
		got, err := os.ReadFile(filepath.Join(dir, "done.json"))
		want := `{"format":"stackusage-spool-done/2","done":[["2019-12-10T19:00:00Z","2019-12-10T20:00:00Z"],["2019-12-10T22:00:00Z","2019-12-10T22:00:00Z"]],"sha256":"2ba1b1b0"}`
		if i := strings.Index(string(got), `"sha256":"`); i > 0 {
			want = want[:strings.Index(want, "2ba1")] + string(got[i+10:])
		}
		if err != nil || string(got) != want {
			t.Errorf("%s, %v", got, err)
		}
	})
	t.Run("does not delete what it cannot remember", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		send(t, s, hour)
		if err := os.Mkdir(filepath.Join(dir, "done.json"), 0o750); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prune(later()); err == nil {
			t.Error("no error")
		}
		mustHold(t, dir, "sent/"+name)
	})
}

func TestAMemoryThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	for name, content := range map[string]string{
		"torn":         `{"format":"stackusage-spool-done/2","done":[["2019-12-`,
		"empty":        "",
		"of later":     `{"format":"stackusage-spool-done/3","done":[]}`,
		"no checksum":  `{"format":"stackusage-spool-done/2","done":[]}`,
		"of earlier":   `{"format":"stackusage-spool-done/1","done":[]}`,
		"out of order": done(`[["2019-12-10T20:00:00Z","2019-12-10T19:00:00Z"]]`),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "done.json")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := spool.Open(dir)
			if err == nil || !strings.Contains(err.Error(), "read "+path+": ") || !strings.Contains(err.Error(), "remove it") {
				t.Fatalf("got %v", err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			open(t, dir) // the refusal let go of the lock
		})
	}
}

// TestABitThatFlipsClaimsNoHour: the file is refused then, or says the same.
func TestABitThatFlipsClaimsNoHour(t *testing.T) {
	runs := spool.With(spool.With(nil, hour), hour+3)
	file, err := spool.EncodeDone(runs)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range len(file) * 8 {
		flipped := bytes.Clone(file)
		flipped[i/8] ^= 1 << (i % 8)
		switch got, err := spool.DecodeDone(bytes.NewReader(flipped)); {
		case err != nil:
			refused++
		case fmt.Sprint(got) != fmt.Sprint(runs):
			t.Errorf("bit %d: %s is read as %v", i, flipped, got)
		}
	}
	if refused < len(file)*7 {
		t.Errorf("only %d of %d flips are refused", refused, len(file)*8)
	}
}

func TestAnySetOfHoursIsRemembered(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var runs spool.Runs
		want := map[usage.Hour]bool{}
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 40)).Draw(rt, "hours") {
			h := hour + usage.Hour(n)
			runs = spool.With(runs, h)
			want[h] = true
		}
		file, err := spool.EncodeDone(runs)
		if err != nil {
			rt.Fatal(err)
		}
		read, err := spool.DecodeDone(bytes.NewReader(file))
		if err != nil {
			rt.Fatal(err)
		}
		got := map[usage.Hour]bool{}
		for h := hour - 2; h < hour+45; h++ {
			if spool.Has(read, h) {
				got[h] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// done is a done.json of these runs.
func done(runs string) string {
	return fmt.Sprintf(`{"format":"stackusage-spool-done/2","done":%s,"sha256":"%x"}`, runs, sha256.Sum256([]byte(runs)))
}

// FuzzDone: what is read as a memory is what is written as one.
func FuzzDone(f *testing.F) {
	f.Add([]byte(done(`[["2019-12-10T19:00:00Z","2019-12-10T20:00:00Z"]]`)))
	f.Add([]byte(done(`null`)))
	f.Add([]byte(done(`[["2019-12-10T19:00:00+01:00"]]`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		runs, err := spool.DecodeDone(bytes.NewReader(text))
		if err != nil {
			return
		}
		written, err := spool.EncodeDone(runs)
		if err != nil {
			t.Fatal(err)
		}
		again, err := spool.DecodeDone(bytes.NewReader(written))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(runs) {
			t.Fatalf("%s became %v, %v", text, again, err)
		}
	})
}
