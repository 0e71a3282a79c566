// Package blobs stores hours and heartbeats in Azure Storage with credentials that
// may only create, and says what a refusal means for other files.
package blobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"stackusage/agent"
	"stackusage/agent/neterr"
	"stackusage/shared/landing"
)

// Storage uploads hours into Azure Storage with credentials that may only
// create: one Put Blob, never over an existing one.
type Storage struct {
	Client *azblob.Client

	// Timeout bounds one upload, the client's retries included; 0 means none. Half an
	// hour is enough for an hour of a million rows on a line of 1 Mbit/s.
	Timeout time.Duration
}

// maxPutBlob is what one Put Blob takes (service version 2019-12-12 and later).
const maxPutBlob = 5000 << 20

// Put implements agent.Storage. 409 BlobAlreadyExists, and 403 UnauthorizedBlobOverwrite
// that create-only credentials get instead, mean that the blob is there; its
// name is made from its bytes, so it is the same.
func (s Storage) Put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	err := brief(s.put(ctx, name, body))
	if neterr.NotReached(err) || errors.As(err, new(signIn)) {
		err = fmt.Errorf("%w: %w", err, agent.ErrStorage)
	}
	if err != nil && !bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.UnauthorizedBlobOverwrite) {
		return fmt.Errorf("upload %s: %w", name, err)
	}
	return nil
}

// Beat implements Beat: one Put Blob, and done if a blob of the name is there.
func (s Storage) Beat(ctx context.Context, container, blob string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err := s.create(ctx, container, blob, streaming.NopCloser(bytes.NewReader(body)), md5.Sum(body))
	if bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.UnauthorizedBlobOverwrite) {
		return nil
	}
	return brief(err)
}

// beatTimeout bounds one, which is small.
const beatTimeout = 2 * time.Minute

// brief is an error without the address that was called, and of an answer in one line.
func brief(err error) error {
	err = neterr.Bare(err)
	if answer, ok := err.(*azcore.ResponseError); ok {
		err = &refusal{answer}
	}
	return err
}

// refusal is an answer of the service in one line; its own text is a page of its
// own.
type refusal struct{ answer *azcore.ResponseError }

func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.answer.StatusCode, cmp.Or(r.answer.ErrorCode, "without a code"))
	switch id := r.requestID(); {
	case id != "":
		text += " (x-ms-request-id " + id + ")"
	case r.ofAnother():
		text += " (an answer of a proxy, or of another address than Azure Storage's)"
	}
	return text
}

func (r *refusal) requestID() string {
	if r.answer.RawResponse == nil {
		return ""
	}
	return r.answer.RawResponse.Header.Get("x-ms-request-id")
}

// ofAnother says whether the answer is not the service's, which gives each of its own
// an id. It says nothing of the file, which must not be set aside for it.
func (r *refusal) ofAnother() bool { return r.answer.RawResponse != nil && r.requestID() == "" }

// Unwrap returns the answer and what it means for other files.
func (r *refusal) Unwrap() []error { return []error{r.answer, r.kind()} }

// signIn is an error of the sign-in, in the words of the Azure SDK.
type signIn interface {
	error
	NonRetriable()
}

// ofTheAccount are answers that any other file would get as well.
var ofTheAccount = []bloberror.Code{
	bloberror.AccountIsDisabled, bloberror.AuthenticationFailed, bloberror.AuthorizationFailure, bloberror.AuthorizationPermissionMismatch,
	bloberror.AuthorizationProtocolMismatch, bloberror.AuthorizationResourceTypeMismatch, bloberror.AuthorizationServiceMismatch,
	bloberror.AuthorizationSourceIPMismatch, bloberror.InsufficientAccountPermissions, bloberror.InvalidAuthenticationInfo,
	bloberror.NoAuthenticationInformation, bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled, bloberror.ContainerNotFound,
	"AccountNotFound", "AccountIsReadOnly", "KeyBasedAuthenticationNotPermitted",
}

func (r *refusal) kind() error {
	status := r.answer.StatusCode
	switch {
	case status == http.StatusUnauthorized, status == http.StatusProxyAuthRequired, bloberror.HasCode(r.answer, ofTheAccount...):
		return agent.ErrAccount
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout, r.ofAnother():
		return agent.ErrRejected
	}
	return agent.ErrForGood
}

func (s Storage) put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
	sum := md5.New() // what the service checks a Put Blob against; not for security
	size, err := io.Copy(sum, body)
	if err != nil {
		return err
	}
	if size > maxPutBlob {
		return fmt.Errorf("the hour is larger than one Put Blob takes: %w", agent.ErrForGood)
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.create(ctx, name.Container(), name.Blob(), body, [md5.Size]byte(sum.Sum(nil)))
}

func (s Storage) create(ctx context.Context, container, name string, body io.ReadSeekCloser, sum [md5.Size]byte) error {
	any := azcore.ETagAny
	_, err := s.Client.ServiceClient().NewContainerClient(container).NewBlockBlobClient(name).Upload(ctx, body, &blockblob.UploadOptions{
		AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}},
		TransactionalValidation: blob.TransferValidationTypeMD5(sum[:]),
	})
	return err
}
