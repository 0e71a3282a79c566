// Package blobevents does locally what Azure Event Grid does in Azure: it puts
// a BlobCreated event on a queue for each blob that appears in the landing
// containers. It knows nothing of what the blobs hold.
package blobevents

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/google/uuid"
)

// Watcher announces blobs. All fields are set before Run.
type Watcher struct {
	Blobs  *azblob.Client
	Queue  *azqueue.QueueClient
	Prefix string // of the containers to watch
	Every  time.Duration

	seen map[string]bool // container/blob/etag
}

// event is the Event Grid schema of a BlobCreated event, as the storage queue
// gets it: one object, base64.
type event struct {
	Topic           string    `json:"topic"`
	Subject         string    `json:"subject"`
	EventType       string    `json:"eventType"`
	ID              string    `json:"id"`
	Data            eventData `json:"data"`
	DataVersion     string    `json:"dataVersion"`
	MetadataVersion string    `json:"metadataVersion"`
	EventTime       time.Time `json:"eventTime"`
}

type eventData struct {
	API                string            `json:"api"`
	ClientRequestID    string            `json:"clientRequestId"`
	RequestID          string            `json:"requestId"`
	ETag               string            `json:"eTag"`
	ContentType        string            `json:"contentType"`
	ContentLength      int64             `json:"contentLength"`
	BlobType           string            `json:"blobType"`
	URL                string            `json:"url"`
	Sequencer          string            `json:"sequencer"` // opaque
	StorageDiagnostics map[string]string `json:"storageDiagnostics"`
}

// Run announces blobs until ctx ends. Storage that does not answer for a while is
// asked again.
func (w *Watcher) Run(ctx context.Context) {
	w.seen = map[string]bool{}
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		_ = w.look(ctx) // at the next tick again
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *Watcher) look(ctx context.Context) error {
	containers := w.Blobs.NewListContainersPager(&azblob.ListContainersOptions{Prefix: &w.Prefix})
	for containers.More() {
		page, err := containers.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.ContainerItems {
			if err := w.lookInto(ctx, *c.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Watcher) lookInto(ctx context.Context, container string) error {
	blobs := w.Blobs.NewListBlobsFlatPager(container, nil)
	for blobs.More() {
		page, err := blobs.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Segment.BlobItems {
			p := item.Properties
			key := container + "/" + *item.Name + "/" + string(*p.ETag)
			if w.seen[key] {
				continue
			}
			data := eventData{
				API: "PutBlob", ClientRequestID: uuid.NewString(), RequestID: uuid.NewString(),
				ETag: string(*p.ETag), ContentType: *p.ContentType, ContentLength: *p.ContentLength, BlobType: "BlockBlob",
				URL:                w.url(container, *item.Name),
				Sequencer:          fmt.Sprintf("%032X%016X", 0, len(w.seen)),
				StorageDiagnostics: map[string]string{"batchId": uuid.NewString()},
			}
			if err := w.announce(ctx, container, *item.Name, data); err != nil {
				return err
			}
			w.seen[key] = true
		}
	}
	return nil
}

// url is the blob's address as Event Grid writes it: the slashes in the name
// stay slashes, where the SDK escapes them.
func (w *Watcher) url(container, blob string) string {
	return w.Blobs.ServiceClient().NewContainerClient(container).URL() + (&url.URL{Path: "/" + blob}).EscapedPath()
}

func (w *Watcher) announce(ctx context.Context, container, blob string, data eventData) error {
	text, err := json.Marshal(event{
		Topic:     "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/local",
		Subject:   "/blobServices/default/containers/" + container + "/blobs/" + blob,
		EventType: "Microsoft.Storage.BlobCreated", ID: uuid.NewString(), Data: data,
		MetadataVersion: "1", EventTime: time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	_, err = w.Queue.EnqueueMessage(ctx, base64.StdEncoding.EncodeToString(text), nil)
	return err
}
