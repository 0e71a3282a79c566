// Command appzip packs the staged function app into the file that is deployed,
// and cleans the list of what the handler is made of.
//
//	appzip zip FOLDER FILE    files of FOLDER, sorted, all with the time SOURCE_DATE_EPOCH
//	appzip bom FILE           CycloneDX on standard input, without what differs between machines
//
// The same folder makes the same bytes, whatever its files' times and modes are
// and wherever it lies.
package main

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Getenv, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "appzip:", err)
		os.Exit(1)
	}
}

// executable is the one file that the Functions host starts.
const executable = "bin/handler"

// maxBOM bounds the list that is read, in bytes.
const maxBOM = 16 << 20

func run(args []string, getenv func(string) string, stdin io.Reader) error {
	switch {
	case len(args) == 3 && args[0] == "zip":
		seconds, err := strconv.ParseInt(getenv("SOURCE_DATE_EPOCH"), 10, 64)
		if err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH %q: set it to the commit's time in seconds, git log -1 --format=%%ct", getenv("SOURCE_DATE_EPOCH"))
		}
		return create(args[2], func(w io.Writer) error { return pack(w, os.DirFS(args[1]), time.Unix(seconds, 0).UTC()) })
	case len(args) == 2 && args[0] == "bom":
		return create(args[1], func(w io.Writer) error { return cleanBOM(w, stdin) })
	}
	return errors.New("call it as: appzip zip FOLDER FILE, or: appzip bom FILE")
}

// create writes a file whole or not at all.
func create(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // no more than an error once it has its name
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// earliest is the first time that a zip file can hold.
var earliest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes the files of an app in the order of their names. It refuses an
// app that the host could not start.
func pack(w io.Writer, app fs.FS, at time.Time) error {
	var names []string
	err := fs.WalkDir(app, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("pack %s: not a file; only files are deployed", name)
		}
		names = append(names, name)
		return nil
	})
	if err != nil {
		return err
	}
	for _, need := range []string{"host.json", executable} {
		if !slices.Contains(names, need) {
			return fmt.Errorf("pack %s: it is not there; stage the app first (make package does)", need)
		}
	}
	if at.Before(earliest) {
		at = earliest
	}
	slices.Sort(names)
	z := zip.NewWriter(w)
	for _, name := range names {
		content, err := fs.ReadFile(app, name)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at}
		h.SetMode(0o644)
		if name == executable {
			h.SetMode(0o755)
		}
		entry, err := z.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := entry.Write(content); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
	}
	return z.Close()
}

// cleanBOM takes the hashes of the tool that made a list out of it: they are of
// a program that each machine builds for itself, and say nothing of the app.
func cleanBOM(w io.Writer, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxBOM+1))
	if err != nil {
		return err
	}
	if len(text) > maxBOM {
		return fmt.Errorf("read CycloneDX: longer than %d bytes", maxBOM)
	}
	var bom map[string]any
	if err := json.Unmarshal(text, &bom); err != nil {
		return fmt.Errorf("read CycloneDX: %w", err)
	}
	if bom["bomFormat"] != "CycloneDX" {
		return fmt.Errorf("read CycloneDX: bomFormat is %v", bom["bomFormat"])
	}
	metadata, _ := bom["metadata"].(map[string]any)
	tools, _ := metadata["tools"].([]any)
	for _, tool := range tools {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(bom)
}
