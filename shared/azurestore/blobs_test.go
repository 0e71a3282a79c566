package azurestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/memstore"
	"stackusage/shared/azurestore"
	"stackusage/shared/content"
)

const box = "box"

type body struct{ *strings.Reader }

func (body) Close() error { return nil }

// blobStore is what others use of blobs.
type blobStore interface {
	Create(ctx context.Context, containers ...string) error
	Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
	Containers(ctx context.Context, prefix string) ([]string, error)
	List(ctx context.Context, container string, each func(name string, storedAt time.Time) error) error
	ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error
}

// eachBlobs runs a part of the contract of blobs on Azure, and on the blobs in memory
// that other tests rely on. A blob that is not there is the error none.
func eachBlobs(t *testing.T, contract func(t *testing.T, blobs blobStore, none error)) {
	t.Parallel()
	t.Run("Azure Blobs", func(t *testing.T) {
		t.Parallel()
		blobs := connect(t).Blobs
		ok(t, blobs.Create(t.Context(), box))
		contract(t, blobs, content.ErrNoBlob)
	})
	t.Run("in memory", func(t *testing.T) {
		t.Parallel()
		blobs := memstore.NewBlobs()
		ok(t, blobs.Create(t.Context(), box))
		contract(t, blobs, content.ErrNoBlob)
	})
}

func put(t testing.TB, blobs blobStore, name, text string) {
	t.Helper()
	ok(t, blobs.Put(context.Background(), box, name, body{strings.NewReader(text)}, int64(len(text))))
}

