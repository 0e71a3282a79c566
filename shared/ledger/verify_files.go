package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"
)

// Bounds of files that are read whole.
const (
	maxVerifyManifest = 64 << 20
	maxVerifyFile     = 64 << 20 // a batch or a receipt
)

// verifyFile is a blob that is hashed as it is read. It remembers an error of
// the connection, so that a broken one is never taken for a broken file.
type verifyFile struct {
	path string
	body io.ReadCloser
	sum  hash.Hash
	err  error
}

// openFile opens a blob by its path, container and name. A blob that is not
// there is damage.
func (v *verifier) openFile(ctx context.Context, from BlobOpener, path string) (*verifyFile, error) {
	container, name, ok := strings.Cut(path, "/")
	if !ok {
		return nil, damaged(path, "not the name of a blob")
	}
	body, _, err := from.Open(ctx, container, name)
	if errors.Is(err, v.files.NoBlob) {
		return nil, damaged(path, "the blob is not there")
	}
	if err != nil {
		return nil, err
	}
	return &verifyFile{path: path, body: body, sum: sha256.New()}, nil
}

func (f *verifyFile) Read(p []byte) (int, error) {
	n, err := f.body.Read(p)
	f.sum.Write(p[:n])
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

func (f *verifyFile) close() { f.body.Close() }

// blame says whose fault an error in reading the file is: the file's own,
// unless the connection broke.
func (f *verifyFile) blame(err error) error {
	var d damage
	switch {
	case err == nil || errors.As(err, &d):
		return err
	case f.err != nil:
		return fmt.Errorf("read blob %s: %w", f.path, f.err)
	}
	return damage{Finding{f.path, err.Error()}}
}

// finish reads the rest and compares the file's hash with the one in the tables
// and with the one in its name. Empty: the tables have none.
func (f *verifyFile) finish(sha256 string) error {
	if _, err := io.Copy(io.Discard, f); err != nil {
		return fmt.Errorf("read blob %s: %w", f.path, err)
	}
	sum := f.hash()
	if sha256 != "" && sum != sha256 {
		return damaged(f.path, "its SHA-256 is %s, must be %s", sum, sha256)
	}
	base := f.path[strings.LastIndexByte(f.path, '/')+1:]
	base, _, _ = strings.Cut(base, ".")
	if named := base[strings.LastIndexByte(base, '-')+1:]; named != sum[:16] {
		return damaged(f.path, "its SHA-256 begins with %s, its name says %s", sum[:16], named)
	}
	return nil
}

// hash is the SHA-256 of what was read, in hex.
func (f *verifyFile) hash() string { return hex.EncodeToString(f.sum.Sum(nil)) }

// readFile reads a file whole and compares its hash.
func (v *verifier) readFile(ctx context.Context, path, sha256 string, limit int64) ([]byte, error) {
	f, err := v.openFile(ctx, v.files.App, path)
	if err != nil {
		return nil, err
	}
	defer f.close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, damaged(path, "longer than %d bytes", limit)
	}
	return b, f.finish(sha256)
}

// blamed is seq with its errors blamed on the file that it comes from.
func blamed[T any](f *verifyFile, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for x, err := range seq {
			if !yield(x, f.blame(err)) {
				return
			}
		}
	}
}

// puller walks a sequence one ahead.
type puller[T any] struct {
	next func() (T, error, bool)
	stop func()
	head T
	more bool
}

func pull[T any](seq iter.Seq2[T, error]) (*puller[T], error) {
	p := new(puller[T])
	p.next, p.stop = iter.Pull2(seq)
	return p, p.advance()
}

func (p *puller[T]) advance() (err error) {
	p.head, err, p.more = p.next()
	p.more = p.more && err == nil
	return err
}
