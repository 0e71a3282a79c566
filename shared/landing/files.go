package landing

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"time"

	"stackusage/shared/content"
)

// Files opens hour blobs wherever they are: what the stacks dropped in the landing
// storage, and corrected ones in the app's.
type Files struct{ Landed, Corrected content.Opener }

// Open implements content.Opener.
func (f Files) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if strings.HasPrefix(container, Container("")) {
		return f.Landed.Open(ctx, container, name)
	}
	return f.Corrected.Open(ctx, container, name)
}

// Stored is a stored hour blob that is read. Whoever opens it closes it.
type Stored struct {
	*Reader
	body io.Closer
}

// Close closes the reader and the blob.
func (s *Stored) Close() error { return errors.Join(s.Reader.Close(), s.body.Close()) }

// OpenStored opens an hour blob by its path, container and name, whatever the limits are
// now: what was over one was not accepted, and what was accepted may be over one of today.
func OpenStored(ctx context.Context, from content.Opener, path string) (*Stored, error) {
	blob := content.At(path)
	name, err := ParseName(blob.Container, blob.Name)
	if err != nil {
		return nil, err
	}
	body, _, err := from.Open(ctx, blob.Container, blob.Name)
	if err != nil {
		return nil, err
	}
	reader, err := NewReader(body, name, Limits{Bytes: math.MaxInt64, Rows: math.MaxInt64})
	if err != nil {
		body.Close()
		return nil, err
	}
	return &Stored{reader, body}, nil
}
