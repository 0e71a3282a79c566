package memstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stackusage/shared/content"
)

// Blobs keeps contents under names that are made from them.
type Blobs struct {
	mu         sync.Mutex
	containers map[string]map[string]blob
}

type blob struct {
	content  []byte
	storedAt time.Time
}

// NewBlobs makes a store without containers.
func NewBlobs() *Blobs { return &Blobs{containers: map[string]map[string]blob{}} }

// Create makes the containers that do not exist.
func (b *Blobs) Create(ctx context.Context, containers ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range containers {
		if b.containers[name] == nil {
			b.containers[name] = map[string]blob{}
		}
	}
	return ctx.Err()
}

// Put stores size bytes of body, unless the blob is there.
func (b *Blobs) Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error {
	content, err := io.ReadAll(body)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case int64(len(content)) != size:
		return fmt.Errorf("put blob %s/%s: %d bytes, said to be %d", container, name, len(content), size)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.containers[container] == nil {
		return fmt.Errorf("put blob %s/%s: no such container", container, name)
	}
	if _, there := b.containers[container][name]; !there {
		b.containers[container][name] = blob{content, time.Now().UTC().Truncate(time.Second)}
	}
	return nil
}

// PutWhole is Put of a body of any size.
func (b *Blobs) PutWhole(ctx context.Context, container, name string, body io.ReadSeekCloser) error {
	size, err := body.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	return b.Put(ctx, container, name, body, size)
}

// Open reads a blob as it is now and says when it was stored; content.ErrNoBlob if it is not
// there.
func (b *Blobs) Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found, there := b.containers[container][name]
	if !there {
		return nil, time.Time{}, fmt.Errorf("open blob %s/%s: %w", container, name, content.ErrNoBlob)
	}
	return io.NopCloser(bytes.NewReader(found.content)), found.storedAt, nil
}

// Containers lists the containers whose names begin with prefix, by name.
func (b *Blobs) Containers(ctx context.Context, prefix string) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(b.containers)), func(name string) bool { return !strings.HasPrefix(name, prefix) }), ctx.Err()
}

// List goes through the blobs of a container in order of name.
func (b *Blobs) List(ctx context.Context, container string, each func(name string, storedAt time.Time) error) error {
	return b.ListPrefix(ctx, container, "", each)
}

// ListPrefix is List of the blobs whose names begin with prefix, as they are at one
// moment.
func (b *Blobs) ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error {
	b.mu.Lock()
	blobs, there := maps.Clone(b.containers[container]), b.containers[container] != nil
	b.mu.Unlock()
	if !there {
		return fmt.Errorf("list blobs %s/%s*: no such container", container, prefix)
	}
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if err := each(name, blobs[name].storedAt); err != nil {
			return err
		}
	}
	return ctx.Err()
}
