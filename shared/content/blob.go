package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// ErrNoBlob means that there is no such blob or container.
var ErrNoBlob = errors.New("no such blob")

// Opener opens a blob as a stream and says when it was stored (UTC). Open fails with
// ErrNoBlob if it is not there.
type Opener interface {
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
}

// Store keeps files of the app's own: it stores and opens them.
type Store interface {
	Putter
	Opener
}

// Blob is a stored file as a row names it.
type Blob struct {
	Container, Name string
	SHA256          string // 64 hex digits, or the first 16 of them, where only the blob's name has them
	NamedIn         string // what has the hash: a table, for errors
}

// At is a blob by its path, container and name, as tables show it.
func At(path string) Blob {
	container, name, _ := strings.Cut(path, "/")
	return Blob{Container: container, Name: name}
}

// With is the blob with the hash that a table, or whatever names it, says it has.
func (b Blob) With(sha256, namedIn string) Blob {
	b.SHA256, b.NamedIn = sha256, namedIn
	return b
}

// Path is container and name, as tables show them.
func (b Blob) Path() string { return b.Container + "/" + b.Name }

// Open opens the blob. Its hash is compared by Body.Check.
func (b Blob) Open(ctx context.Context, from Opener) (*Body, error) {
	body, _, err := from.Open(ctx, b.Container, b.Name)
	if err != nil {
		return nil, err
	}
	return b.Hashed(body), nil
}

// Hashed is a body that must have the blob's bytes.
func (b Blob) Hashed(body io.ReadCloser) *Body {
	return &Body{ReadCloser: body, blob: b, sum: sha256.New()}
}

// firstRead is how many bytes a blob is first expected to have: a batch of 500 records.
const firstRead = 512 << 10

// Bytes reads a blob of up to limit bytes whole. Other bytes than the row names are
// an error.
func (b Blob) Bytes(ctx context.Context, from Opener, limit int64) ([]byte, error) {
	body, err := b.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text := bytes.NewBuffer(make([]byte, 0, min(limit+bytes.MinRead, firstRead))) // it doubles, where io.ReadAll copies a batch twenty times
	if _, err := text.ReadFrom(io.LimitReader(body, limit+1)); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", b.Path(), err)
	}
	if int64(text.Len()) > limit {
		return nil, fmt.Errorf("read blob %s: longer than %d bytes", b.Path(), limit)
	}
	return text.Bytes(), body.Check()
}

// Body is a stream whose bytes are hashed while they are read.
type Body struct {
	io.ReadCloser
	blob Blob
	sum  hash.Hash
}

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	return n, err
}

// Check reads what is left and compares the hash with the one that the row names.
func (b *Body) Check() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return fmt.Errorf("read blob %s: %w", b.blob.Path(), err)
	}
	sum := hex.EncodeToString(b.sum.Sum(nil))
	if want := b.blob.SHA256; sum != want && (len(want) != 16 || sum[:16] != want) {
		return fmt.Errorf("read blob %s: its SHA-256 is %s, %s says %q", b.blob.Path(), sum, b.blob.NamedIn, want)
	}
	return nil
}

// PutBytes stores bytes under a name that is made from them.
func PutBytes(ctx context.Context, to Putter, container, name string, text []byte) error {
	return to.Put(ctx, container, name, nopCloser{bytes.NewReader(text)}, int64(len(text)))
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }
