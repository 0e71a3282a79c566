package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bcryptprimitives is what Go's programs need of Windows and wine 8 has not.
const bcryptprimitives = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
`

// wine runs the agent for Windows.
type wine struct {
	exe string
	env []string
}

// newWine makes an installation of Windows in a folder. Without STACKUSAGE_WINE, which
// make test-windows sets, nothing is run.
func newWine(t *testing.T) wine {
	t.Helper()
	if os.Getenv("STACKUSAGE_WINE") == "" {
		t.Skip("make test-windows runs this, with wine and a compiler for Windows")
	}
	dir := t.TempDir()
	w := wine{exe: filepath.Join(dir, "stackusage-agent.exe")}
	w.env = append(os.Environ(), "WINEPREFIX="+filepath.Join(dir, "prefix"), "WINEDEBUG=-all", "WINEARCH=win64", "ProgramData=")
	run := func(env []string, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env, cmd.Dir = env, dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	run(w.env, "wineboot", "-i")
	t.Cleanup(w.shutdown)
	must(t, os.WriteFile(filepath.Join(dir, "b.c"), []byte(bcryptprimitives), 0o600))
	run(w.env, "x86_64-w64-mingw32-gcc-win32", "-shared", "-s", "-o", filepath.Join(dir, "prefix/drive_c/windows/system32/bcryptprimitives.dll"), "b.c", "-ladvapi32")
	here, err := os.Getwd()
	must(t, err)
	dir = filepath.Dir(here)
	run(append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"), "go", "build", "-trimpath", "-o", w.exe, "./cmd/stackusage-agent")
	return w
}

// shutdown ends what runs in this installation. The next program starts it anew.
func (w wine) shutdown() {
	cmd := exec.Command("wineserver", "-k")
	cmd.Env = w.env
	cmd.Run()
}

// windows is a path as wine shows it to programs.
func windows(path string) string { return `Z:` + strings.ReplaceAll(path, "/", `\`) }

// noise is what Debian's wine says of itself.
var noise = regexp.MustCompile(`(?s)it looks like wine32 is missing.*?wine32:i386"\r?\n`)

