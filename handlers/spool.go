package handlers

import (
	"context"
	"fmt"
	"io"
	"os"
)

// spool is a file on its way to storage: its name is known only when its bytes
// are, and they may not fit in memory.
type spool struct {
	*os.File
	path string
}

func newSpool(dir, prefix string) (*spool, error) {
	f, err := os.CreateTemp(dir, prefix)
	if err != nil {
		return nil, fmt.Errorf("make temporary file: %w", err)
	}
	return &spool{f, f.Name()}, nil
}

// put stores the file from its beginning. The SDK closes what it uploads.
func (s *spool) put(ctx context.Context, blobs Blobs, container, name string) error {
	size, err := s.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = s.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("rewind %s/%s: %w", container, name, err)
	}
	return blobs.Put(ctx, container, name, s.File, size)
}

func (s *spool) discard() {
	s.File.Close() // closed already if it was put
	os.Remove(s.path)
}

// openAgain opens the file a second time, because putting it closes the first.
func openAgain(s *spool) (*os.File, error) { return os.Open(s.path) }
