package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"stackusage/agent/blobs"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/landing"
)

// nopCloser lets a reader stand for a sealed file.
type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func body(text string) io.ReadSeekCloser { return nopCloser{strings.NewReader(text)} }

func nameOf(text string) landing.Name {
	return landing.NameOf(cloudID, burst, sha256.Sum256([]byte(text)))
}

// box is an account with the registration's container.
func box(t *testing.T) *azblob.Client {
	t.Helper()
	client := connect(t, azuritetest.Account(t), nil)
	if _, err := client.CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestBlobDrop(t *testing.T) {
	t.Run("stores the bytes", func(t *testing.T) {
		client := box(t)
		if err := (blobs.Storage{Client: client}).Put(t.Context(), nameOf("abc"), body("abc")); err != nil {
			t.Fatal(err)
		}
		if got := download(t, client, nameOf("abc")); string(got) != "abc" {
			t.Errorf("stored %q", got)
		}
	})
	t.Run("succeeds for a name that is there, and leaves it as it is", func(t *testing.T) {
		client := box(t)
		d := blobs.Storage{Client: client}
		for _, text := range []string{"abc", "abc", "an attempt to overwrite"} {
			if err := d.Put(t.Context(), nameOf("abc"), body(text)); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if got := download(t, client, nameOf("abc")); string(got) != "abc" {
			t.Errorf("stored %q", got)
		}
	})
	t.Run("is refused by the service when bytes change on the way", func(t *testing.T) {
		client := box(t)
		err := (blobs.Storage{Client: client}).Put(t.Context(), nameOf("abc"), nopCloser{&rotting{text: "abc"}})
		if !bloberror.HasCode(err, bloberror.MD5Mismatch) {
			t.Fatalf("got %v", err)
		}
		_, err = client.DownloadStream(t.Context(), nameOf("abc").Container(), nameOf("abc").Blob(), nil)
		if !bloberror.HasCode(err, bloberror.BlobNotFound) {
			t.Errorf("a blob of other bytes is there: %v", err)
		}
	})
	t.Run("makes no container, and names the blob that had no place", func(t *testing.T) {
		client := connect(t, azuritetest.Account(t), nil)
		err := (blobs.Storage{Client: client}).Put(t.Context(), nameOf("abc"), body("abc"))
		if !bloberror.HasCode(err, bloberror.ContainerNotFound) || !strings.Contains(err.Error(), nameOf("abc").String()) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := (blobs.Storage{Client: box(t)}).Put(ctx, nameOf("abc"), body("abc")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ends in time when the service does not answer", func(t *testing.T) {
		wire := &wire{before: func(req *http.Request) error {
			<-req.Context().Done()
			return req.Context().Err()
		}}
		d := blobs.Storage{Client: connect(t, azuritetest.Account(t), wire.options()), Timeout: 10 * time.Millisecond}
		if err := d.Put(t.Context(), nameOf("abc"), body("abc")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reports a file that cannot be read", func(t *testing.T) {
		err := (blobs.Storage{Client: box(t)}).Put(t.Context(), nameOf("abc"), nopCloser{unreadable{}})
		if !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("takes an answer lost on the way for no failure", func(t *testing.T) {
		connection := azuritetest.Account(t)
		if _, err := connect(t, connection, nil).CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
			t.Fatal(err)
		}
		wire := &wire{after: func(n int, resp *http.Response) error {
			if n == 1 {
				return errBroken
			}
			return nil
		}}
		client := connect(t, connection, wire.options())
		if err := (blobs.Storage{Client: client}).Put(t.Context(), nameOf("abc"), body("abc")); err != nil {
			t.Fatal(err)
		}
		if wire.requests != 2 {
			t.Errorf("%d requests, want the lost one and the one that finds the blob", wire.requests)
		}
		if got := download(t, client, nameOf("abc")); string(got) != "abc" {
			t.Errorf("stored %q", got)
		}
	})
	t.Run("is one request", func(t *testing.T) {
		connection := azuritetest.Account(t)
		if _, err := connect(t, connection, nil).CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
			t.Fatal(err)
		}
		wire := &wire{}
		if err := (blobs.Storage{Client: connect(t, connection, wire.options())}).Put(t.Context(), nameOf("abc"), body("abc")); err != nil {
			t.Fatal(err)
		}
		headers := fmt.Sprint(wire.last.Header)
		for _, want := range []string{"If-None-Match:[*]", "Content-MD5:[kAFQmDzST7DWlj99KOF/cg==]"} {
			if !strings.Contains(headers, want) {
				t.Errorf("%s is not sent: %s", want, headers)
			}
		}
		if wire.requests != 1 || wire.last.Method != http.MethodPut {
			t.Errorf("%d requests, the last %s", wire.requests, wire.last.Method)
		}
	})
}

func TestBlobDropWithCreateOnlyCredentials(t *testing.T) {
	client := box(t)
	signed := func(t *testing.T, opts *azblob.ClientOptions) *azblob.Client {
		t.Helper()
		link, err := client.ServiceClient().NewContainerClient(landing.Container(cloudID)).
			GetSASURL(sas.ContainerPermissions{Create: true}, time.Now().Add(time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(link, "?")
		upload, err := azblob.NewClientWithNoCredential(client.URL()+"?"+query, opts)
		if err != nil {
			t.Fatal(err)
		}
		return upload
	}
	t.Run("a blob is stored", func(t *testing.T) {
		if err := (blobs.Storage{Client: signed(t, nil)}).Put(t.Context(), nameOf("abc"), body("abc")); err != nil {
			t.Fatal(err)
		}
		if got := download(t, client, nameOf("abc")); string(got) != "abc" {
			t.Errorf("stored %q", got)
		}
	})
	t.Run("the refusal to overwrite that Azure answers means that the blob is there", func(t *testing.T) {
		for code, ok := range map[string]bool{"UnauthorizedBlobOverwrite": true, "AuthorizationPermissionMismatch": false} {
			// Played, as the emulator refuses such a Put with the second code.
			wire := &wire{instead: func(req *http.Request) *http.Response {
				return &http.Response{
					StatusCode: http.StatusForbidden, Request: req, Body: http.NoBody,
					Header: http.Header{"X-Ms-Error-Code": {code}},
				}
			}}
			err := (blobs.Storage{Client: signed(t, wire.options())}).Put(t.Context(), nameOf("abc"), body("abc"))
			if (err == nil) != ok {
				t.Errorf("%s: %v", code, err)
			}
		}
	})
	t.Run("the signature stays out of errors", func(t *testing.T) {
		wire := &wire{before: func(*http.Request) error { return errBroken }}
		client := signed(t, wire.options())
		err := (blobs.Storage{Client: client}).Put(t.Context(), nameOf("abc"), body("abc"))
		if !errors.Is(err, errBroken) || strings.Contains(fmt.Sprintf("%v %+v", err, err), "sig=") {
			t.Errorf("got %v", err)
		}
	})
}

// rotting gives other bytes at every reading after the first.
type rotting struct {
	text  string
	left  *strings.Reader
	reads int
}

func (r *rotting) Read(p []byte) (int, error) {
	if r.left == nil {
		r.left = strings.NewReader(r.text)
	}
	return r.left.Read(p)
}

func (r *rotting) Seek(offset int64, whence int) (int64, error) {
	if offset == 0 && whence == io.SeekStart && r.reads == 0 {
		r.reads++
		r.text = string(bytes.ToUpper([]byte(r.text)))
		r.left = nil
	}
	if r.left == nil {
		r.left = strings.NewReader(r.text)
	}
	return r.left.Seek(offset, whence)
}

type unreadable struct{ io.Seeker }

func (unreadable) Read([]byte) (int, error) { return 0, errBroken }

// wire carries requests to the storage service, or fails to.
type wire struct {
	before   func(*http.Request) error
	instead  func(*http.Request) *http.Response
	after    func(n int, resp *http.Response) error
	requests int
	last     *http.Request
}

func (w *wire) options() *azblob.ClientOptions {
	opts := &azblob.ClientOptions{}
	// A client, as that is what adds the address to errors.
	opts.Transport = &http.Client{Transport: w}
	opts.Retry = policy.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond}
	return opts
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.requests++
	w.last = req
	if w.before != nil {
		if err := w.before(req); err != nil {
			return nil, err
		}
	}
	if w.instead != nil {
		return w.instead(req), nil
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && w.after != nil {
		if lost := w.after(w.requests, resp); lost != nil {
			resp.Body.Close()
			return nil, lost
		}
	}
	return resp, err
}
