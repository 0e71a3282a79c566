package test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/functions"
	"stackusage/internal/devstack/functionhost"
)

// makePackage calls make package as somebody with another umask and environment
// does.
func makePackage(t *testing.T, umask, arch string, env ...string) (dist string) {
	t.Helper()
	dist = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "umask "+umask+" && exec make package DIST="+dist+" ARCH="+arch+" SOURCE_DATE_EPOCH=1700000000 COMMIT=0123456789abcdef")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make package: %v\n%s", err, out)
	}
	return dist
}

func readAll(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	return text
}

func TestPackage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the handler for two systems")
	}
	dist := makePackage(t, "022", "amd64", "TZ=UTC")
	t.Run("the same tree makes the same bytes, whenever and wherever it lies, whatever who builds has set", func(t *testing.T) {
		must(t, os.Chtimes(filepath.Join("..", "host.json"), time.Time{}, time.Now()))
		other := makePackage(t, "077", "amd64", "TZ=Asia/Tokyo", "GOFLAGS=-tags=movedclock", "GOAMD64=v3", "GOFIPS140=latest", "GOOS=windows", "GOARCH=arm64")
		for _, name := range []string{"app.zip", "app.cdx.json"} {
			if !bytes.Equal(readAll(t, filepath.Join(dist, name)), readAll(t, filepath.Join(other, name))) {
				t.Errorf("%s differs", name)
			}
		}
	})
	t.Run("it holds what the host needs, and nothing else", func(t *testing.T) {
		want := map[string]fs.FileMode{"host.json": 0o644, "bin/handler": 0o755}
		all, err := functions.All()
		must(t, err)
		for _, f := range all {
			want[f.Name+"/function.json"] = 0o644
		}
		got := map[string]fs.FileMode{}
		var names []string
		for _, f := range open(t, filepath.Join(dist, "app.zip")).File {
			got[f.Name] = f.Mode()
			names = append(names, f.Name)
			if at := f.Modified.UTC(); !at.Equal(time.Unix(1700000000, 0)) {
				t.Errorf("%s is of %s", f.Name, at)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(names) {
			t.Errorf("sorted: %v (-want +got)\n%s", slices.IsSorted(names), diff)
		}
	})
	t.Run("the list names every module of the handler", func(t *testing.T) { checkBOM(t, dist, "app", "amd64") })
	t.Run("there is one for arm64", func(t *testing.T) {
		checkBOM(t, makePackage(t, "022", "arm64"), "app-arm64", "arm64")
	})
	t.Run("unpacked where nothing may be written, it works from the container to the receipt", func(t *testing.T) {
		app := unpack(t, filepath.Join(dist, "app.zip"))
		before := snapshot(t, app)
		s := newAppSite(t)
		s.startHost(t, functionhost.Options{AppDir: app, Key: "smoke-key"})
		s.announceByKey(t)
		code, out, errs := s.tool(t, []string{"STACKUSAGE_FUNCTION_KEY=smoke-key"}, "smoke-test", "--app-url", s.host.URL(), "--subscription", payer, "--wait", "2m")
		if code != 0 || errs != "" {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
		if diff := cmp.Diff(before, snapshot(t, app)); diff != "" {
			t.Errorf("the app's folder (-before +after)\n%s", diff)
		}
	})
}

// makeWith calls make package, or says what it would do, with another program in
// place of one of the system's.
func makeWith(t *testing.T, program, text string, args ...string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"+text), 0o755))
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"package", "DIST=" + t.TempDir()}, args...)...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPackageSays: a package says what it is made of, or is not made.
func TestPackageSays(t *testing.T) {
	t.Parallel()
	const git = `case "$*" in log*) echo 1700000000;; describe*) echo 0123456789abcdef;; status*) echo "?? cmd/handler/extra.go";; esac`
	for name, tc := range map[string]struct{ git, version string }{
		"a file that git does not know is a change": {git, "-version 0123456789abcdef-dirty "},
		"a clean tree is its commit":                {strings.Replace(git, "?? cmd/handler/extra.go", "", 1), "-version 0123456789abcdef "},
		"without git it is unknown":                 {"exit 128", "-version unknown "},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := makeWith(t, "git", tc.git, "-n"); err != nil || !strings.Contains(out, tc.version) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("a function that cannot be copied is not left out", func(t *testing.T) {
		if out, err := makeWith(t, "cp", `case "$1" in *CloseDay*) exit 1;; esac; exec /bin/cp "$@"`); err == nil || strings.Contains(out, "go build") {
			t.Errorf("it went on: %v\n%s", err, out)
		}
	})
}

// payer is the Azure subscription that registrations are charged to.
const payer = "2f1c7c36-51b7-4b6f-9c0b-6a8f3f6d2a10"

func open(t *testing.T, name string) *zip.ReadCloser {
	t.Helper()
	z, err := zip.OpenReader(name)
	must(t, err)
	t.Cleanup(func() { z.Close() })
	return z
}

// checkBOM compares the list beside a package with what Go wrote into its handler.
func checkBOM(t *testing.T, dist, name, arch string) {
	t.Helper()
	f, err := open(t, filepath.Join(dist, name+".zip")).Open("bin/handler")
	must(t, err)
	defer f.Close()
	program, err := io.ReadAll(f)
	must(t, err)
	image, err := elf.NewFile(bytes.NewReader(program))
	must(t, err)
	libraries, err := image.ImportedLibraries()
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if err != nil || len(libraries) > 0 || image.Machine != machine || image.Section(".interp") != nil {
		t.Errorf("not a static program for linux/%s: %s, libraries %v, %v", arch, image.Machine, libraries, err)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	must(t, err)
	want := map[string]string{"std": info.GoVersion}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		want[m.Path] = m.Version
	}
	var bom struct {
		BOMFormat, SerialNumber string
		Metadata                struct {
			Timestamp string
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	must(t, json.Unmarshal(readAll(t, filepath.Join(dist, name+".cdx.json")), &bom))
	got := map[string]string{}
	for _, c := range bom.Components {
		got[c.Name] = c.Version
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-handler +list)\n%s", diff)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SerialNumber != "" || bom.Metadata.Timestamp != "" ||
		bom.Metadata.Component.Name != "stackusage" || bom.Metadata.Component.Version != "0123456789abcdef" {
		t.Errorf("got %+v", bom)
	}
}

// unpack makes the app's folder as the platform mounts it: read-only.
func unpack(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range open(t, name).File {
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		must(t, os.MkdirAll(filepath.Dir(to), 0o755))
		r, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(to, text, f.Mode().Perm()&^0o222))
	}
	chmod := func(mode fs.FileMode) {
		must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(name, mode)
			}
			return err
		}))
	}
	chmod(0o555)
	t.Cleanup(func() { chmod(0o755) }) // or it could not be removed
	return dir
}

// snapshot tells whether anything was written: who is root may write anywhere.
func snapshot(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	files := map[string][sha256.Size]byte{}
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path.Clean(name)] = sha256.Sum256(readAll(t, filepath.Join(dir, name)))
		} else if err == nil {
			files[name+"/"] = [sha256.Size]byte{}
		}
		return err
	}))
	return files
}
