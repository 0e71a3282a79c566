package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// backfillNote is there while a backfill is unfinished.
const backfillNote = "backfill.json"

// backfill is how far one has come.
type backfill struct {
	From usage.Hour `json:"from"`
	To   usage.Hour `json:"to"`
	Next usage.Hour `json:"next"` // being collected
	Had  []string   `json:"had"`  // files that the spool had of it before

	Failed []usage.Hour `json:"failed,omitempty"` // before Next
}

// Backfill collects the reported hours from the first up to but without the last
// again, whether or not they were sent, and uploads them. Another file of an hour
// that counts already is a duplicate on the Azure side if it has the same rows;
// with other rows it is a conflict, which the operator there has to decide.
//
// An hour that fails does not keep the others from being collected. Called again with
// the same range, also by a later process, it takes those that failed, and goes on
// where it was interrupted; with another range it begins that one.
func (a *Agent) Backfill(ctx context.Context, from, to usage.Hour) (Report, error) {
	report := Report{Hours: int(to - from)}
	if to <= from {
		return Report{}, fmt.Errorf("backfill from %s to %s: the end is not after the beginning", from, to)
	}
	a.prepare(ctx)
	p := backfill{From: from, To: to, Next: from}
	resumed := false
	if was := (backfill{}); a.recallNote(ctx, backfillNote, &was) {
		if resumed = was.From == from && was.To == to && was.Next >= from && (was.Next < to || len(was.Failed) > 0); resumed {
			p = was
			a.Log.InfoContext(ctx, "unfinished backfill resumed", slog.String("from", from.String()), slog.String("to", to.String()), slog.String("next", p.Next.String()))
		} else {
			a.Log.WarnContext(ctx, "unfinished backfill of another range abandoned", slog.String("from", was.From.String()),
				slog.String("to", was.To.String()), slog.String("next", was.Next.String()))
		}
	}
	defer a.memory.Keep(ctx, true)
	todo := slices.Clone(p.Failed)
	for h := p.Next; h < to; h++ {
		todo = append(todo, h)
	}
	var failed []error
	var uploadErr, away error
	for row, i := 0, 0; i < len(todo) && row < maxRow && away == nil; i++ {
		h := todo[i]
		fresh := h >= p.Next // else it failed before
		err := a.fill(ctx, &p, h, resumed && fresh, &report)
		if err != nil {
			row++
			err = fmt.Errorf("hour %s: %w", h, err)
			if away = err; ctx.Err() == nil && !ofTheStack(err) {
				failed, away = append(failed, err), nil
			}
		} else {
			row = 0
		}
		if away != nil {
			break
		}
		p.Failed = slices.DeleteFunc(p.Failed, func(f usage.Hour) bool { return f == h })
		if err != nil {
			p.Failed = append(p.Failed, h)
		}
		if fresh {
			p.Next, resumed = h+1, false
		}
		if err == nil && uploadErr == nil { // else the hours wait for the next run
			uploadErr = a.uploadBacklog(ctx, &report)
		}
	}
	a.ended(ctx, metrics.StepCollect, away)
	a.ended(ctx, metrics.StepUpload, uploadErr)
	a.publish(ctx)
	if len(failed) > 0 || away != nil {
		a.keepNote(ctx, backfillNote, p)
		return report, errors.Join(status.Join(failed), away, uploadErr)
	}
	return report, errors.Join(a.Spool.Forget(backfillNote), uploadErr)
}

// fill collects one hour of a backfill, unless the run before was interrupted
// after it had sealed that.
func (a *Agent) fill(ctx context.Context, p *backfill, h usage.Hour, resumed bool, report *Report) error {
	found, err := a.Spool.Find(h)
	if err != nil {
		return err
	}
	var files []string
	for _, e := range slices.Concat(found.Sealed, found.Rejected, found.Sent) {
		files = append(files, e.Name())
	}
	if resumed && slices.ContainsFunc(files, func(f string) bool { return !slices.Contains(p.Had, f) }) {
		return nil
	}
	if p.Had = nil; h == p.Next {
		p.Had = files
	}
	if !a.keepNote(ctx, backfillNote, p) {
		return errors.New("the progress of the backfill could not be written")
	}
	if err := a.seal(ctx, h, report); err != nil {
		return err
	}
	if found.State != spool.Absent {
		report.Again++
		a.Log.InfoContext(ctx, "hour collected again; in Azure its second file is a duplicate if it has the same rows, and otherwise a conflict that an operator resolves",
			slog.String("hour", h.String()))
	}
	return nil
}
