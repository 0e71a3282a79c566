package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func epoch(string) string { return "1700000000" }

func TestPack(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	app := func(mode os.FileMode, modified time.Time) fstest.MapFS {
		return fstest.MapFS{
			"bin/handler":         {Data: []byte("program"), Mode: mode, ModTime: modified},
			"Sweep/function.json": {Data: []byte("{}"), Mode: mode, ModTime: modified},
			"host.json":           {Data: []byte("{}"), Mode: mode, ModTime: modified},
		}
	}
	packed := func(fs fstest.MapFS, at time.Time) []byte {
		var b bytes.Buffer
		if err := pack(&b, fs, at); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	t.Run("modes and times of the files change nothing", func(t *testing.T) {
		if !bytes.Equal(packed(app(0o600, at), at), packed(app(0o777, at.Add(time.Hour)), at)) {
			t.Error("differ")
		}
	})
	t.Run("a time before zip files is the first they have", func(t *testing.T) {
		b := packed(app(0o600, at), time.Unix(0, 0))
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil || !z.File[0].Modified.Equal(earliest) {
			t.Errorf("%v", err)
		}
	})
	for name, change := range map[string]func(fstest.MapFS){
		"pack host.json: it is not there":   func(fs fstest.MapFS) { delete(fs, "host.json") },
		"pack bin/handler: it is not there": func(fs fstest.MapFS) { delete(fs, "bin/handler") },
		"pack link: not a file":             func(fs fstest.MapFS) { fs["link"] = &fstest.MapFile{Mode: os.ModeSymlink} },
	} {
		t.Run(name, func(t *testing.T) {
			fs := app(0o600, at)
			change(fs)
			if err := pack(io.Discard, fs, at); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	bom := filepath.Join(dir, "app.cdx.json")
	t.Run("the tool's own hashes go, the rest stays", func(t *testing.T) {
		in := `{"bomFormat":"CycloneDX","metadata":{"tools":[{"name":"t","hashes":[{"alg":"MD5"}]}]},"components":[{"name":"a&b","hashes":[1]}]}`
		if err := run([]string{"bom", bom}, epoch, strings.NewReader(in)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(bom)
		if err != nil || strings.Contains(string(text), "MD5") || !strings.Contains(string(text), `"a&b"`) || strings.Count(string(text), "hashes") != 1 {
			t.Errorf("%s %v", text, err)
		}
	})
	for name, tc := range map[string]struct {
		args   []string
		getenv func(string) string
		in     string
		want   string
	}{
		"no arguments":         {nil, epoch, "", "call it as: appzip zip FOLDER FILE"},
		"no time":              {[]string{"zip", dir, filepath.Join(dir, "x.zip")}, func(string) string { return "" }, "", "SOURCE_DATE_EPOCH"},
		"an empty folder":      {[]string{"zip", t.TempDir(), filepath.Join(dir, "x.zip")}, epoch, "", "host.json: it is not there"},
		"no list":              {[]string{"bom", bom}, epoch, "", "read CycloneDX"},
		"another list":         {[]string{"bom", bom}, epoch, `{"spdxVersion":"2.3"}`, "bomFormat is <nil>"},
		"a list without end":   {[]string{"bom", bom}, epoch, strings.Repeat(" ", maxBOM+1), "longer than"},
		"a folder that is not": {[]string{"bom", filepath.Join(dir, "nowhere", "x")}, epoch, "{}", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(tc.args, tc.getenv, strings.NewReader(tc.in)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("what failed leaves nothing", func(t *testing.T) {
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != 1 {
			t.Errorf("%v %v", names, err)
		}
	})
}

func FuzzCleanBOM(f *testing.F) {
	f.Add([]byte(`{"bomFormat":"CycloneDX","metadata":{"tools":[{"hashes":[]},1]},"components":[]}`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","metadata":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out, again bytes.Buffer
		if cleanBOM(&out, bytes.NewReader(text)) != nil {
			return
		}
		first := out.String()
		if err := cleanBOM(&again, &out); err != nil || again.String() != first {
			t.Errorf("cleaned twice: %v\n%s\n%s", err, first, &again)
		}
	})
}
