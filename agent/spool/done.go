package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"stackusage/shared/usage"
)

const (
	doneNote   = "done.json"
	doneFormat = "stackusage-spool-done/2"
	// maxDone bounds done.json: a run takes 47 bytes, and an agent that goes on
	// for years has one or a few.
	maxDone = 16 << 20
)

// runs is a set of hours as first and last hour of each run, ascending and with
// gaps between them: one run for an agent that has missed nothing.
type runs [][2]usage.Hour

// at is the index of the first run that ends at h or later.
func (r runs) at(h usage.Hour) int {
	return sort.Search(len(r), func(i int) bool { return r[i][1] >= h })
}

func (r runs) has(h usage.Hour) bool {
	i := r.at(h)
	return i < len(r) && r[i][0] <= h
}

// with returns the set with h in it; r itself does not change.
func (r runs) with(h usage.Hour) runs {
	if r.has(h) {
		return r
	}
	i := r.at(h)
	all := slices.Insert(slices.Clone(r), i, [2]usage.Hour{h, h})
	if i+1 < len(all) && all[i+1][0] == h+1 {
		all[i][1] = all[i+1][1]
		all = slices.Delete(all, i+1, i+2)
	}
	if i > 0 && all[i-1][1] == h-1 {
		all[i-1][1] = all[i][1]
		all = slices.Delete(all, i, i+1)
	}
	return all
}

type doneFile struct {
	Format string          `json:"format"`
	Done   json.RawMessage `json:"done"`
	SHA256 string          `json:"sha256"` // of the bytes of Done
}

// decodeDone reads done.json and refuses whatever encodeDone would not write.
func decodeDone(r io.Reader) (runs, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDone+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxDone {
		return nil, fmt.Errorf("larger than %d bytes", maxDone)
	}
	var f doneFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	switch {
	case f.Format != doneFormat:
		return nil, fmt.Errorf("format %.40q, want %s", f.Format, doneFormat)
	case f.SHA256 != sumOf(f.Done):
		return nil, errors.New("it is damaged: its bytes are not those of its checksum")
	}
	var done runs
	if err := json.Unmarshal(f.Done, &done); err != nil {
		return nil, err
	}
	for i, run := range done {
		if run[1] < run[0] || i > 0 && run[0] <= done[i-1][1]+1 {
			return nil, fmt.Errorf("run %d, from %s to %s, is out of order", i+1, run[0], run[1])
		}
	}
	return done, nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func encodeDone(r runs) ([]byte, error) {
	if r == nil {
		r = runs{}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doneFile{doneFormat, text, sumOf(text)})
}

// readDone refuses a file that cannot be read: without it every hour since the
// first would be collected again, which somebody should decide to.
func (s *Spool) readDone() error {
	path := filepath.Join(s.dir, doneNote)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if s.done, err = decodeDone(f); err != nil {
		return fmt.Errorf("read %s: %w; restore the file, or remove it to have the hours that it remembers collected again", path, err)
	}
	return nil
}

func (s *Spool) pruned() runs {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// Prune deletes the files that were sent before the given time, and remembers
// their hours. It returns how many it deleted.
func (s *Spool) Prune(before time.Time) (deleted int, err error) {
	entries, err := s.Sent()
	if err != nil {
		return 0, fmt.Errorf("prune spool: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return !e.Since.Before(before) })
	if len(entries) == 0 {
		return 0, nil
	}
	if err := s.remember(entries); err != nil {
		if errors.Is(err, ErrFull) {
			// There is no room for what would make room. The names of sent files
			// are memory enough: their bytes can go first.
			for _, e := range entries {
				os.Truncate(filepath.Join(s.dir, sent, e.Name()), 0)
			}
			err = s.remember(entries)
		}
		if err != nil {
			return 0, fmt.Errorf("prune spool: %w", err)
		}
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(s.dir, sent, e.Name())); err != nil {
			return deleted, fmt.Errorf("prune spool: %w", err)
		}
		deleted++
	}
	return deleted, nil
}

// remember writes the hours of the entries to done.json before their files go.
func (s *Spool) remember(entries []Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.done
	for _, e := range entries {
		all = all.with(e.Hour)
	}
	text, err := encodeDone(all)
	if err == nil {
		err = s.Keep(doneNote, text)
	}
	if err == nil {
		s.done = all
	}
	return err
}
