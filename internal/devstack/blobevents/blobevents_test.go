package blobevents_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/devstack/blobevents"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

const every = 10 * time.Millisecond

// stand is an account with a queue, and a network that can be down.
type stand struct {
	blobs *azblob.Client
	queue *azqueue.QueueClient
	down  atomic.Bool
	asked atomic.Int64
}

func (s *stand) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	if s.down.Load() {
		return nil, errors.New("connection refused")
	}
	return http.DefaultTransport.RoundTrip(req)
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{}
	connection := azuritetest.Account(t)
	options := policy.ClientOptions{Transport: &http.Client{Transport: s}, Retry: policy.RetryOptions{MaxRetries: -1}}
	var err error
	if s.blobs, err = azblob.NewClientFromConnectionString(connection, &azblob.ClientOptions{ClientOptions: options}); err != nil {
		t.Fatal(err)
	}
	queues, err := azqueue.NewServiceClientFromConnectionString(connection, &azqueue.ClientOptions{ClientOptions: options})
	if err != nil {
		t.Fatal(err)
	}
	s.queue = queues.NewQueueClient("usage-landed")
	if _, err := s.queue.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stand) container(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := s.blobs.CreateContainer(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *stand) upload(t *testing.T, container, blob, text string) {
	t.Helper()
	if _, err := s.blobs.UploadBuffer(t.Context(), container, blob, []byte(text), nil); err != nil {
		t.Fatal(err)
	}
}

// watch runs a watcher until the test ends, and returns how to end it before.
func (s *stand) watch(t *testing.T) (stop func()) {
	t.Helper()
	w := &blobevents.Watcher{Blobs: s.blobs, Queue: s.queue, Prefix: "landing-", Every: every}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// messages waits until n messages have come and takes them off the queue.
func (s *stand) messages(t *testing.T, n int) []map[string]any {
	t.Helper()
	var got []map[string]any
	for deadline := time.Now().Add(20 * time.Second); len(got) < n; time.Sleep(every) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d messages came", len(got), n)
		}
		most := int32(32)
		resp, err := s.queue.DequeueMessages(t.Context(), &azqueue.DequeueMessagesOptions{NumberOfMessages: &most})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range resp.Messages {
			got = append(got, decode(t, *m.MessageText))
			if _, err := s.queue.DeleteMessage(t.Context(), *m.MessageID, *m.PopReceipt, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(got) > n {
		t.Fatalf("%d messages came, want %d", len(got), n)
	}
	return got
}

func decode(t *testing.T, message string) map[string]any {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(message)
	if err != nil {
		t.Fatalf("read %q: %v", message, err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var event map[string]any // one object, not a list
	if err := dec.Decode(&event); err != nil || dec.More() {
		t.Fatalf("read %s: %v", text, err)
	}
	return event
}

// looks waits until the watcher has asked the storage some more times.
func (s *stand) looks(t *testing.T, times int64) {
	t.Helper()
	until, deadline := s.asked.Load()+times, time.Now().Add(20*time.Second)
	for ; s.asked.Load() < until; time.Sleep(every) {
		if time.Now().After(deadline) {
			t.Fatal("the watcher has stopped looking")
		}
	}
}

// mustBeQuiet lets the watcher look a few times more and checks that nothing
// has come of it.
func (s *stand) mustBeQuiet(t *testing.T) {
	t.Helper()
	s.looks(t, 12)
	resp, err := s.queue.PeekMessages(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range resp.Messages {
		t.Errorf("came: %v", decode(t, *m.MessageText))
	}
}

func subjects(events []map[string]any) []string {
	var all []string
	for _, e := range events {
		all = append(all, e["subject"].(string))
	}
	slices.Sort(all)
	return all
}

func TestAnEventIsAsEventGridWritesIt(t *testing.T) {
	s := newStand(t)
	s.container(t, "landing-a")
	const blob = "2019/12/10/19-0123456789abcdef.ndjson.gz"
	s.upload(t, "landing-a", blob, "abc")
	props, err := s.blobs.ServiceClient().NewContainerClient("landing-a").NewBlobClient(blob).GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.watch(t)
	got := s.messages(t, 1)[0]

	data, _ := got["data"].(map[string]any)
	diagnostics, _ := data["storageDiagnostics"].(map[string]any)
	for _, id := range []any{got["id"], data["requestId"], data["clientRequestId"], diagnostics["batchId"]} {
		if text, _ := id.(string); uuid.Validate(text) != nil {
			t.Errorf("%v is no id", id)
		}
	}
	delete(got, "id")
	for _, key := range []string{"requestId", "clientRequestId", "storageDiagnostics"} {
		delete(data, key)
	}
	if sequencer, _ := data["sequencer"].(string); len(sequencer) != 48 {
		t.Errorf("sequencer %v", data["sequencer"])
	}
	delete(data, "sequencer")
	when, err := time.Parse(time.RFC3339Nano, got["eventTime"].(string))
	if err != nil || time.Since(when).Abs() > time.Minute || !strings.HasSuffix(got["eventTime"].(string), "Z") {
		t.Errorf("eventTime %v, %v", got["eventTime"], err)
	}
	delete(got, "eventTime")

	account, err := url.Parse(s.blobs.URL())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"topic":           "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/local",
		"subject":         "/blobServices/default/containers/landing-a/blobs/" + blob,
		"eventType":       "Microsoft.Storage.BlobCreated",
		"dataVersion":     "",
		"metadataVersion": "1",
		"data": map[string]any{
			"api": "PutBlob", "contentType": "application/octet-stream", "contentLength": 3.0, "blobType": "BlockBlob",
			"eTag": strings.Trim(string(*props.ETag), `"`),
			"url":  account.JoinPath("landing-a", blob).String(),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEachBlobIsAnnouncedOnce(t *testing.T) {
	s := newStand(t)
	s.container(t, "landing-a", "partials")
	s.upload(t, "landing-a", "before", "1")
	s.upload(t, "partials", "not-watched", "1")
	stop := s.watch(t)
	check := func(t *testing.T, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, subjects(s.messages(t, len(want)))); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		s.mustBeQuiet(t)
	}
	const root = "/blobServices/default/containers/"
	t.Run("that was there before", func(t *testing.T) { check(t, root+"landing-a/blobs/before") })
	t.Run("that comes later", func(t *testing.T) {
		s.upload(t, "landing-a", "later/1", "1")
		s.upload(t, "landing-a", "later/2", "1")
		check(t, root+"landing-a/blobs/later/1", root+"landing-a/blobs/later/2")
	})
	t.Run("in a container that comes later", func(t *testing.T) {
		s.container(t, "landing-b")
		s.upload(t, "landing-b", "x", "1")
		check(t, root+"landing-b/blobs/x")
	})
	t.Run("that is written over, as Event Grid does", func(t *testing.T) {
		s.upload(t, "landing-b", "x", "2")
		check(t, root+"landing-b/blobs/x")
	})
	t.Run("and after an outage of the storage", func(t *testing.T) {
		s.down.Store(true)
		s.looks(t, 5)
		s.down.Store(false)
		s.upload(t, "landing-a", "after", "1")
		check(t, root+"landing-a/blobs/after")
	})
	t.Run("and after the queue was away", func(t *testing.T) {
		if _, err := s.queue.Delete(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		s.upload(t, "landing-a", "unheard", "1")
		s.looks(t, 12)
		if _, err := s.queue.Create(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		check(t, root+"landing-a/blobs/unheard")
	})
	t.Run("of each process", func(t *testing.T) {
		stop()
		s.watch(t)
		if got := s.messages(t, 6); len(got) != 6 {
			t.Errorf("%d events", len(got))
		}
	})
}
