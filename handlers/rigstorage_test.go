package handlers_test

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/faultstore"
	"stackusage/internal/memstore"
	"stackusage/shared/azurestore"
	"stackusage/shared/content"
	"stackusage/shared/table"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(300) // the tests are many and small; what is left of one is little
	azuritetest.Main(m)
}

// soaks reports whether make soak runs the tests.
func soaks() bool { return os.Getenv("STACKUSAGE_SOAK") != "" }

// soak is how many cases a random or an exhaustive test runs: few by default,
// all in make soak.
func soak(few, all int) int {
	if soaks() {
		return all
	}
	return few
}

// onAzurite are the tests that run on Azurite in make test, too. The others run in
// memory, on a store that the tests of shared/azurestore hold to what Azure does; make
// soak runs all of them on Azurite.
var onAzurite = []string{
	"TestEveryMessageIsLostOnce", "TestVerifyAndTheAppAtOnce", "TestIngestHourCrashes", "TestCost", "TestTwoSendersAtOnce",
}

// storage is where a rig stands.
type storage struct {
	Tables interface {
		table.Store
		Create(ctx context.Context, names ...string) error
	}
	Blobs  blobStore
	Queues queueStore
	noBlob error // what Open of a blob that is not there fails with
}

// blobStore is what the app, the auditor and the tests do with blobs.
type blobStore interface {
	PutWhole(ctx context.Context, container, name string, body io.ReadSeekCloser) error
	faultstore.BlobStore
	Create(ctx context.Context, containers ...string) error
	List(ctx context.Context, container string, each func(name string, storedAt time.Time) error) error
}

// queueStore is what the app and the tests do with queues.
type queueStore interface {
	faultstore.QueueStore
	Create(ctx context.Context, names ...string) error
	PutRaw(ctx context.Context, queue, raw string) error
	Clear(ctx context.Context, queue string) error
}

// newStorage is empty storage, of this test alone.
func newStorage(t testing.TB) storage {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	return storageOn(t, !azuritetest.Spared() && (soaks() || slices.Contains(onAzurite, test)))
}

// storageOn is empty storage on Azurite or in memory.
func storageOn(t testing.TB, azurite bool) storage {
	t.Helper()
	if !azurite {
		account := memstore.New()
		return storage{account.Tables, account.Blobs, account.Queues, content.ErrNoBlob}
	}
	connection := azuritetest.Account(t)
	account, err := azurestore.Connect(azuritetest.Setting(connection), "UsageStorage")
	ok(t, err)
	raw, err := azqueue.NewServiceClientFromConnectionString(connection, nil)
	ok(t, err)
	return storage{account.Tables, account.Blobs, azureQueues{account.Queues, raw}, content.ErrNoBlob}
}

// azureQueues are queues in Azure, and what others than the app do with them.
type azureQueues struct {
	*azurestore.Queues
	raw *azqueue.ServiceClient
}

func (q azureQueues) PutRaw(ctx context.Context, queue, raw string) error {
	_, err := q.raw.NewQueueClient(queue).EnqueueMessage(ctx, raw, nil)
	return err
}

func (q azureQueues) Clear(ctx context.Context, queue string) error {
	_, err := q.raw.NewQueueClient(queue).ClearMessages(ctx, nil)
	return err
}

// breaking are blobs whose downloads break once so many bytes came of all of them.
type breaking struct {
	blobStore
	left int
}

func (b *breaking) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := b.blobStore.Open(ctx, container, name)
	return &cut{body, &b.left}, at, err
}

// cut is a body whose connection breaks.
type cut struct {
	io.ReadCloser
	left *int
}

func (c *cut) Read(p []byte) (int, error) {
	if *c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), *c.left)])
	*c.left -= n
	return n, err
}
