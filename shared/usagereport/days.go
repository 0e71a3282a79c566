package usagereport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagesums"
)

// How many days are looked up, and made, at once: storage answers several calls at once,
// and each day that is made takes the memory of Options.Spill sums.
const (
	maxLookups = 8
	maxMade    = 2
)

// Unread is a closed day that a report does not contain, because it is not in the cache.
type Unread struct {
	CloudID, Registration string // its name
	Day                   usage.Day
	Open                  bool // it has records without an outcome: it is read each time, and never cached
}

// closed is a closed day, and its sums once they are there.
type closed struct {
	*usagelines.Day
	name  string // of the registration
	final bool
	kept  bool // the sums are in the cache
	sums  *usagesums.Day
}

// source is a day in one of the spans that are compared.
type source struct {
	*closed
	span int
}

// run is one run.
type run struct {
	o             Options
	report        *Report
	registrations map[string]string // names by cloudId

	closed  []*closed
	sources []source // in order of registrations, spans and days
	mu      sync.Mutex
	read    int64 // lines
	mover   *item // the one of Report.Mover
}

// open finds the days and their sums.
func (r *run) open(ctx context.Context, reader *usagelines.Reader) error {
	for _, h := range r.o.Registrations {
		if err := r.list(ctx, reader, h); err != nil {
			return fmt.Errorf("sum usage of %s: %w", h.CloudID, err)
		}
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	if r.o.CachedOnly && r.o.Cache != nil {
		for _, c := range r.closed {
			if c.sums == nil {
				r.report.Unread = append(r.report.Unread, Unread{CloudID: c.CloudID, Registration: c.name, Day: c.Day.Day, Open: !c.final})
			}
		}
		return nil
	}
	return r.make(ctx, r.closed, func(*closed) error { return nil })
}

// list lists the closed days of a registration.
func (r *run) list(ctx context.Context, reader *usagelines.Reader, h registration.History) error {
	c := Coverage{CloudID: h.CloudID, Name: cmp.Or(h.Name(), h.CloudID)}
	r.registrations[c.CloudID] = c.Name
	known := map[usage.Day]*closed{}
	for i, span := range r.o.spans() {
		covered, err := reader.Coverage(ctx, h, span[0], span[1], r.o.Now)
		if err != nil {
			return err
		}
		c.Months = append(c.Months, covered)
		days, err := reader.Closed(ctx, usagelines.Query{CloudID: h.CloudID, First: span[0], Last: span[1], ByUsageDay: r.o.ByUsageDay})
		if err != nil {
			return err
		}
		for _, day := range days {
			if known[day.Day] == nil {
				known[day.Day] = &closed{Day: day, name: c.Name}
				r.closed = append(r.closed, known[day.Day])
			}
			r.sources = append(r.sources, source{known[day.Day], i})
		}
	}
	r.report.Coverage = append(r.report.Coverage, c)
	return nil
}

// find looks the days up in the cache.
func (r *run) find(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(maxLookups)
	for _, c := range r.closed {
		all.Go(func() (err error) {
			c.sums, c.final, err = r.o.Cache.Find(ctx, c.Day)
			return c.failed(err)
		})
	}
	return all.Wait()
}

func (c *closed) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sum usage of %s: %w", c.CloudID, err)
}

// make makes the sums of those days that have none, and calls each with them.
func (r *run) make(ctx context.Context, days []*closed, each func(*closed) error) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(min(maxMade, runtime.GOMAXPROCS(0)))
	for _, c := range days {
		if c.sums != nil || ctx.Err() != nil {
			continue
		}
		all.Go(func() (err error) {
			how := usagesums.Making{Final: c.final, TempDir: r.o.TempDir, Spill: r.o.Spill, Line: func() { r.progress(c.Day.Day) }}
			if c.sums, c.kept, err = r.o.Cache.Make(ctx, c.Day, how); err != nil {
				return c.failed(err)
			}
			return each(c)
		})
	}
	return all.Wait()
}

func (r *run) progress(day usage.Day) {
	if r.o.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read++
	r.o.Progress(day, r.read)
}

// close closes the files of the days.
func (r *run) close() (err error) {
	for _, c := range r.closed {
		if c.sums != nil {
			err = errors.Join(err, c.sums.Close())
			c.sums = nil
		}
	}
	return err
}

// Fill reads the days of a report that are not in the cache into it, the latest first.
// It calls progress, which may be nil, before the first and after each of them. Days with
// Unread.Open are left out.
func Fill(ctx context.Context, reader *usagelines.Reader, o Options, progress func(done, total int)) (err error) {
	if o.Cache == nil {
		return errors.New("fill the cache of usage sums: there is none")
	}
	r := &run{o: o, report: &Report{}, registrations: map[string]string{}}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, h := range o.Registrations {
		if err := r.list(ctx, reader, h); err != nil {
			return fmt.Errorf("sum usage of %s: %w", h.CloudID, err)
		}
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(r.closed), func(c *closed) bool { return c.sums != nil || !c.final })
	slices.SortStableFunc(missing, func(a, b *closed) int { return cmp.Compare(b.Day.Day, a.Day.Day) })
	done := 0
	tell := func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if done += n; progress != nil {
			progress(done, len(missing))
		}
	}
	tell(0)
	return r.make(ctx, missing, func(c *closed) error {
		if !c.kept {
			return errors.New("fill the cache of usage sums: its folder takes no file")
		}
		tell(1)
		err := c.sums.Close()
		c.sums = nil
		return err
	})
}