func read(t testing.TB, blobs blobStore, name string) string {
	t.Helper()
	r, _, err := blobs.Open(context.Background(), box, name)
	ok(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	ok(t, err)
	return string(text)
}

func TestBlobs(t *testing.T) { eachBlobs(t, storeAndRead) }

func storeAndRead(t *testing.T, blobs blobStore, none error) {
	ctx := context.Background()
	t.Run("a container may be created twice", func(t *testing.T) {
		ok(t, blobs.Create(ctx, box, "landing-b", "landing-a"))
	})
	t.Run("what was put is read back, with the time it was stored", func(t *testing.T) {
		before := time.Now().Add(-2 * time.Second) // a blob's time has whole seconds
		put(t, blobs, "2019/12/10/19-0123456789abcdef.ndjson.gz", "text")
		r, at, err := blobs.Open(ctx, box, "2019/12/10/19-0123456789abcdef.ndjson.gz")
		ok(t, err)
		defer r.Close()
		if text, err := io.ReadAll(r); err != nil || string(text) != "text" {
			t.Errorf("read %q, %v", text, err)
		}
		if at.Before(before) || at.After(time.Now().Add(2*time.Second)) || at.Location() != time.UTC {
			t.Errorf("stored at %s; it is %s", at, time.Now().UTC())
		}
	})
	t.Run("a second put succeeds and keeps the first", func(t *testing.T) {
		put(t, blobs, "twice", "first")
		put(t, blobs, "twice", "second")
		if got := read(t, blobs, "twice"); got != "first" {
			t.Errorf("the blob says %q", got)
		}
	})
	t.Run("an empty blob is a blob", func(t *testing.T) {
		put(t, blobs, "empty", "")
		if got := read(t, blobs, "empty"); got != "" {
			t.Errorf("the blob says %q", got)
		}
	})
	t.Run("a missing blob or container is ErrNoBlob", func(t *testing.T) {
		for _, container := range []string{box, "no-such-box"} {
			if _, _, err := blobs.Open(ctx, container, "missing"); !errors.Is(err, none) {
				t.Errorf("%s: got %v, want ErrNoBlob", container, err)
			}
		}
	})
	t.Run("a put into a missing container is an error", func(t *testing.T) {
		if err := blobs.Put(ctx, "no-such-box", "x", body{strings.NewReader("")}, 0); err == nil {
			t.Error("no error: content would be claimed that is not there")
		}
	})
	t.Run("containers are listed by prefix", func(t *testing.T) {
		got, err := blobs.Containers(ctx, "landing-")
		ok(t, err)
		if diff := cmp.Diff([]string{"landing-a", "landing-b"}, got); diff != "" {
			t.Errorf("containers (-want +got):\n%s", diff)
		}
	})
}

// A blob of several blocks is kept, too, when it is put again.
func TestALargeBlob(t *testing.T) {
	t.Parallel()
	blobs := connect(t).Blobs
	ok(t, blobs.Create(t.Context(), box))
	if testing.Short() {
		t.Skip("moves 130 MB")
	}
	const size = 64<<20 + 1
	for _, text := range []string{"a", "b"} {
		ok(t, blobs.Put(t.Context(), box, "large", body{strings.NewReader(strings.Repeat(text, size))}, size))
	}
	if got := read(t, blobs, "large"); len(got) != size || strings.Trim(got, "a") != "" {
		t.Errorf("the blob has %d bytes, or others", len(got))
	}
}

// Who may only create finds what is there, and hears of other refusals.
func TestRefusedPuts(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{"UnauthorizedBlobOverwrite": true, "AuthorizationPermissionMismatch": false} {
		refuse := policyFunc(func(req *policy.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusForbidden, Status: "403 Forbidden", Header: http.Header{"X-Ms-Error-Code": {code}}, Body: http.NoBody, Request: req.Raw()}, nil
		})
		store := reconnect(t, azuritetest.Account(t), azurestore.Through(refuse), azurestore.WithoutRetries()).Blobs
		if err := store.Put(t.Context(), box, "there", body{strings.NewReader("text")}, 4); (err == nil) != want {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestBlobsList(t *testing.T) { eachBlobs(t, listBlobs) }

func listBlobs(t *testing.T, blobs blobStore, _ error) {
	ctx := context.Background()
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("2019/12/%02d/00", i)
		put(t, blobs, name, "")
		want = append(want, name)
	}
	t.Run("in order of name, with the time each was stored", func(t *testing.T) {
		var got []string
		ok(t, blobs.List(ctx, box, func(name string, at time.Time) error {
			if time.Since(at).Abs() > time.Minute {
				t.Errorf("%s: stored at %s", name, at)
			}
			got = append(got, name)
			return nil
		}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("blobs (-want +got):\n%s", diff)
		}
	})
	t.Run("only those with a prefix", func(t *testing.T) {
		var got []string
		ok(t, blobs.ListPrefix(ctx, box, "2019/12/1", func(name string, _ time.Time) error { got = append(got, name); return nil }))
		if diff := cmp.Diff(want[10:], got); diff != "" {
			t.Errorf("blobs (-want +got):\n%s", diff)
		}
	})
	t.Run("the caller's error ends it", func(t *testing.T) {
		stop, calls := errors.New("stop"), 0
		err := blobs.List(ctx, box, func(string, time.Time) error { calls++; return stop })
		if !errors.Is(err, stop) || calls != 1 {
			t.Errorf("got %v after %d calls", err, calls)
		}
	})
	t.Run("a missing container is an error", func(t *testing.T) {
		if err := blobs.List(ctx, "no-such-box", func(string, time.Time) error { return nil }); err == nil {
			t.Error("no error")
		}
	})
}

// cutAfter cuts the bodies of the first downloads after n bytes each, as a lost
// connection does.
type cutAfter struct {
	cuts atomic.Int64 // how many downloads are still to be cut
	n    int64
	got  atomic.Int64 // downloads
}

func (c *cutAfter) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || req.Raw().Method != http.MethodGet || resp.StatusCode >= 300 {
		return resp, err
	}
	c.got.Add(1)
	if c.cuts.Add(-1) >= 0 {
		resp.Body = &cutBody{resp.Body, c.n}
	}
	return resp, nil
}

type cutBody struct {
	io.ReadCloser
	left int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func TestCutDownload(t *testing.T) {
	t.Parallel()
	connection := azuritetest.Account(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	blobs := reconnect(t, connection).Blobs
	ok(t, blobs.Create(context.Background(), box))
	put(t, blobs, "long", string(want))
	t.Run("is taken up where it broke", func(t *testing.T) {
		cut := &cutAfter{n: 10_001}
		cut.cuts.Store(3)
		got := read(t, reconnect(t, connection, azurestore.Through(cut)).Blobs, "long")
		if got != string(want) {
			t.Errorf("read %d bytes that are not the blob", len(got))
		}
		if n := cut.got.Load(); n != 4 {
			t.Errorf("%d downloads, want 4", n)
		}
	})
	t.Run("that breaks again and again is an error, never an end", func(t *testing.T) {
		cut := &cutAfter{n: 100}
		cut.cuts.Store(1 << 30)
		r, _, err := reconnect(t, connection, azurestore.Through(cut)).Blobs.Open(context.Background(), box, "long")
		ok(t, err)
		defer r.Close()
		for range 10_000 {
			if _, err = r.Read(make([]byte, 4096)); err != nil {
				break
			}
			cut.n = 0 // nothing more comes: tries without progress are bounded
		}
		if err == nil || err == io.EOF {
			t.Errorf("got %v, want the error of the connection", err)
		}
	})
}
