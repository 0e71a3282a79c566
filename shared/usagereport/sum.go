package usagereport

import (
	"context"
	"iter"

	"stackusage/shared/spill"
)

// sum makes the rows of all days.
func (r *run) sum(ctx context.Context) error {
	l := r.label(false)
	defer r.seen(l)
	if r.o.by(Resource) {
		return r.byResource(ctx, l, func(w *worker, uri string) error {
			var rows []item
			total, err := r.rowsOf(func(yield func(sum, error) bool) {
				for _, s := range r.sumsOf(l, w, uri) {
					if !yield(s, nil) {
						return
					}
				}
			}, func(i item) error {
				rows = append(rows, i)
				return nil
			})
			if err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.total(total)
			for _, row := range rows {
				if err := r.add(row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sums, err := spill.New(r.o.TempDir, r.o.Spill, spill.Rules[sumKey, sum]{
		Key: func(s sum) sumKey { return s.sumKey }, Compare: func(a, b sum) int { return a.compare(b.sumKey) }, Add: (*sum).add, Size: sum.size,
	})
	if err != nil {
		return err
	}
	defer sums.Close()
	if err := r.scan(ctx, l, func(w *worker) error {
		r.report.Lines += w.lines
		for _, s := range r.sumsOf(l, w, "") {
			if err := sums.Add(s); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	total, err := r.rowsOf(sums.All(), r.add)
	r.total(total)
	return err
}

// rowsOf makes rows of sums, which come in order, and adds up what is in the bill.
func (r *run) rowsOf(sums iter.Seq2[sum, error], add func(item) error) (total [2]Total, err error) {
	byMeter := r.o.byMeter()
	var meters []sum // of one row
	flush := func() error {
		if len(meters) == 0 {
			return nil
		}
		made := item{Key: meters[0].rowKey(byMeter), Row: r.row(meters, byMeter)}
		meters = meters[:0]
		return add(made)
	}
	for s, err := range sums {
		if err != nil {
			return total, err
		}
		if s.nothing() {
			continue
		}
		if len(meters) > 0 && (byMeter || s.Group != meters[0].Group || s.State != meters[0].State) {
			if err := flush(); err != nil {
				return total, err
			}
		}
		meters = append(meters, s)
		if states[s.State].InBill() {
			for i, f := range s.Of {
				total[i].Amount = total[i].Amount.Add(f.Amount)
				total[i].Unpriced += f.Unpriced
			}
		}
	}
	return total, flush()
}

func (r *run) total(of [2]Total) {
	for i := range of {
		r.report.Total[i].Amount = r.report.Total[i].Amount.Add(of[i].Amount)
		r.report.Total[i].Unpriced += of[i].Unpriced
	}
}

// add adds a row.
func (r *run) add(row item) error {
	r.move(row)
	return r.report.rows.add(row)
}

// move finds the row in the bill with the biggest change. A change of a quantity does not
// compare with others.
func (r *run) move(row item) {
	if row.Row.Change == nil || row.Row.Amount == nil || row.Row.Change.Sign() == 0 || !row.Row.State.InBill() {
		return
	}
	if r.mover != nil {
		if less := row.Row.Change.Abs().Sub(r.mover.Row.Change.Abs()).Sign(); less < 0 || less == 0 && r.mover.Key.compare(row.Key) < 0 {
			return
		}
	}
	r.mover, r.report.Mover = &row, &row.Row
}
