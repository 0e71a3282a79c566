// Package export hands hours to a person who carries them to Azure, and takes the
// receipt that an import has written.
//
//	Write     spool -> FOLDER/<hour files>, then FOLDER/manifest.json; the spool does not change
//	Confirm   receipt -> the files move from sealed/ to sent/, as after an upload
//
// Neither takes the lock of the spool: both may run beside the service, which only adds
// files while nobody uploads. A file that is uploaded meanwhile is left out.
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"stackusage/agent/durable"
	"stackusage/agent/spool"
	"stackusage/shared/delivery"
)

// Written is what Write did.
type Written struct {
	Files    int   // written
	Bytes    int64 // of these
	There    int   // in the folder already
	Manifest delivery.Manifest
	Problems []string // files that were left out: what is wrong, and what to do
}

// tempPrefix begins the name of a file that is being written.
const tempPrefix = ".stackusage-export-"

// Write writes every hour file of the spool in dir that is not uploaded to the folder
// to, and lists them in its manifest. Nothing in the folder is overwritten but the
// manifest, which keeps what it lists. A killed Write leaves the old manifest or the new
// one; the next one goes on with what is missing.
func Write(ctx context.Context, dir, cloudID, to string) (w Written, err error) {
	if inside(dir, to) {
		return w, fmt.Errorf("export to %s: this is in the spool; name a folder outside", to)
	}
	entries, err := waiting(dir)
	if err != nil {
		return w, err
	}
	path := filepath.Join(to, delivery.ManifestName)
	old, err := delivery.ReadManifest(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = delivery.Manifest{Format: delivery.ManifestFormat, CloudID: cloudID}
	case err != nil:
		return w, fmt.Errorf("%w; export to an empty folder", err)
	case old.CloudID != cloudID:
		return w, fmt.Errorf("export to %s: the folder has hours of registration %s; name another folder", to, old.CloudID)
	}
	w.Manifest = old
	if len(entries) == 0 {
		return w, nil
	}
	if err := prepare(to); err != nil {
		return w, fmt.Errorf("export to %s: %w", to, err)
	}
	sp, err := spool.Peek(dir)
	if err != nil {
		return w, err
	}
	var files []delivery.File
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return w, err
		}
		f, err := w.file(sp, e, to)
		if err != nil {
			return w, fmt.Errorf("export to %s: %w", to, err)
		}
		if f.Name != "" {
			files = append(files, f)
		}
	}
	w.Manifest.Files = slices.Clone(old.Files)
	if w.Manifest.Add(files...); len(w.Manifest.Files) == len(old.Files) {
		return w, nil
	}
	if err := writeManifest(to, w.Manifest); err != nil {
		return w, fmt.Errorf("export to %s: write the manifest: %w", to, err)
	}
	return w, nil
}

func writeManifest(to string, m delivery.Manifest) error {
	text, err := delivery.Encode(m)
	if err != nil {
		return err
	}
	f, err := create(to, delivery.ManifestName)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.Move(f.Name(), filepath.Join(to, delivery.ManifestName))
}

// create starts a file of the folder. Its mode is given here and not changed later, as
// FAT, which a stick may have, refuses that.
func create(to, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(to, tempPrefix+name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
}

// inside reports whether a folder is the spool or in it.
func inside(dir, folder string) bool {
	dir, err := filepath.Abs(dir)
	folder, err2 := filepath.Abs(folder)
	rel, err3 := filepath.Rel(dir, folder)
	return errors.Join(err, err2, err3) == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// waiting are the files that are not uploaded, those included that storage rejected.
func waiting(dir string) ([]spool.Entry, error) {
	sp, err := spool.Peek(dir)
	if err != nil {
		return nil, err
	}
	sealed, err := sp.Sealed()
	if err != nil {
		return nil, err
	}
	rejected, err := sp.Rejected()
	return append(sealed, rejected...), err
}

// prepare makes the folder, and removes what a killed export left half written.
func prepare(to string) error {
	if err := os.MkdirAll(to, 0o750); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(to, tempPrefix+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// file writes one file, unless it is in the folder. Its name is empty if it is left out.
func (w *Written) file(sp *spool.Spool, e spool.Entry, to string) (f delivery.File, err error) {
	path := filepath.Join(to, e.Name())
	sum, size, err := hash(path)
	switch {
	case err == nil && sum[:16] == e.SHA16:
		w.There++
		return delivery.File{Name: e.Name(), Size: size, SHA256: sum}, nil
	case err == nil:
		w.problem("%s has other bytes than its name says: remove it, and export again", path)
		return f, nil
	case !errors.Is(err, fs.ErrNotExist):
		return f, err
	}
	temp, err := create(to, e.Name())
	if err != nil {
		return f, err
	}
	defer os.Remove(temp.Name()) // gone if it was moved
	sum, size, err = sp.Copy(temp, e.Name())
	err = errors.Join(err, temp.Sync(), temp.Close())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil // uploaded meanwhile
	case err != nil:
		return f, err
	case sum[:16] != e.SHA16:
		w.problem("hour %s: the file %s of the spool is damaged and not exported: move it to the folder damaged, and the agent collects the hour again; look for faults of this disk", e.Hour, e.Name())
		return f, nil
	}
	w.Files++
	w.Bytes += size
	return delivery.File{Name: e.Name(), Size: size, SHA256: sum}, durable.Move(temp.Name(), path)
}

func (w *Written) problem(format string, args ...any) {
	w.Problems = append(w.Problems, fmt.Sprintf(format, args...))
}

// hash is the SHA-256 and the size of a file.
func hash(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	return delivery.Hash(f)
}

// Confirmed is what Confirm did.
type Confirmed struct {
	Moved    int      // marked as uploaded
	Already  int      // uploaded before
	Waiting  int      // files that still wait
	Problems []string // files of the receipt that were not marked: why
}

// Confirm marks the files of a receipt as uploaded, as an upload does: each only if the
// spool in dir has a file of the name with the very bytes.
func Confirm(dir, cloudID string, r delivery.Receipt) (c Confirmed, err error) {
	if r.CloudID != cloudID {
		return c, fmt.Errorf("confirm: the receipt is of registration %s, the spool of %s", r.CloudID, cloudID)
	}
	sp, err := spool.Peek(dir)
	if err != nil {
		return c, err
	}
	for _, f := range r.Files {
		if err := c.file(sp, f); err != nil {
			return c, err
		}
	}
	left, err := waiting(dir)
	c.Waiting = len(left)
	return c, err
}

func (c *Confirmed) file(sp *spool.Spool, f delivery.File) error {
	e, err := spool.ParseName(f.Name)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	sum, size, err := sp.Copy(io.Discard, f.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found, err := sp.Find(e.Hour)
		if err != nil {
			return err
		}
		// A file that was sent may be deleted by now: its hour is known then.
		if found.State != spool.Absent {
			c.Already++
		} else {
			c.Problems = append(c.Problems, fmt.Sprintf("hour %s: the spool has no file %s", e.Hour, f.Name))
		}
		return nil
	case err != nil:
		return fmt.Errorf("confirm: %w", err)
	case sum != f.SHA256 || size != f.Size:
		c.Problems = append(c.Problems, fmt.Sprintf("hour %s: the file %s of the spool has other bytes than the receipt says: it stays", e.Hour, f.Name))
		return nil
	}
	if err := sp.MarkSent(f.Name); err != nil {
		return err
	}
	c.Moved++
	return nil
}
