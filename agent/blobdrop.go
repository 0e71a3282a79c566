package agent

import (
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"stackusage/shared/landing"
)

// BlobDrop drops hours into Azure Storage with credentials that may only
// create: one Put Blob, never over an existing one.
type BlobDrop struct {
	Client *azblob.Client

	// Timeout bounds one drop, the client's retries included; 0 means
	// DefaultDropTimeout.
	Timeout time.Duration
}

// DefaultDropTimeout is enough for an hour of a million rows on a line of
// 1 Mbit/s.
const DefaultDropTimeout = 30 * time.Minute

// maxPutBlob is what one Put Blob takes (service version 2019-12-12 and later).
const maxPutBlob = 5000 << 20

// Put implements Drop. 409 BlobAlreadyExists, and 403 UnauthorizedBlobOverwrite
// that create-only credentials get instead, mean that the blob is there; its
// name is made from its bytes, so it is the same.
func (d BlobDrop) Put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.Timeout, DefaultDropTimeout))
	defer cancel()
	err := d.put(ctx, name, body)
	if call := (*url.Error)(nil); errors.As(err, &call) {
		err = call.Err // its text has the whole URL, and with it the signature of a SAS
	}
	if answer, ok := err.(*azcore.ResponseError); ok {
		err = &refusal{answer}
	}
	if err != nil && !bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.UnauthorizedBlobOverwrite) {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}

// refusal is an answer of the service in one line; its own text is a page of its
// own.
type refusal struct{ answer *azcore.ResponseError }

func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.answer.StatusCode, cmp.Or(r.answer.ErrorCode, "without a code"))
	if r.answer.RawResponse != nil {
		if id := r.answer.RawResponse.Header.Get("x-ms-request-id"); id != "" {
			text += " (x-ms-request-id " + id + ")"
		}
	}
	return text
}

func (r *refusal) Unwrap() error { return r.answer }

func (d BlobDrop) put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
	sum := md5.New() // what the service checks a Put Blob against; not for security
	size, err := io.Copy(sum, body)
	if err != nil {
		return err
	}
	if size > maxPutBlob {
		return errors.New("the hour is larger than one Put Blob takes")
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	any := azcore.ETagAny
	client := d.Client.ServiceClient().NewContainerClient(name.Container()).NewBlockBlobClient(name.Blob())
	_, err = client.Upload(ctx, body, &blockblob.UploadOptions{
		AccessConditions:        &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}},
		TransactionalValidation: blob.TransferValidationTypeMD5(sum.Sum(nil)),
	})
	return err
}
