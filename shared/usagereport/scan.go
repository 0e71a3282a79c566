package usagereport

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"stackusage/shared/usagesums"
)

// Bounds of a scan.
const (
	maxCells   = 20_000 // in memory, of each worker
	maxTexts   = 10_000 // of tags, of each worker
	maxWorkers = 8
)

// worker is one goroutine of a scan.
type worker struct {
	counter
	tags tagger
}

func (r *run) worker() *worker {
	return &worker{counter{byUsageDay: r.o.ByUsageDay}, newTagger(r.o)}
}

// workers runs so many pieces of work, several at once.
func (r *run) workers(ctx context.Context, pieces int, work func(w *worker, piece int) error) error {
	all, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), maxWorkers, pieces) {
		all.Go(func() error {
			w := r.worker()
			for ctx.Err() == nil {
				piece := int(next.Add(1)) - 1
				if piece >= pieces {
					return nil
				}
				if err := work(w, piece); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return all.Wait()
}

// scan goes through the sums of days, whatever the resource is, and calls take with
// cells: some at a time, a cell perhaps several times, one call at a time.
func (r *run) scan(ctx context.Context, l *labels, take func(*worker) error) error {
	return r.workers(ctx, len(l.days), func(w *worker, piece int) error {
		if err := r.scanDay(l.days[piece], w, take); err != nil {
			return err
		}
		return r.taken(w, take)
	})
}

func (r *run) taken(w *worker, take func(*worker) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := take(w)
	w.cells.clear()
	w.tags.clear()
	w.lines = 0
	return err
}

func (r *run) scanDay(d *labelled, w *worker, take func(*worker) error) error {
	if r.o.Only.Resource == "" && !r.o.byTag() {
		return d.sums.Coarse(func(e *usagesums.Entry) error {
			w.entry(d, e, 0, "")
			return nil
		})
	}
	c := d.sums.Resources()
	uri := r.o.Only.uri()
	if uri != "" {
		c.Seek(uri)
	}
	for c.Next() && (uri == "" || string(c.Key) == uri) {
		if w.record(r, d, c); len(w.cells.all) > maxCells || len(w.tags.texts) > maxTexts {
			if err := r.taken(w, take); err != nil {
				return err
			}
		}
	}
	return c.Err
}

// record adds the record of a cursor.
func (w *worker) record(r *run, d *labelled, c *usagesums.Cursor) {
	if last := r.o.Only.last(); last != "" && last != string(c.Key[bytes.LastIndexByte(c.Key, '/')+1:]) {
		return
	}
	tags := w.tags.number(c.Tags)
	var e usagesums.Entry
	for c.Entry(&e) {
		w.entry(d, &e, tags, "")
	}
}

// byResource goes through the sums of days resource by resource, and calls take with the
// cells of each, from several goroutines. A resource comes once.
func (r *run) byResource(ctx context.Context, l *labels, take func(w *worker, uri string) error) error {
	var days []*usagesums.Day
	for _, d := range l.days {
		days = append(days, d.sums)
	}
	bounds := []string{"", ""} // first keys of ranges; the last range has no end
	if uri := r.o.Only.uri(); uri != "" {
		bounds = []string{uri, uri + "\x00"}
	} else {
		bounds = slices.Insert(bounds, 1, usagesums.Splits(days, 4*min(runtime.GOMAXPROCS(0), maxWorkers))...)
	}
	return r.workers(ctx, len(bounds)-1, func(w *worker, piece int) error {
		m := merge{from: bounds[piece], to: bounds[piece+1]}
		defer r.count(w) // also lines of which nothing is left, which are in no cell
		return m.run(ctx, l, func(uri string, at []*reading) error {
			if last := r.o.Only.last(); last != "" && last != uri[strings.LastIndexByte(uri, '/')+1:] {
				return nil
			}
			for _, of := range at {
				w.resource(of)
			}
			if len(w.cells.all) == 0 {
				return nil
			}
			err := take(w, uri)
			w.cells.clear()
			if len(w.tags.texts) > maxTexts {
				w.tags.clear()
			}
			return err
		})
	})
}

// count counts the lines of a worker.
func (r *run) count(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Lines += w.lines
	w.lines = 0
}

// resource adds the records of a resource, at whose first the cursor is.
func (w *worker) resource(at *reading) {
	var e usagesums.Entry
	for {
		tags := w.tags.number(at.Tags)
		if string(at.Spelling) != at.spelling {
			at.spelling = string(at.Spelling)
		}
		for at.Entry(&e) {
			w.entry(at.day, &e, tags, at.spelling)
		}
		at.before = append(at.before[:0], at.Key...)
		if !at.advance() || !bytes.Equal(at.before, at.Key) {
			return
		}
	}
}