// call runs a program under wine.
func (w wine) call(t *testing.T, s *agentSite, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := w.command(s, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.ReplaceAll(out.String(), "\r", ""), noise.ReplaceAllString(errs.String(), "")
}

func (w wine) command(s *agentSite, args ...string) *exec.Cmd {
	cmd := exec.Command("wine", args...)
	cmd.Env = append(append([]string{}, s.env...), w.env[len(os.Environ()):]...)
	return cmd
}

// agent runs a command with the site's configuration.
func (w wine) agent(t *testing.T, s *agentSite, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	words := append(append([]string{w.exe}, strings.Fields(name)...), "--config", windows(filepath.Join(s.dir, "config.yaml")))
	return w.call(t, s, append(words, args...)...)
}

// windowsSite is a site whose configuration names files as Windows does.
func windowsSite(t *testing.T, hours int, spool, spoolKeys string) *agentSite {
	t.Helper()
	s := newAgentSite(t, hours, "  maxCatchUp: 10000\n  jitter: 0s", spoolKeys)
	own := filepath.Join(s.dir, spool)
	text := strings.ReplaceAll(s.description, s.ca, "'"+windows(s.ca)+"'")
	text = strings.Replace(text, "dir: "+filepath.Dir(s.spool), "dir: '"+windows(own)+"'", 1)
	s.spool, s.description = filepath.Join(own, cloudID), text
	s.file(t, "config.yaml", text)
	return s
}

// TestTheAgentOnWindows runs the program for Windows under wine, against a stack, an
// issuer and a storage that it signs in to over TLS.
func TestTheAgentOnWindows(t *testing.T) {
	w := newWine(t)
	const hours = 30
	mustLand := func(t *testing.T, s *agentSite, hours int) {
		t.Helper()
		landed := s.landed(t) // compares the rows byte for byte
		for at, n := range landed {
			if n != 1 {
				t.Errorf("hour %s landed %d times", at, n)
			}
		}
		if len(landed) != hours {
			t.Errorf("%d hours landed, want %d", len(landed), hours)
		}
	}
	t.Run("commands, from a spool with spaces and umlauts in its path", func(t *testing.T) {
		s := windowsSite(t, hours, "Spül ordner Ж", "")
		if code, out, errs := w.agent(t, s, "config check"); code != 0 || !strings.Contains(out, " is valid") {
			t.Fatalf("config check: %d\n%s%s", code, out, errs)
		}
		outcomes := func(code int, out, errs string) map[string]string {
			t.Helper()
			var got struct {
				Checks []struct{ Check, Outcome, Cause string }
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil || code == 1 {
				t.Fatalf("doctor: %d, %v\n%s%s", code, err, out, errs)
			}
			found := map[string]string{}
			for _, c := range got.Checks {
				found[c.Check] = c.Outcome + " " + c.Cause
			}
			return found
		}
		linux := newAgentSite(t, 1, "", "")
		if diff := cmp.Diff(outcomes(linux.agent(t, "doctor", "--json")), outcomes(w.agent(t, s, "doctor", "--json"))); diff != "" {
			t.Errorf("doctor (-Linux +Windows)\n%s", diff)
		}
		if code, out, errs := w.agent(t, s, "once"); code != 0 || !strings.Contains(out, strconv.Itoa(hours)+" hours collected") {
			t.Errorf("once: %d\n%s%s", code, out, errs)
		}
		mustLand(t, s, hours)
		if code, out, errs := w.agent(t, s, "status"); code != 0 || !strings.Contains(out, "nothing") {
			t.Errorf("status: %d\n%s%s", code, out, errs)
		}
	})
	t.Run("two at once", func(t *testing.T) {
		s := windowsSite(t, 2, "spool", "")
		first := w.command(s, w.exe, "run", "--config", windows(filepath.Join(s.dir, "config.yaml")))
		must(t, first.Start())
		defer w.kill(t, s, first)
		until(t, func() bool { _, err := os.Stat(filepath.Join(s.spool, "status.json")); return err == nil })
		if code, _, errs := w.agent(t, s, "once"); code != 1 || !regexp.MustCompile(`is used by the agent with pid \d+: stop that one first`).MatchString(errs) {
			t.Errorf("%d\n%s", code, errs)
		}
		if code, out, errs := w.agent(t, s, "status"); code != 0 {
			t.Errorf("status beside it: %d\n%s%s", code, out, errs)
		}
	})
	t.Run("killed in every phase", func(t *testing.T) {
		const many, trials = 1500, 25
		s := windowsSite(t, many, "spool", "  keepSent: 0s")
		rng := rand.New(rand.NewPCG(12, 1))
		found := map[string]int{}
		for range trials {
			cmd := w.command(s, w.exe, "run", "--config", windows(filepath.Join(s.dir, "config.yaml")))
			must(t, cmd.Start())
			time.Sleep(time.Second + time.Duration(rng.IntN(1500))*time.Millisecond)
			w.kill(t, s, cmd)
			s.look(t, found)
		}
		if code, out, errs := w.agent(t, s, "once"); code != 0 {
			t.Errorf("%d\n%s%s", code, out, errs)
		}
		mustLand(t, s, many)
		for _, what := range []string{"sealed", "sent", "done.json"} {
			if found[what] == 0 {
				t.Errorf("no kill left anything in %s: %v", what, found)
			}
		}
	})
	t.Run("a disk that is full, and a folder that is none", func(t *testing.T) {
		s := windowsSite(t, 2, "spool", "")
		full := strings.Replace(s.description, "minFree: 1MiB", "minFree: 9000TiB", 1)
		s.file(t, "config.yaml", full)
		if code, _, errs := w.agent(t, s, "once"); code != 2 || !strings.Contains(errs, "is full: the disk has ") {
			t.Errorf("%d\n%s", code, errs)
		}
		s.file(t, "config.yaml", s.description)
		must(t, os.RemoveAll(filepath.Dir(s.spool)))
		must(t, os.WriteFile(filepath.Dir(s.spool), nil, 0o600))
		if code, _, errs := w.agent(t, s, "once"); code != 1 || !strings.Contains(errs, "open spool") {
			t.Errorf("%d\n%s", code, errs)
		}
	})
	t.Run("a disk that is read-only", func(t *testing.T) {
		s := windowsSite(t, 2, "spool", "")
		must(t, os.MkdirAll(filepath.Dir(s.spool), 0o700))
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", filepath.Dir(s.spool)).CombinedOutput(); err != nil {
			t.Skipf("mount: %v\n%s", err, out)
		}
		t.Cleanup(func() { exec.Command("umount", filepath.Dir(s.spool)).Run() })
		if code, _, errs := w.agent(t, s, "once"); code != 1 || !strings.Contains(errs, "open spool") {
			t.Errorf("%d\n%s", code, errs)
		}
		if code, out, _ := w.agent(t, s, "doctor"); code != 2 || !strings.Contains(out, "spool folder              FAILED") {
			t.Errorf("doctor: %d\n%s", code, out)
		}
	})
	t.Run("the service, and its log", func(t *testing.T) {
		s := windowsSite(t, 2, "spool", "")
		// A service has the machine's variables, not those of who starts it.
		for _, variable := range s.env[len(s.env)-2:] {
			name, value, _ := strings.Cut(variable, "=")
			if code, out, errs := w.call(t, s, "reg", "add", `HKLM\System\CurrentControlSet\Control\Session Manager\Environment`, "/v", name, "/d", value, "/f"); code != 0 {
				t.Fatalf("reg add: %d\n%s%s", code, out, errs)
			}
		}
		w.shutdown()
		log := filepath.Join(s.dir, "logs", "agent.log")
		t.Cleanup(func() {
			if text, _ := os.ReadFile(log); t.Failed() {
				t.Logf("%.2000s", text)
			}
		})
		must(t, os.MkdirAll(filepath.Dir(log), 0o700))
		must(t, os.WriteFile(log, bytes.Repeat([]byte("old\n"), 20<<18), 0o600)) // 20 MB: the next line begins a file
		if code, out, errs := w.agent(t, s, "service install"); code != 0 {
			t.Fatalf("%d\n%s%s", code, out, errs)
		}
		if code, _, errs := w.agent(t, s, "service install"); code != 1 || !strings.Contains(errs, "is installed already") {
			t.Errorf("twice: %d\n%s", code, errs)
		}
		w.call(t, s, "net", "start", "stackusage-agent") // wine starts anew with each program, and it with wine
		until(t, func() bool { return len(s.landed(t)) == 2 })
		if code, out, errs := w.call(t, s, "net", "stop", "stackusage-agent"); code != 0 {
			t.Errorf("net stop: %d\n%s%s", code, out, errs)
		}
		until(t, func() bool {
			text, err := os.ReadFile(log)
			return err == nil && len(text) < 1<<20 && bytes.Contains(text, []byte("agent stopped"))
		})
		if old, err := filepath.Glob(filepath.Join(s.dir, "logs", "agent-*.log")); err != nil || len(old) != 1 {
			t.Errorf("older logs are %v, %v", old, err)
		}
		if code, out, errs := w.agent(t, s, "service uninstall"); code != 0 {
			t.Errorf("%d\n%s%s", code, out, errs)
		}
		mustLand(t, s, 2)
	})
}

// kill ends the agent as the end of a process does: wine's own is a Unix process.
func (w wine) kill(t *testing.T, s *agentSite, cmd *exec.Cmd) {
	t.Helper()
	must(t, cmd.Process.Kill())
	cmd.Wait()
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within a minute")
		}
	}
}
