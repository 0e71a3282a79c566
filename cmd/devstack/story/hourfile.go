package story

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// landedFile reads the one hour blob of a reported hour.
func landedFile(ctx context.Context, blobs *azblob.Client, cloudID string, hour usage.Hour) (file []byte, name landing.Name, err error) {
	container := landing.Container(cloudID)
	prefix := hour.Start().Format("2006/01/02/15-")
	pager := blobs.NewListBlobsFlatPager(container, &azblob.ListBlobsFlatOptions{Prefix: &prefix})
	page, err := pager.NextPage(ctx)
	if err != nil || len(page.Segment.BlobItems) != 1 {
		return nil, name, fmt.Errorf("list hour blobs %s/%s: want 1: %w", container, prefix, err)
	}
	blob := *page.Segment.BlobItems[0].Name
	if name, err = landing.ParseName(container, blob); err != nil {
		return nil, name, err
	}
	resp, err := blobs.DownloadStream(ctx, container, blob, nil)
	if err != nil {
		return nil, name, err
	}
	defer resp.Body.Close()
	file, err = io.ReadAll(resp.Body)
	return file, name, err
}

var (
	quantity = regexp.MustCompile(`"quantity":[0-9.]+`)
	machine  = regexp.MustCompile(`(?i)/virtualMachines/(web|app)00\b`)
)

// changed is another file of an hour: its first Windows machine of two cores used half
// a core hour more.
func changed(file []byte, name landing.Name) ([]byte, landing.Name, error) {
	reader, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
	if err != nil {
		return nil, name, err
	}
	defer reader.Close()
	header := reader.Header()
	header.CollectedAt = header.CollectedAt.Add(time.Hour)
	var out bytes.Buffer
	w, err := landing.NewWriter(&out, header)
	if err != nil {
		return nil, name, err
	}
	done := false
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		row := slices.Clone(line.Bytes)
		if !done && bytes.Contains(bytes.ToLower(row), []byte("9cd92d4c-bafd-4492-b278-bedc2de8232a")) && machine.Match(row) {
			row, done = quantity.ReplaceAll(row, []byte(`"quantity":2.5`)), true
		}
		if err = errors.Join(err, w.Row(row)); err != nil {
			return nil, name, err
		}
	}
	if !done {
		return nil, name, fmt.Errorf("%s has no row of a Windows machine", name)
	}
	if _, _, err := w.Close(1); err != nil {
		return nil, name, err
	}
	return out.Bytes(), landing.NameOf(name.CloudID, name.Hour, sha256.Sum256(out.Bytes())), nil
}
