// Package agent_test builds what an operator installs, and installs it.
package agent_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// epoch is 2023-11-14T22:13:20Z.
const epoch = "1700000000"

func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the agent for two systems, twice")
	}
	dist := build(t)
	deb := only(t, filepath.Join(dist, "stackusage-agent_*_amd64.deb"))
	root := t.TempDir()
	t.Run("the same tree makes the same bytes", func(t *testing.T) {
		other := build(t)
		for _, name := range []string{"stackusage-agent", "stackusage-agent.exe", filepath.Base(deb)} {
			if !bytes.Equal(read(t, filepath.Join(dist, name)), read(t, filepath.Join(other, name))) {
				t.Errorf("%s differs", name)
			}
		}
	})
	t.Run("the programs are for their systems and need no library", func(t *testing.T) {
		if head := read(t, filepath.Join(dist, "stackusage-agent.exe")); !bytes.HasPrefix(head, []byte("MZ")) {
			t.Error("no Windows program")
		}
		program := read(t, filepath.Join(dist, "stackusage-agent"))
		if !bytes.HasPrefix(program, []byte("\x7fELF")) || bytes.Contains(program, []byte("/lib64/ld-linux")) {
			t.Error("no static Linux program")
		}
	})
	t.Run("the package holds", func(t *testing.T) {
		got := list(t, deb)
		if diff := cmp.Diff([]string{
			"drwxr-xr-x root/root 2023-11-14 ./etc/",
			"drwxr-xr-x root/root 2023-11-14 ./etc/stackusage-agent/",
			"drwxr-x--- root/root 2023-11-14 ./etc/stackusage-agent/secrets/",
			"-rwxr-xr-x root/root 2023-11-14 ./usr/bin/stackusage-agent",
			"-rw-r--r-- root/root 2023-11-14 ./usr/lib/systemd/system/stackusage-agent.service",
			"-rw-r--r-- root/root 2023-11-14 ./usr/lib/sysusers.d/stackusage-agent.conf",
			"-rw-r--r-- root/root 2023-11-14 ./usr/share/doc/stackusage-agent/agent.md",
			"-rw-r--r-- root/root 2023-11-14 ./usr/share/doc/stackusage-agent/config.sample.yaml",
		}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		info := command(t, "dpkg-deb", "-I", deb)
		for _, want := range []string{"Package: stackusage-agent\n", "Architecture: amd64\n", "Depends: ca-certificates\n", " postinst ", " prerm ", " postrm "} {
			if !strings.Contains(info, want) {
				t.Errorf("no %q in\n%s", want, info)
			}
		}
	})
	t.Run("it is installed and runs", func(t *testing.T) {
		install(t, root, deb)
		version := command(t, filepath.Join(root, "usr/bin/stackusage-agent"), "version")
		_, number, _ := strings.Cut(strings.TrimSuffix(filepath.Base(deb), "_amd64.deb"), "_")
		if !strings.HasPrefix(version, "stackusage-agent "+number+" (") {
			t.Errorf("%s says %s", filepath.Base(deb), version)
		}
		sample := command(t, filepath.Join(root, "usr/bin/stackusage-agent"), "config", "sample")
		if diff := cmp.Diff(sample, string(read(t, filepath.Join(root, "usr/share/doc/stackusage-agent/config.sample.yaml")))); diff != "" {
			t.Errorf("the sample is of another version (-program +file)\n%s", diff)
		}
	})
	t.Run("the service's group may read secrets, also of an earlier version", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("dpkg needs root")
		}
		need(t, "systemd-sysusers")
		secret := filepath.Join(root, "etc/stackusage-agent/secrets/stack-client-secret")
		if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, "dpkg", append(dpkgFlags(root), "--install", deb)...) // as an upgrade does
		group := regexp.MustCompile(`(?m)^stackusage-agent:[^:]*:(\d+):`).FindStringSubmatch(string(read(t, filepath.Join(root, "etc/group"))))
		if group == nil {
			t.Fatal("there is no group")
		}
		for name, want := range map[string]string{"etc/stackusage-agent/secrets": "2750", "etc/stackusage-agent/secrets/stack-client-secret": "640"} {
			if got := command(t, "stat", "-c", "%a %g", filepath.Join(root, name)); got != want+" "+group[1]+"\n" {
				t.Errorf("%s is %s", name, got)
			}
		}
		os.Remove(secret)
	})
	t.Run("the unit", func(t *testing.T) { checkUnit(t, root) })
	t.Run("it runs without a stack, and ends when it is told to", func(t *testing.T) { checkRun(t, root) })
	t.Run("not even purge takes configuration or usage", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("dpkg needs root")
		}
		for _, name := range []string{"etc/stackusage-agent/config.yaml", "var/lib/stackusage-agent/spool/hour"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command(t, "dpkg", append(dpkgFlags(root), "--purge", "stackusage-agent")...)
		if _, err := os.Stat(filepath.Join(root, "usr/bin/stackusage-agent")); !os.IsNotExist(err) {
			t.Errorf("the program is still there: %v", err)
		}
		read(t, filepath.Join(root, "etc/stackusage-agent/config.yaml"))
		read(t, filepath.Join(root, "var/lib/stackusage-agent/spool/hour"))
	})
}

// checkUnit has systemd's own tool judge the unit. Where the tool is not
// installed nothing is checked.
func checkUnit(t *testing.T, root string) {
	need(t, "systemd-analyze")
	text := read(t, filepath.Join(root, "usr/lib/systemd/system/stackusage-agent.service"))
	unit := filepath.Join(t.TempDir(), "stackusage-agent.service")
	installed := bytes.ReplaceAll(text, []byte("ExecStart=/"), []byte("ExecStart="+root+"/"))
	if err := os.WriteFile(unit, installed, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "systemd-analyze", "verify", unit); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	help := command(t, "systemd-analyze", "--help")
	if !strings.Contains(help, "--offline") {
		t.Skip("this systemd-analyze cannot judge a unit that is not loaded")
	}
	// 1.2 of 10, when this was written: the network is open.
	command(t, "systemd-analyze", "security", "--offline=true", "--threshold=15", unit)
}

func build(t *testing.T) (dist string) {
	t.Helper()
	dist = t.TempDir()
	cmd := exec.Command("make", "package-agent", "DIST="+dist)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make package-agent: %v\n%s", err, out)
	}
	return dist
}

var listed = regexp.MustCompile(`(?m)^(\S+) (\S+) +\d+ (\S+) \S+ (\S+)$`)

// list is what dpkg-deb shows of each file and of our own folders.
func list(t *testing.T, deb string) (lines []string) {
	t.Helper()
	need(t, "dpkg-deb")
	for _, m := range listed.FindAllStringSubmatch(command(t, "dpkg-deb", "-c", deb), -1) {
		if !strings.HasPrefix(m[4], "./usr/") || !strings.HasSuffix(m[4], "/") {
			lines = append(lines, strings.Join(m[1:], " "))
		}
	}
	return lines
}

func dpkgFlags(root string) []string {
	return []string{"--root=" + root, "--force-depends", "--force-script-chrootless"}
}

// install lets dpkg do it, with its scripts, into a folder; where that needs
// another user, the files alone are unpacked.
func install(t *testing.T, root, deb string) {
	t.Helper()
	if os.Geteuid() != 0 {
		command(t, "dpkg-deb", "-x", deb, root)
		return
	}
	for _, dir := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "dpkg", append(dpkgFlags(root), "--install", deb)...)
}

func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	need(t, name)
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names[0]
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
