// Package benchstore is storage for benchmarks, without a service in between: blobs are
// local files and tables are in memory. What is asked of it is counted.
package benchstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/content"
	"stackusage/shared/table"
)

// Store is what the handlers of one function app have.
type Store struct {
	Tables *Tables
	Blobs  *Blobs
	Queues *memstore.Queues
}

// New makes a store with the tables of the app; blobs are in folder.
func New(folder string) *Store {
	return &Store{
		Tables: &Tables{Store: memstore.NewTables(table.Names()...)},
		Blobs:  &Blobs{Folder: folder, StoredAt: map[string]time.Time{}},
		Queues: memstore.NewQueues(),
	}
}

// Operations is how many requests a storage account would have had so far. A list of
// rows is one, whatever its length.
func (s *Store) Operations() int64 { return s.Tables.operations.Load() + s.Blobs.operations.Load() }

// Tables counts what is asked of tables.
type Tables struct {
	table.Store
	operations atomic.Int64
}

// Get implements table.Store.
func (t *Tables) Get(ctx context.Context, name, partition, key string) (table.Row, error) {
	t.operations.Add(1)
	return t.Store.Get(ctx, name, partition, key)
}

// List implements table.Store.
func (t *Tables) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	t.operations.Add(1)
	return t.Store.List(ctx, name, partition, from, to)
}

// Scan implements table.Store.
func (t *Tables) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	t.operations.Add(1)
	return t.Store.Scan(ctx, name, from, to, any...)
}

// Apply implements table.Store.
func (t *Tables) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	t.operations.Add(1)
	return t.Store.Apply(ctx, name, partition, ops...)
}

// Blobs are files in a folder: container, name.
type Blobs struct {
	Folder     string
	StoredAt   map[string]time.Time // by container/name, of blobs that are older than their files
	operations atomic.Int64
	written    atomic.Int64
}

var _ content.Store = (*Blobs)(nil)

// Written is how many bytes were put so far.
func (s *Blobs) Written() int64 { return s.written.Load() }

func (s *Blobs) path(container, name string) string {
	return filepath.Join(s.Folder, container, filepath.FromSlash(name))
}

// Link makes a file a blob that was stored at a time.
func (s *Blobs) Link(container, name, file string, storedAt time.Time) error {
	path := s.path(container, name)
	s.StoredAt[container+"/"+name] = storedAt
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.Symlink(file, path))
}

// Open implements content.Opener.
func (s *Blobs) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	s.operations.Add(1)
	f, err := os.Open(s.path(container, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, fmt.Errorf("open blob %s/%s: %w", container, name, content.ErrNoBlob)
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	storedAt, said := s.StoredAt[container+"/"+name]
	if !said {
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, time.Time{}, err
		}
		storedAt = info.ModTime().UTC()
	}
	return f, storedAt, nil
}

// Put implements content.Putter.
func (s *Blobs) Put(_ context.Context, container, name string, body io.ReadSeekCloser, size int64) error {
	s.operations.Add(1)
	path := s.path(container, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	s.written.Add(n)
	if err == nil && n != size {
		err = fmt.Errorf("put blob %s/%s: %d bytes, said to be %d", container, name, n, size)
	}
	return errors.Join(err, f.Close())
}
