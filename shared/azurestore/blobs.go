package azurestore

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"stackusage/shared/content"
)

// Blobs keeps contents under names that are made from them.
type Blobs struct{ client *azblob.Client }

// Create makes the containers that do not exist.
func (b *Blobs) Create(ctx context.Context, containers ...string) error {
	for _, name := range containers {
		if _, err := b.client.CreateContainer(ctx, name, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
			return fmt.Errorf("create container %s: %w", name, err)
		}
	}
	return nil
}

// singlePut is the most that goes into one Put Blob.
const singlePut = 64 << 20

// Put stores size bytes of body, unless the blob is there: names are made from
// contents, so that what is there is the same. Who may only create is told that by
// 403 UnauthorizedBlobOverwrite.
func (b *Blobs) Put(ctx context.Context, containerName, name string, body io.ReadSeekCloser, size int64) error {
	if size <= singlePut {
		return b.PutWhole(ctx, containerName, name, body)
	}
	_, err := b.blob(containerName, name).UploadStream(ctx, body, &blockblob.UploadStreamOptions{BlockSize: 8 << 20, Concurrency: 2, AccessConditions: unlessThere()})
	return stored(err, containerName, name)
}

// PutWhole is Put in one request, whatever the size: who may only add blobs may not
// write the blocks of a large one. One request takes 5,000 MiB.
func (b *Blobs) PutWhole(ctx context.Context, containerName, name string, body io.ReadSeekCloser) error {
	_, err := b.blob(containerName, name).Upload(ctx, body, &blockblob.UploadOptions{AccessConditions: unlessThere()})
	return stored(err, containerName, name)
}

func (b *Blobs) blob(containerName, name string) *blockblob.Client {
	return b.client.ServiceClient().NewContainerClient(containerName).NewBlockBlobClient(name)
}

func unlessThere() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: anyETag()}}
}

// stored is the error of a Put; that the blob is there is none.
func stored(err error, containerName, name string) error {
	if err != nil && !bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.UnauthorizedBlobOverwrite) {
		return fmt.Errorf("put blob %s/%s: %w", containerName, name, err)
	}
	return nil
}

func anyETag() *azcore.ETag {
	any := azcore.ETagAny
	return &any
}

// Open reads a blob as a stream and says when it was stored (UTC). A cut
// connection is taken up again where it broke. content.ErrNoBlob if it is not there.
func (b *Blobs) Open(ctx context.Context, containerName, name string) (body io.ReadCloser, storedAt time.Time, err error) {
	resp, err := b.client.DownloadStream(ctx, containerName, name, nil)
	if err != nil {
		if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound) || hasStatus(err, http.StatusNotFound) {
			err = content.ErrNoBlob
		}
		return nil, time.Time{}, fmt.Errorf("open blob %s/%s: %w", containerName, name, err)
	}
	if resp.LastModified != nil {
		storedAt = resp.LastModified.UTC()
	}
	return resp.NewRetryReader(ctx, &azblob.RetryReaderOptions{MaxRetries: 5}), storedAt, nil
}

// Service is the URL of the account's blobs, without what may be a secret in it.
func (b *Blobs) Service() string {
	u, err := url.Parse(b.client.URL())
	if err != nil {
		return ""
	}
	u.RawQuery, u.User, u.Fragment = "", nil, ""
	return strings.TrimSuffix(u.String(), "/")
}

// Containers lists the containers whose names begin with prefix.
func (b *Blobs) Containers(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	pager := b.client.NewListContainersPager(&azblob.ListContainersOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list containers %s*: %w", prefix, err)
		}
		for _, c := range page.ContainerItems {
			names = append(names, *c.Name)
		}
	}
	return names, nil
}

// List goes through the blobs of a container in order of name, with the time
// each was stored.
func (b *Blobs) List(ctx context.Context, containerName string, each func(name string, storedAt time.Time) error) error {
	return b.ListPrefix(ctx, containerName, "", each)
}

// ListPrefix is List of the blobs whose names begin with prefix.
func (b *Blobs) ListPrefix(ctx context.Context, containerName, prefix string, each func(name string, storedAt time.Time) error) error {
	pager := b.client.NewListBlobsFlatPager(containerName, &azblob.ListBlobsFlatOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list blobs %s/%s*: %w", containerName, prefix, err)
		}
		for _, item := range page.Segment.BlobItems {
			var storedAt time.Time
			if item.Properties != nil && item.Properties.LastModified != nil {
				storedAt = item.Properties.LastModified.UTC()
			}
			if err := each(*item.Name, storedAt); err != nil {
				return err
			}
		}
	}
	return nil
}
