package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Opener opens a blob as a stream.
type Opener interface {
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
}

// Store keeps the app's own files.
type Store interface {
	Opener
	content.Putter
}

// Redriver sends refused rows again.
type Redriver struct {
	Ledger   *ledger.Ledger
	Landing  Opener // hour blobs
	App      Store  // quarantine and partials
	Settings Settings
}

// Request says which refused rows of an hour blob are sent again, and how.
type Request struct {
	ID       ledger.HourID
	Want     func(ledger.RefusedRow) bool // nil: all that are still refused
	Fixed    map[int64][]byte             // by line, in place of the row as it came
	Run      string                       // a name that no other run has
	Why      ledger.Reasoned
	TakeOver bool             // another redrive of the hour that is on its way may be stopped
	DryRun   bool             // only say which rows would count
	Still    func(Refused)    // a row that is refused again
	Progress func(rows int64) // rows looked at

	counting bool // rows that count by a supplement are looked at too
}

// wants reports whether a row is sent again as it came.
func (q Request) wants(row ledger.RefusedRow) bool {
	if q.Want == nil {
		return q.Fixed == nil && row.State != ledger.Dismissed
	}
	return q.Fixed == nil && q.Want(row)
}

// Outcome is what a redrive did.
type Outcome struct {
	Supplement string          // hash in the name of the supplement; empty if no row counts
	Rows       int64           // in the supplement
	Still      int64           // refused again
	UsageDays  string          // that are stated again
	Already    bool            // an earlier run did it
	Why        ledger.Reasoned // of the run that did it

	counted bool // a row that was asked for counts by a supplement
}

// Redrive judges refused rows again and makes those that are taken now count, as
// a supplement to their hour. Contents come first; what claims the rows and what
// commits is said at ledger.Redrive. It may be repeated at any time: where the
// very rows count by another run's supplement, that is the outcome.
func (r Redriver) Redrive(ctx context.Context, req Request) (Outcome, error) {
	out, err := r.redrive(ctx, req)
	if lost(err) || err == nil && out.Rows == 0 && out.counted {
		if same, is := r.same(ctx, req); is {
			return same, nil
		}
	}
	if err != nil {
		return out, fmt.Errorf("redrive rows of hour %s: %w", req.ID, err)
	}
	return out, nil
}

func (r Redriver) redrive(ctx context.Context, req Request) (out Outcome, err error) {
	standing, err := r.Ledger.CountedHour(ctx, req.ID)
	if err != nil {
		return out, err
	}
	if !req.DryRun { // what a run that died after its commit left to be said
		if err := r.Ledger.FinishRedrives(ctx, req.ID); err != nil {
			return out, err
		}
	}
	d, err := r.draft(ctx, req, standing, &out)
	if err != nil {
		return out, err
	}
	defer d.discard()
	if out.Rows == 0 || req.DryRun {
		return out, nil
	}
	in, file := d.in, d.file
	out.Supplement = file.SHA256()[:16]
	name := fmt.Sprintf("%s-supplement-%s.ndjson.gz", filesOf(req.ID), out.Supplement)
	if err := file.Put(ctx, r.App, table.ContainerQuarantine, name); err != nil {
		return out, err
	}
	header, err := r.header(ctx, standing)
	if err != nil {
		return out, err
	}
	// The seconds of a redrive are no part of what it states: a repeat must write
	// the same inputs.
	h := ledger.Hour{
		Blob: table.ContainerQuarantine + "/" + name, SHA256: file.SHA256(), RowSetHash: d.trailer.RowSetHash, Bytes: file.Size(),
		Records: out.Rows, Accepted: out.Rows, LandedAt: standing.LandedAt,
	}
	in.id = ledger.SupplementOf(req.ID, out.Supplement)
	inputs, err := in.PutPartials(ctx, r.App, h, header)
	if err != nil {
		return out, err
	}
	h.UsageDays = UsageDays(inputs)
	out.UsageDays = h.UsageDays
	if out.Already, err = r.commit(ctx, req, out.Supplement, h, inputs, file); err != nil {
		return out, err
	}
	h, err = r.Ledger.Hour(ctx, in.id)
	out.Why = whyOf(h)
	return out, err
}

