// Package redrive ingests rejected rows of an hour blob again, as they came or as an
// operator fixed them.
//
// The order of its writes:
//
//	corrected    a corrected hour blob: the rows that count and those that are accepted now
//	UsageHours   the decision that it takes the place of the file that counts
//	...          what ingest writes of any file that supersedes another
//	Quarantine   dismissals of rows that were decided meanwhile
//
// A crash between two of them costs nothing: a repeat, or whoever redrives the hour
// next, carries out what was decided. Decision 0014.
package redrive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// Redriver sends rejected rows again.
type Redriver struct {
	Tables   table.Store
	Landing  content.Opener // hour blobs
	App      content.Store  // quarantine, partials and corrected blobs
	Settings ingest.Settings
	Region   func(ctx context.Context, cloudID string) (ingest.RegisteredRegion, error) // nil: see ingest.Ingester
}

// Request says which rejected rows of an hour are sent again, and how. Lines are
// those of the landed blob, whatever was corrected since.
type Request struct {
	ID       hourlog.ID                     // of the file that counts, or counted when it was looked at
	Want     func(hourlog.RejectedRow) bool // nil: all that are still rejected
	Fixed    map[int64][]byte               // by line, in place of the row as it came
	Why      reasoned.Decision
	DryRun   bool                     // only say which rows would count
	Still    func(ingest.RejectedRow) // a row that is rejected again
	Progress func(rows int64)         // rows looked at
}

// wants reports whether a row is sent again as it came.
func (q Request) wants(row hourlog.RejectedRow) bool {
	if q.Want == nil {
		return q.Fixed == nil && row.State != hourlog.Dismissed
	}
	return q.Fixed == nil && q.Want(row)
}

// Outcome is what a redrive did.
type Outcome struct {
	Corrected string            // hash in the name of the corrected blob; empty if no row counts
	Rows      int64             // that count now
	Still     int64             // rejected again
	UsageDays string            // that are closed again
	Already   bool              // an earlier run did it
	Why       reasoned.Decision // of the run that did it
}

// redriveTries bounds how often a redrive begins again because another file came to
// count meanwhile.
const redriveTries = 5

// Redrive ingests rejected rows again and makes those that are accepted now count, by
// a corrected blob that takes the place of the file that counts: it is stored, then
// announced (hourlog.AskCorrect), then added up and let in like any file that
// supersedes another. It may be repeated at any time. Where somebody else has made
// the very rows count, that is the outcome, and no error.
func (r Redriver) Redrive(ctx context.Context, req Request) (out Outcome, err error) {
	err = hourlog.ErrMoved
	for try := 0; try < redriveTries && errors.Is(err, hourlog.ErrMoved); try++ {
		out, err = r.redrive(ctx, req)
	}
	if err != nil {
		return out, fmt.Errorf("redrive rows of hour %s: %w", req.ID, err)
	}
	return out, nil
}

func (r Redriver) redrive(ctx context.Context, req Request) (Outcome, error) {
	id, standing, err := r.standing(ctx, req.ID)
	if err != nil {
		return Outcome{}, err
	}
	d := draft{Redriver: r, req: req, id: id, standing: standing}
	if err := d.read(ctx); err != nil {
		if errors.Is(err, reasoned.ErrDecided) {
			err = hourlog.ErrMoved // another file has come to count since standing was read
		}
		return d.out, err
	}
	if err := d.counted(); err != nil || d.out.Rows == 0 || d.out.Already || req.DryRun {
		return d.out, err
	}
	name, h, err := d.store(ctx)
	if err != nil {
		return d.out, err
	}
	corrected := id
	corrected.SHA16, d.out.Corrected = name.SHA16, name.SHA16
	if other := standing.Challenger; other != "" && other != name.SHA16 {
		if err := r.finishOther(ctx, id, other); err != nil {
			return d.out, err
		}
	}
	if d.out.Already, err = hourlog.AskCorrect(ctx, r.Tables, corrected, h, id.SHA16, req.Why); err != nil {
		if errors.Is(err, reasoned.ErrDecided) && standing.Challenger == "" {
			err = hourlog.ErrMoved // somebody began meanwhile
		}
		return d.out, err
	}
	if d.out.Already {
		// Whoever did it may have died before it copied dismissals the second time.
		if h, err = hourlog.Read(ctx, r.Tables, corrected); err == nil {
			_, err = hourlog.CopyDismissals(ctx, r.Tables, id, corrected, h.RejectedFile)
		}
	} else {
		err = r.carryOut(ctx, corrected)
	}
	if err != nil {
		return d.out, err
	}
	if h, err = hourlog.Read(ctx, r.Tables, corrected); err == nil && h.Verdict != hourlog.Accepted {
		err = fmt.Errorf("the corrected blob is %s: %w", h.Verdict, reasoned.ErrDecided)
	}
	d.out.UsageDays, d.out.Why = h.UsageDays, whyOf(h)
	return d.out, err
}

