package costs

import (
	"context"
	"io"
	"iter"
	"sync"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/table"
)

// pageRows and pageBlobs are how many rows and blobs one answer of the service lists.
const (
	pageRows  = 1000
	pageBlobs = 5000
)

// blockBytes is how much of a large blob one request stores; up to singlePut it is one
// request. As shared/azurestore has it.
const (
	singlePut  = 64 << 20
	blockBytes = 8 << 20
)

// Counter counts what storage bills. The zero Counter has counted nothing.
type Counter struct {
	lock   sync.Mutex
	counts Counts
}

func (c *Counter) add(m Meter, n int64) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.counts == nil {
		c.counts = Counts{}
	}
	c.counts[m] += n
}

// Take returns what was counted, and begins again.
func (c *Counter) Take() Counts {
	c.lock.Lock()
	defer c.lock.Unlock()
	counts := c.counts.Times(1)
	c.counts = nil
	return counts
}

// Tables are tables whose operations are counted.
type Tables struct {
	Counter *Counter
	Inner   table.Store
}

var _ table.Store = Tables{}

// Get implements table.Store.
func (t Tables) Get(ctx context.Context, name, partition, key string) (table.Row, error) {
	t.Counter.add(TableOperations, 1)
	return t.Inner.Get(ctx, name, partition, key)
}

// List implements table.Store.
func (t Tables) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return counted(t.Counter, t.Inner.List(ctx, name, partition, from, to))
}

// Scan implements table.Store.
func (t Tables) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	return counted(t.Counter, t.Inner.Scan(ctx, name, from, to, any...))
}

// counted counts the pages that are read.
func counted(c *Counter, rows iter.Seq2[table.Row, error]) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		c.add(TableOperations, 1)
		n := 0
		for row, err := range rows {
			if n++; n > pageRows {
				c.add(TableOperations, 1)
				n = 1
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Apply implements table.Store.
func (t Tables) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if len(ops) > 0 {
		t.Counter.add(TableOperations, 1)
	}
	for _, op := range ops {
		if op.Verb == table.Insert || op.Verb == table.Put {
			t.Counter.add(TableBytes, rowBytes(op.Row))
		}
	}
	return t.Inner.Apply(ctx, name, partition, ops...)
}

// rowBytes is what a row takes as Azure Tables counts it: texts have two bytes a
// character.
func rowBytes(r table.Row) int64 {
	n := 4 + 2*(len(r.Partition)+len(r.Key))
	for name, v := range r.Props {
		n += 8 + 2*len(name)
		if s, ok := v.(string); ok {
			n += 2*len(s) + 4
		} else {
			n += 8
		}
	}
	return int64(n)
}

// Blobs are blobs whose operations are counted.
type Blobs struct {
	Counter *Counter
	Inner   faultstore.BlobStore
}

var _ faultstore.BlobStore = Blobs{}

// Put implements faultstore.BlobStore.
func (b Blobs) Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error {
	requests := int64(1)
	if size > singlePut {
		requests += (size + blockBytes - 1) / blockBytes
	}
	b.Counter.add(BlobWrites, requests)
	b.Counter.add(BlobBytes, size)
	return b.Inner.Put(ctx, container, name, body, size)
}

// Open implements faultstore.BlobStore.
func (b Blobs) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	b.Counter.add(BlobReads, 1)
	return b.Inner.Open(ctx, container, name)
}

// Containers implements faultstore.BlobStore.
func (b Blobs) Containers(ctx context.Context, prefix string) ([]string, error) {
	names, err := b.Inner.Containers(ctx, prefix)
	b.Counter.add(BlobLists, 1+int64(max(0, len(names)-1)/pageBlobs))
	return names, err
}

// ListPrefix implements faultstore.BlobStore.
func (b Blobs) ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error {
	b.Counter.add(BlobLists, 1)
	n := 0
	return b.Inner.ListPrefix(ctx, container, prefix, func(name string, storedAt time.Time) error {
		if n++; n > pageBlobs {
			b.Counter.add(BlobLists, 1)
			n = 1
		}
		return each(name, storedAt)
	})
}

// Queues are queues whose operations are counted.
type Queues struct {
	Counter *Counter
	Inner   faultstore.QueueStore
}

var _ faultstore.QueueStore = Queues{}

// Enqueue implements faultstore.QueueStore.
func (q Queues) Enqueue(ctx context.Context, queue, text string, delay time.Duration) error {
	q.Counter.add(QueueOperations, 1)
	return q.Inner.Enqueue(ctx, queue, text, delay)
}

// Depth implements faultstore.QueueStore.
func (q Queues) Depth(ctx context.Context, queue string) (int64, error) {
	q.Counter.add(QueueOperations, 1)
	return q.Inner.Depth(ctx, queue)
}

// Drain implements faultstore.QueueStore: a read, and a deletion of each message.
func (q Queues) Drain(ctx context.Context, queue string, take func(text string) error) error {
	q.Counter.add(QueueOperations, 1)
	return q.Inner.Drain(ctx, queue, func(text string) error {
		q.Counter.add(QueueOperations, 1)
		return take(text)
	})
}