// write writes the rows that are taken now to file and adds them up.
func (r Redriver) write(ctx context.Context, req Request, standing ledger.Hour, in *Intake, file *content.File, out *Outcome) (landing.Trailer, error) {
	w, err := landing.NewSupplementWriter(file, landing.SupplementHeader{
		CloudID: req.ID.CloudID, ReportedStart: req.ID.Hour.Start(), HourBlob: standing.SHA256,
	})
	if err != nil {
		return landing.Trailer{}, err
	}
	fixed := 0
	for row, err := range r.Refused(ctx, req.ID, standing.Refusals) {
		if err != nil {
			return landing.Trailer{}, err
		}
		text, is := req.Fixed[row.Line]
		if is {
			fixed++
		} else if text = row.Row; !req.wants(row.RefusedRow) {
			continue
		}
		if row.State == ledger.Redriven && !req.counting {
			if is {
				return landing.Trailer{}, fmt.Errorf("row %d is in supplement %s already: %w", row.Line, row.Supplement, ledger.ErrDecided)
			}
			out.counted = true
			continue
		}
		record, refusal := usage.ParseRecord(text, req.ID.Hour)
		if row.Cut && !is {
			refusal = &usage.Refusal{Code: row.Code, Reason: row.Reason}
		}
		if refusal != nil {
			out.Still++
			if req.Still != nil {
				req.Still(Refused{Line: row.Line, Code: refusal.Code, Reason: refusal.Reason, Row: text})
			}
			continue
		}
		out.Rows++
		if err := errors.Join(in.add(record), w.Row(landing.SupplementRow{Line: row.Line, Row: text})); err != nil {
			return landing.Trailer{}, err
		}
		if req.Progress != nil {
			req.Progress(out.Rows + out.Still)
		}
	}
	if fixed < len(req.Fixed) {
		return landing.Trailer{}, fmt.Errorf("%d of the %d rows given are not in quarantine: %w", len(req.Fixed)-fixed, len(req.Fixed), table.ErrNotFound)
	}
	return w.Close()
}

// header is what the hour blob says of its stamp.
func (r Redriver) header(ctx context.Context, standing ledger.Hour) (landing.Header, error) {
	container, blob, _ := strings.Cut(standing.Blob, "/")
	name, err := landing.ParseName(container, blob)
	if err != nil {
		return landing.Header{}, err
	}
	body, _, err := r.Landing.Open(ctx, container, blob)
	if err != nil {
		return landing.Header{}, err
	}
	defer body.Close()
	reader, err := landing.NewReader(body, name, landing.Limits{})
	if err != nil {
		return landing.Header{}, err
	}
	return reader.Header(), nil
}

// commit claims the rows and makes the supplement count. A run that cannot have
// its rows gives the hour free again.
func (r Redriver) commit(ctx context.Context, req Request, supplement string, h ledger.Hour, inputs []ledger.DayInput, file *content.File) (already bool, err error) {
	run, already, err := r.Ledger.BeginRedrive(ctx, ledger.Redrive{
		ID: req.ID, Supplement: supplement, Run: req.Run, Why: req.Why, TakeOver: req.TakeOver,
	})
	if err != nil {
		return false, err
	}
	if !already {
		if err := run.Claim(ctx, linesOf(file)); err != nil {
			if errors.Is(err, ledger.ErrDecided) || errors.Is(err, table.ErrNotFound) {
				err = errors.Join(err, run.Withdraw(ctx))
			}
			return false, err
		}
		if err := run.Commit(ctx, h, inputs); err != nil {
			return false, err
		}
	}
	return already, r.Ledger.FinishRedrives(ctx, req.ID)
}

// linesOf goes through the line numbers of a supplement that was just written.
func linesOf(file *content.File) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		body, err := file.Open()
		if err != nil {
			yield(0, err)
			return
		}
		defer body.Close()
		_, rows, err := landing.ReadSupplement(body)
		if err != nil {
			yield(0, err)
			return
		}
		for row, err := range rows {
			if !yield(row.Line, err) || err != nil {
				return
			}
		}
	}
}

// RefusedRow is a refused row with its bytes.
type RefusedRow struct {
	ledger.RefusedRow
	Cut bool // Row is only the beginning; the hour blob has all of it
	Row []byte
}

// Refused goes through the refused rows of an hour blob that counts, with their
// bytes, in order of line. path is the file that its row in UsageHours names.
func (r Redriver) Refused(ctx context.Context, id ledger.HourID, path string) iter.Seq2[RefusedRow, error] {
	return func(yield func(RefusedRow, error) bool) {
		if path == "" {
			return
		}
		container, name, _ := strings.Cut(path, "/")
		body, _, err := r.App.Open(ctx, container, name)
		if err != nil {
			yield(RefusedRow{}, err)
			return
		}
		defer body.Close()
		next, stop := iter.Pull2(ReadRefused(body))
		defer stop()
		for row, err := range r.Ledger.RefusedRows(ctx, id) {
			out := RefusedRow{RefusedRow: row}
			if err == nil {
				var kept Refused
				var more bool
				if kept, err, more = next(); err == nil && (!more || kept.Line != row.Line) {
					err = fmt.Errorf("file %s: it has not the row of line %d", path, row.Line)
				}
				out.Cut, out.Row = kept.Cut, kept.Row
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}