// standing finds the file that counts for the hour of a request, and fails if its
// lines are not those that the request speaks of.
func (r Redriver) standing(ctx context.Context, id hourlog.ID) (hourlog.ID, hourlog.Hour, error) {
	asked, err := hourlog.Read(ctx, r.Tables, id)
	if err != nil {
		return id, asked, err
	}
	asked.Counts = id.SHA16
	standing, err := hourlog.AcceptedHour(ctx, r.Tables, id)
	if err == nil && (standing.Counts == "" || standing.Root() != asked.Root()) {
		err = fmt.Errorf("file %q counts for the hour: %w", standing.Counts, reasoned.ErrDecided)
	}
	id.SHA16 = standing.Counts
	return id, standing, err
}

// finishOther carries out a redrive of the same hour that is on its way: whoever
// began it may have died.
func (r Redriver) finishOther(ctx context.Context, id hourlog.ID, other string) error {
	id.SHA16 = other
	h, err := hourlog.Read(ctx, r.Tables, id)
	if errors.Is(err, table.ErrNotFound) || err == nil && h.Decision != hourlog.DecisionRedrive {
		return nil // AskCorrect says why not
	}
	if err == nil && h.TakesOver() {
		err = r.carryOut(ctx, id)
	}
	if err == nil {
		err = hourlog.ErrMoved
	}
	return err
}

// carryOut lets a corrected blob take the place of the file that counts, as
// IngestHour does if this is not done. It is ErrMoved if a row of it was dismissed.
func (r Redriver) carryOut(ctx context.Context, id hourlog.ID) error {
	have, err := hourlog.Read(ctx, r.Tables, id)
	if err != nil {
		return err
	}
	name, body, err := r.open(ctx, have.Blob)
	if err != nil {
		return err
	}
	defer body.Close()
	h := hourlog.Hour{Blob: have.Blob, LandedAt: have.LandedAt, Reporting: have.Reporting}
	h.Inherit(have)
	g := ingest.Ingester{Tables: r.Tables, App: r.App, Settings: r.Settings}
	if r.Region != nil {
		if g.Region, err = r.Region(ctx, id.CloudID); err != nil {
			return err
		}
	}
	_, h, err = g.Ingest(ctx, id, name, h, body)
	if err == nil && h.Decision == hourlog.DecisionWithdrawn {
		err = hourlog.ErrMoved
	}
	return err
}

// open opens a landed or a corrected blob by its path.
func (r Redriver) open(ctx context.Context, path string) (landing.Name, io.ReadCloser, error) {
	blob := content.At(path)
	name, err := landing.ParseName(blob.Container, blob.Name)
	if err != nil {
		return name, nil, err
	}
	body, _, err := landing.Files{Landed: r.Landing, Corrected: r.App}.Open(ctx, blob.Container, blob.Name)
	return name, body, err
}

// whyOf says who made a file count.
func whyOf(h hourlog.Hour) reasoned.Decision {
	return reasoned.Decision{Reason: h.DecisionReason, By: h.DecidedBy, At: h.DecidedAt}
}

// RejectedRow is a rejected row with its bytes.
type RejectedRow struct {
	hourlog.RejectedRow
	Cut bool // Row is only the beginning; the hour blob has all of it
	Row []byte
}

// RejectedRows goes through the rejected rows of an hour blob that counts, with the bytes
// that they came with, in order of line; redriven rows of what it corrects too.
func (r Redriver) RejectedRows(ctx context.Context, id hourlog.ID) iter.Seq2[RejectedRow, error] {
	return func(yield func(RejectedRow, error) bool) {
		files := map[string]*keptRows{}
		defer func() {
			for _, f := range files {
				f.stop()
			}
		}()
		for row, err := range hourlog.RejectedRows(ctx, r.Tables, id) {
			out := RejectedRow{RejectedRow: row}
			file := files[row.Bytes]
			if err == nil && file == nil {
				if file, err = r.openKept(ctx, row.Bytes); err == nil {
					files[row.Bytes] = file
				}
			}
			if err == nil {
				var kept ingest.RejectedRow
				kept, err = file.at(row.Line)
				out.Cut, out.Row = kept.Cut, kept.Row
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// keptRows reads a file of rejected rows in order.
type keptRows struct {
	path string
	next func() (ingest.RejectedRow, error, bool)
	stop func()
}

func (r Redriver) openKept(ctx context.Context, path string) (*keptRows, error) {
	blob := content.At(path)
	body, _, err := r.App.Open(ctx, blob.Container, blob.Name)
	if err != nil {
		return nil, err
	}
	k := &keptRows{path: path}
	next, stop := iter.Pull2(ingest.ReadRejected(body))
	k.next, k.stop = next, func() { stop(); body.Close() }
	return k, nil
}

func (k *keptRows) at(line int64) (ingest.RejectedRow, error) {
	for {
		kept, err, more := k.next()
		if err != nil {
			return kept, err
		}
		if !more || kept.Line > line {
			return kept, fmt.Errorf("file %s: it has not the row of line %d", k.path, line)
		}
		if kept.Line == line {
			return kept, nil
		}
	}
}
