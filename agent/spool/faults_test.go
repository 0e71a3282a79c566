package spool_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"stackusage/agent/spool"
)

// TestMain is, in a process that a test starts, an agent that holds a folder
// until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_HOLD"); dir != "" {
		s, err := spool.Open(dir)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		for {
			time.Sleep(time.Hour)
			runtime.KeepAlive(s) // or its lock would go with what the garbage collector takes
		}
	}
	os.Exit(m.Run())
}

func TestTwoAgentsOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	first := exec.Command(os.Args[0])
	first.Env = append(os.Environ(), "SPOOL_TEST_HOLD="+dir)
	out, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer first.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the first agent says %q, %v", line, err)
	}
	t.Run("the second refuses and names the first", func(t *testing.T) {
		_, err := spool.Open(dir)
		var locked *spool.LockedError
		if !errors.As(err, &locked) || locked.PID != first.Process.Pid || locked.Dir != dir {
			t.Fatalf("got %v; the first has pid %d", err, first.Process.Pid)
		}
		if want := fmt.Sprintf("open spool: %s is used by the agent with pid %d: stop that one first", dir, locked.PID); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %q", err)
		}
	})
	t.Run("a refusal touches nothing", func(t *testing.T) {
		path := filepath.Join(dir, "tmp", "2019121019-1.unsealed")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := spool.Open(dir); err == nil {
			t.Fatal("accepted")
		}
		mustHold(t, dir, "tmp/2019121019-1.unsealed")
	})
	t.Run("after kill -9 of the first it is free", func(t *testing.T) {
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		first.Wait()
		open(t, dir)
		mustHold(t, dir)
	})
}

var unlimited = spool.Limits{MaxBytes: -1, MinFree: -1}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name, bound, says string
		limits            spool.Limits
	}{
		{"of bytes", "MaxBytes", "1 hour files with 4 bytes wait to be uploaded, the limit is 4 bytes (MaxBytes)", spool.Limits{MaxBytes: 4, MinFree: -1}},
		{"of bytes, by hand", "MaxBytes", "run stackusage-agent export --to FOLDER, import the folder where Azure can be reached, and confirm the receipt, or raise MaxBytes", spool.Limits{MaxBytes: 4, MinFree: -1, ByHand: true}},
		{"of free space", "MinFree", "the least is 4398046511104 MiB (MinFree)", spool.Limits{MaxBytes: -1, MinFree: 1 << 62}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			s.Limits = unlimited
			seal(t, s, hour, name, text)
			old := time.Now().Add(-2 * time.Hour)
			if err := os.Chtimes(filepath.Join(dir, "sealed", name), old, old); err != nil {
				t.Fatal(err)
			}
			s.Limits = tt.limits
			_, err := s.Create(hour + 1)
			var full *spool.FullError
			if !errors.As(err, &full) || !errors.Is(err, spool.ErrFull) || full.Bound != tt.bound {
				t.Fatalf("got %v", err)
			}
			for _, want := range []string{"start file of hour 2019-12-10T20:00Z: spool " + dir + " is full: ", tt.says, "nothing more is collected", "nothing is deleted"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			mustHold(t, dir, "sealed/"+name)
			t.Run("do not stop the uploading, after which collecting goes on", func(t *testing.T) {
				f, err := s.Read(name)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				if err := s.MarkSent(name); err != nil {
					t.Fatal(err)
				}
				if tt.bound == "MinFree" {
					s.Limits = unlimited
				}
				s.Discard(create(t, s, hour+1, text))
			})
		})
	}
	t.Run("that are not reached", func(t *testing.T) {
		s := open(t, t.TempDir())
		s.Limits = spool.Limits{MaxBytes: 5, MinFree: 1}
		seal(t, s, hour, name, text)
		s.Discard(create(t, s, hour+1, text))
	})
}

func TestATornFileIsSetAside(t *testing.T) {
	for what, tear := range map[string]func(path string) error{
		"cut short":  func(path string) error { return os.Truncate(path, 2) },
		"emptied":    func(path string) error { return os.Truncate(path, 0) },
		"overlapped": func(path string) error { return os.WriteFile(path, []byte("tExt"), 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			for n := range 2 { // the second one of the same name does not replace the first
				seal(t, s, hour, name, text)
				if err := tear(filepath.Join(dir, "sealed", name)); err != nil {
					t.Fatal(err)
				}
				_, err := s.Read(name)
				var torn *spool.DamagedError
				if !errors.As(err, &torn) || torn.Name != name || !strings.Contains(err.Error(), torn.Aside) {
					t.Fatalf("got %v", err)
				}
				mustFind(t, s, hour, spool.Absent)
				if got, err := s.Damaged(); got != n+1 || err != nil {
					t.Errorf("%d damaged files, %v", got, err)
				}
			}
			mustHold(t, dir, "damaged/"+name, "damaged/"+name+".1")
			mustHaveGaps(t, s, hour, hour, hour+1)
		})
	}
}

func TestAReadOnlyFolderOfARunningAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir)
	seal(t, s, hour, name, text)
	for _, sub := range []string{"", "tmp", "sealed", "sent"} {
		path := filepath.Join(dir, sub)
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(path, 0o755)
	}
	if err := os.Chmod(filepath.Join(dir, "sealed", name), 0o444); err != nil {
		t.Fatal(err)
	}
	asOrdinaryUser(t, dir, func() {
		_, create := s.Create(hour + 1)
		for what, err := range map[string]error{"create": create, "keep": s.Keep("note", nil), "mark": s.MarkSent(name)} {
			if !errors.Is(err, os.ErrPermission) || errors.Is(err, spool.ErrFull) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v", what, err)
			}
		}
		f, err := s.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		mustFind(t, s, hour, spool.Sealed, name)
	})
}
