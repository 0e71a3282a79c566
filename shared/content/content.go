// Package content is files on their way to storage. A file is written to
// temporary disk first: its name is made from its bytes, and they may not fit in
// memory.
package content

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
)

// Putter stores a blob. Put of a name that is there succeeds without writing.
type Putter interface {
	Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error
}

// File is one such file. Whoever makes it discards it.
type File struct {
	file *os.File
	path string
	sum  hash.Hash
	size int64
	disk *Disk
}

// New makes an empty file in dir; empty means the system's.
func New(dir, prefix string) (*File, error) { return NewOn(nil, dir, prefix) }

// NewOn is New of a file that takes from disk what is written to it, until it is
// discarded.
func NewOn(disk *Disk, dir, prefix string) (*File, error) {
	f, err := os.CreateTemp(dir, prefix)
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	return &File{file: f, path: f.Name(), sum: sha256.New(), disk: disk}, nil
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	if err := f.disk.Take(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := f.file.Write(p)
	f.disk.Free(int64(len(p) - n))
	f.sum.Write(p[:n])
	f.size += int64(n)
	return n, err
}

// SHA256 is the hash of what was written so far, 64 hex digits.
func (f *File) SHA256() string { return hex.EncodeToString(f.sum.Sum(nil)) }

// Size is the number of bytes written so far.
func (f *File) Size() int64 { return f.size }

// Open reads the file from its beginning, also after it was put.
func (f *File) Open() (io.ReadCloser, error) { return os.Open(f.path) }

// Put stores the file. Storage clients close what they upload, so it is given
// one of its own.
func (f *File) Put(ctx context.Context, to Putter, container, name string) error {
	body, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("put blob %s/%s: %w", container, name, err)
	}
	defer body.Close()
	return to.Put(ctx, container, name, body, f.size)
}

// Discard removes the file.
func (f *File) Discard() {
	f.file.Close()
	os.Remove(f.path)
	f.disk.Free(f.size)
}
