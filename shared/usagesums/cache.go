package usagesums

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
	"sync"
	"time"

	"stackusage/shared/usagelines"
)

// Env is the variable that names the folder of the cache; the default is
// stackusage/usage-sums in the user's folder of caches.
const Env = "STACKUSAGE_CACHE"

// Bounds of a folder.
const (
	maxCache   = 1 << 30 // bytes; the files that were not used for longest go first
	suffix     = ".sums"
	tempSuffix = ".tmp"
	tempAge    = time.Hour // a temporary file that is older is of an interrupted process
	touchAfter = time.Hour // how exactly the last use is known
)

// Cache is a folder of day sums, which may be deleted at any time. It is safe for
// concurrent use, also by several processes. Of a nil one nothing is cached.
type Cache struct {
	dir   string
	max   int64
	prune sync.Mutex
}

// Open makes the folder that Env names, or the default one, and tries to write to it.
// Reports work without a cache too: a caller that gets an error says so once.
func Open(getenv func(string) string) (*Cache, error) {
	dir := getenv(Env)
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("open cache of usage sums: %w; %s names a folder for it", err, Env)
		}
		dir = filepath.Join(caches, "stackusage", "usage-sums")
	}
	c, err := In(dir, maxCache)
	if err != nil {
		return nil, fmt.Errorf("open cache of usage sums: %w; %s names another folder", err, Env)
	}
	return c, nil
}

// In is the cache of a folder, with at most so many bytes. It is tried whether files can
// be written to it.
func In(dir string, bytes int64) (*Cache, error) {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, "open.*"+tempSuffix); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		return nil, err
	}
	return &Cache{dir: dir, max: bytes}, nil
}

// Find opens the sums of a day, if they are in the cache and still those of its lines.
// Final reports whether they can be: each record of the last revision has its outcome.
func (c *Cache) Find(ctx context.Context, day *usagelines.Day) (found *Day, final bool, err error) {
	if c == nil {
		return nil, false, nil
	}
	cached, err := c.open(day)
	if err != nil {
		_, final, err = day.Basis(ctx, nil)
		return nil, final, err
	}
	basis, final, err := day.Basis(ctx, cached.from)
	if err != nil || !final || basis != cached.basis || cached.CloudID != day.CloudID || cached.Day != day.Day {
		return nil, final, errors.Join(err, cached.Close())
	}
	return cached, true, nil
}

// path is where a day's sums are: named by its daily file.
func (c *Cache) path(day *usagelines.Day) string {
	return filepath.Join(c.dir, filepath.Base(day.Revision.SHA256)+suffix)
}

// open opens what is in the cache, whatever it is of. A file that is damaged or of
// another version is as good as none.
func (c *Cache) open(day *usagelines.Day) (*Day, error) {
	f, err := os.Open(c.path(day))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var cached *Day
		if cached, err = decode(f, f.Name(), info.Size()); err == nil {
			if now := time.Now(); now.Sub(info.ModTime()) > touchAfter {
				_ = os.Chtimes(f.Name(), now, now)
			}
			return cached, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// Remove takes a day out of the cache: its file is damaged. It reports whether it was
// there.
func (c *Cache) Remove(day *Day) bool {
	return c != nil && !day.temporary && os.Remove(day.path) == nil
}

// Making says how the sums of a day are made.
type Making struct {
	Final   bool   // as Find says: they are kept in the cache
	TempDir string // for what does not fit in memory, and for sums that are not kept
	Spill   int    // sums in memory; 0: spill.DefaultCount
	Line    func() // called after each line
}

// Make reads the lines of a day and makes the file of its sums. Kept reports whether it
// is in the cache now; else closing it removes it.
func (c *Cache) Make(ctx context.Context, day *usagelines.Day, m Making) (made *Day, kept bool, err error) {
	if c != nil && m.Final {
		made, kept, err := c.keep(ctx, day, m)
		var local *fs.PathError
		if err == nil || !errors.As(err, &local) || !strings.HasPrefix(local.Path, c.dir) {
			return made, kept, err
		}
	}
	f, err := os.CreateTemp(m.TempDir, "day-*"+suffix)
	if err != nil {
		return nil, false, err
	}
	made, err = create(ctx, f, day, m)
	return made, false, err
}

// keep makes the file in the cache. Its error is an fs.PathError below the folder if there
// is no room, or no right to write, there.
func (c *Cache) keep(ctx context.Context, day *usagelines.Day, m Making) (made *Day, kept bool, err error) {
	f, err := os.CreateTemp(c.dir, filepath.Base(day.Revision.SHA256)+".*"+tempSuffix)
	if err != nil {
		return nil, false, err
	}
	if made, err = create(ctx, f, day, m); err != nil {
		return nil, false, err
	}
	// Without fsync: after a power cut the hashes tell that something is missing. A file that
	// cannot get its name, as of one that another process has open on Windows, stays temporary.
	if os.Rename(made.path, c.path(day)) != nil {
		return made, false, nil
	}
	made.path, made.temporary = c.path(day), false
	c.clean()
	return made, true, nil
}

// create writes the sums of a day to a new file, and opens them.
func create(ctx context.Context, f *os.File, day *usagelines.Day, m Making) (made *Day, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := write(ctx, f, day, m); err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if made, err = decode(f, f.Name(), size); err != nil {
		return nil, err
	}
	made.temporary = true
	return made, nil
}

// clean removes what interrupted processes left, and what was not used for longest while
// the folder is above its bound.
func (c *Cache) clean() {
	c.prune.Lock()
	defer c.prune.Unlock()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	var size int64
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasSuffix(e.Name(), suffix):
			files = append(files, info)
			size += info.Size()
		case strings.HasSuffix(e.Name(), tempSuffix) && time.Since(info.ModTime()) > tempAge:
			_ = os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		if size <= c.max {
			return
		}
		size -= info.Size()
		_ = os.Remove(filepath.Join(c.dir, info.Name()))
	}
}
