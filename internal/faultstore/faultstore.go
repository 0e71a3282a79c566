// Package faultstore puts tests in front of each operation on storage: a hook lets it
// pass, fails it unstored, or lets it be stored and reports a failure. It stands on
// any tables, blobs and queues, in memory or in Azure.
package faultstore

import (
	"context"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"stackusage/shared/table"
)

// Operation is one operation of the app on storage: one request, but for what the
// service cuts into pages.
type Operation struct {
	Context context.Context
	Name    string        // of the table, container or queue
	Write   bool          // it changes what is stored
	List    bool          // it lists blobs or containers
	Rows    []table.Op    // what a write of a table writes
	Delay   time.Duration // of a message
}

// Hook decides on an operation: do carries it out and says how that ended. What the
// hook returns is what the app is told.
type Hook func(op Operation, do func() error) error

// Front is where a hook is put. The zero Front lets everything pass.
type Front struct{ hook atomic.Pointer[Hook] }

// Through puts a hook in front of all operations; nil takes it away.
func (f *Front) Through(h Hook) {
	if h == nil {
		f.hook.Store(nil)
		return
	}
	f.hook.Store(&h)
}

func (f *Front) pass(op Operation, do func() error) error {
	if h := f.hook.Load(); h != nil {
		return (*h)(op, do)
	}
	return do()
}

// Tables are tables behind the front.
type Tables struct {
	Front *Front
	Inner table.Store
}

var _ table.Store = Tables{}

// Get implements table.Store.
func (t Tables) Get(ctx context.Context, name, partition, key string) (row table.Row, err error) {
	err = t.Front.pass(Operation{Context: ctx, Name: name}, func() (err error) {
		row, err = t.Inner.Get(ctx, name, partition, key)
		return err
	})
	return row, err
}

// List implements table.Store.
func (t Tables) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return t.rows(ctx, name, t.Inner.List(ctx, name, partition, from, to))
}

// Scan implements table.Store.
func (t Tables) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	return t.rows(ctx, name, t.Inner.Scan(ctx, name, from, to, any...))
}

// rows are read after the hook has let them.
func (t Tables) rows(ctx context.Context, name string, all iter.Seq2[table.Row, error]) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		if err := t.Front.pass(Operation{Context: ctx, Name: name}, func() error { return nil }); err != nil {
			yield(table.Row{}, err)
			return
		}
		all(yield)
	}
}

// Apply implements table.Store.
func (t Tables) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if len(ops) == 0 {
		return t.Inner.Apply(ctx, name, partition)
	}
	return t.Front.pass(Operation{Context: ctx, Name: name, Write: true, Rows: ops}, func() error {
		return t.Inner.Apply(ctx, name, partition, ops...)
	})
}

// BlobStore is what the app does with blobs.
type BlobStore interface {
	Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
	Containers(ctx context.Context, prefix string) ([]string, error)
	ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error
}

// Blobs are blobs behind the front.
type Blobs struct {
	Front *Front
	Inner BlobStore
}

var _ BlobStore = Blobs{}

// Put implements BlobStore.
func (b Blobs) Put(ctx context.Context, container, name string, body io.ReadSeekCloser, size int64) error {
	return b.Front.pass(Operation{Context: ctx, Name: container, Write: true}, func() error {
		return b.Inner.Put(ctx, container, name, body, size)
	})
}

// Open implements BlobStore.
func (b Blobs) Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error) {
	err = b.Front.pass(Operation{Context: ctx, Name: container}, func() (err error) {
		body, storedAt, err = b.Inner.Open(ctx, container, name)
		return err
	})
	if err != nil {
		if body != nil {
			body.Close()
		}
		return nil, storedAt, err
	}
	return body, storedAt, nil
}

// Containers implements BlobStore.
func (b Blobs) Containers(ctx context.Context, prefix string) (names []string, err error) {
	err = b.Front.pass(Operation{Context: ctx, Name: prefix, List: true}, func() (err error) {
		names, err = b.Inner.Containers(ctx, prefix)
		return err
	})
	return names, err
}

// ListPrefix implements BlobStore.
func (b Blobs) ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error {
	if err := b.Front.pass(Operation{Context: ctx, Name: container, List: true}, func() error { return nil }); err != nil {
		return err
	}
	return b.Inner.ListPrefix(ctx, container, prefix, each)
}

// QueueStore is what the app does with queues.
type QueueStore interface {
	Enqueue(ctx context.Context, queue, text string, delay time.Duration) error
	Depth(ctx context.Context, queue string) (int64, error)
	Drain(ctx context.Context, queue string, take func(text string) error) error
}

// Queues are queues behind the front.
type Queues struct {
	Front *Front
	Inner QueueStore
}

var _ QueueStore = Queues{}

// Enqueue implements QueueStore.
func (q Queues) Enqueue(ctx context.Context, queue, text string, delay time.Duration) error {
	return q.Front.pass(Operation{Context: ctx, Name: queue, Write: true, Delay: delay}, func() error {
		return q.Inner.Enqueue(ctx, queue, text, delay)
	})
}

// Depth implements QueueStore.
func (q Queues) Depth(ctx context.Context, queue string) (n int64, err error) {
	err = q.Front.pass(Operation{Context: ctx, Name: queue}, func() (err error) {
		n, err = q.Inner.Depth(ctx, queue)
		return err
	})
	return n, err
}

// Drain implements QueueStore: reading the queue is an operation, and so is the
// deletion of each message that was taken.
func (q Queues) Drain(ctx context.Context, queue string, take func(text string) error) error {
	if err := q.Front.pass(Operation{Context: ctx, Name: queue}, func() error { return nil }); err != nil {
		return err
	}
	var failed error // at a deletion that was done all the same
	err := q.Inner.Drain(ctx, queue, func(text string) error {
		if failed != nil {
			return failed
		}
		if err := take(text); err != nil {
			return err
		}
		deleted := false
		err := q.Front.pass(Operation{Context: ctx, Name: queue, Write: true}, func() error { deleted = true; return nil })
		if err != nil && deleted {
			failed = err
			return nil
		}
		return err
	})
	if failed != nil {
		return failed
	}
	return err
}
