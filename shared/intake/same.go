package intake

import (
	"context"
	"errors"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// draft is a supplement before it is stored.
type draft struct {
	in      *Intake
	file    *content.File
	trailer landing.Trailer
}

func (d *draft) discard() {
	d.in.Close()
	d.file.Discard()
}

func (r Redriver) draft(ctx context.Context, req Request, standing ledger.Hour, out *Outcome) (*draft, error) {
	in, err := New(r.Settings, req.ID)
	if err != nil {
		return nil, err
	}
	file, err := content.New(r.Settings.TempDir, "supplement-")
	if err != nil {
		in.Close()
		return nil, err
	}
	d := &draft{in: in, file: file}
	if d.trailer, err = r.write(ctx, req, standing, in, file, out); err != nil {
		d.discard()
		return nil, err
	}
	return d, nil
}

// lost reports whether a redrive failed because somebody else had the hour or one
// of its rows.
func lost(err error) bool {
	return errors.Is(err, ledger.ErrDecided) || errors.Is(err, ledger.ErrRedriving) || errors.Is(err, table.ErrChanged) || errors.Is(err, table.ErrExists)
}

// A run that was overtaken by one with the same rows waits so long for it to
// commit: it has them all, and only its last writes are to come.
const (
	waitForOther = 30 * time.Second
	lookForOther = 100 * time.Millisecond
)

// same looks whether what the request asks for counts by another run's
// supplement: row by row, byte by byte, for a supplement is named by its contents.
// An answer that cannot be had is a no: the caller has an error of its own.
func (r Redriver) same(ctx context.Context, req Request) (out Outcome, is bool) {
	standing, err := r.Ledger.CountedHour(ctx, req.ID)
	if err != nil {
		return out, false
	}
	req.counting, req.Still, req.Progress = true, nil, nil
	d, err := r.draft(ctx, req, standing, &out)
	if err != nil {
		return out, false
	}
	defer d.discard()
	out.Supplement, out.Already = d.file.SHA256()[:16], true
	for end := time.Now().Add(waitForOther); ; {
		h, onItsWay, err := r.Ledger.SupplementOfOthers(ctx, req.ID, out.Supplement, req.Run)
		if err != nil {
			return out, false
		}
		if h.Verdict == ledger.Counted {
			out.UsageDays, out.Why = h.UsageDays, whyOf(h)
			return out, true
		}
		if !onItsWay || req.DryRun || time.Now().After(end) {
			return out, false
		}
		select {
		case <-ctx.Done():
			return out, false
		case <-time.After(lookForOther):
		}
	}
}

// whyOf says who made a supplement count.
func whyOf(h ledger.Hour) ledger.Reasoned {
	return ledger.Reasoned{Reason: h.DecisionReason, By: h.DecidedBy, At: h.DecidedAt}
}
