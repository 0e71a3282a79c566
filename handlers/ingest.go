package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"stackusage/shared/intake"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// ingestHour judges one landed hour blob. It reads the blob as a stream, sums
// the rows by usage day, sets refused rows aside, and commits the verdict last.
func (a *App) ingestHour(ctx context.Context, req invoke.Request) error {
	text, err := req.Text("message")
	if err != nil {
		return err
	}
	name, aside, err := queue.ParseLanded(text)
	if err != nil || aside {
		return err
	}
	id := ledger.HourID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16}
	have, err := a.Ledger.Hour(ctx, id)
	if err == nil && have.Verdict == ledger.Counted && !have.Leaves() {
		if out, err := a.takenOut(ctx, id); out || err != nil {
			return err
		}
	}
	if err == nil && !a.judgedAgain(have) {
		return nil
	} else if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	if have.Leaves() { // whoever began it died
		_, err := a.Ledger.FinishExclusion(ctx, id)
		return err
	}
	verdict, hour, err := a.judgeHour(ctx, id, name, have)
	var rejection *landing.Rejection
	if gone := errors.Is(err, a.NoBlob); gone || errors.As(err, &rejection) {
		verdict, hour, err = a.endUnreadable(ctx, id, have, err)
	}
	if err != nil {
		return err
	}
	a.log(ctx).InfoContext(ctx, "hour ingested", slog.String("blob", name.String()), slog.String("verdict", string(verdict)),
		slog.String("code", hour.Code), slog.String("reason", hour.Reason),
		slog.Int64("records", hour.Records), slog.Int64("accepted", hour.Accepted), slog.Int64("quarantined", hour.Quarantined))
	return nil
}

// judgedAgain reports whether another look could change a verdict: the stamp
// may be registered by now, a limit may have been raised, an operator may have
// decided that the file takes the place of the one that counts, or leaves it.
func (a *App) judgedAgain(have ledger.Hour) bool {
	return !have.Verdict.Final() || have.TakesOver() || have.Leaves() || have.AwaitsReingest() || have.Limit > 0 && a.limit(have.Code) > have.Limit
}

// limit is the bound that a code of rejection is about; 0 if it is about none.
func (a *App) limit(code string) int64 {
	switch code {
	case landing.RejectedTooLarge:
		return cmp.Or(a.Settings.Limits.Bytes, landing.DefaultMaxBytes)
	case landing.RejectedTooManyRows:
		return cmp.Or(a.Settings.Limits.Rows, landing.DefaultMaxRows)
	}
	return 0
}

func (a *App) judgeHour(ctx context.Context, id ledger.HourID, name landing.Name, have ledger.Hour) (ledger.Verdict, ledger.Hour, error) {
	// Its row says where a corrected blob lies, and when the original landed.
	name.Corrected = have.Original != ""
	body, storedAt, err := hourBlobs{a}.Open(ctx, name.Container(), name.Blob())
	if err != nil {
		return "", ledger.Hour{}, err
	}
	defer body.Close()
	hour := ledger.Hour{Blob: name.String(), LandedAt: storedAt}
	hour.Inherit(have)
	if name.Corrected {
		hour.LandedAt = have.LandedAt
	}

	book, err := a.Registrations.Book(ctx, name.CloudID)
	if err != nil {
		return "", hour, err
	}
	if reason := a.unregistered(book, name.Hour); reason != "" {
		if have.TakesOver() || have.OutByEnd() { // whoever let it count again may have died
			return a.endTakeOver(ctx, id, reason)
		}
		hour.Verdict, hour.Reason = ledger.Unregistered, reason
		verdict, err := a.Ledger.DecideHour(ctx, id, hour)
		return verdict, hour, err
	}
	held, err := book.On(name.Hour.Day().Compact())
	if err != nil {
		return "", hour, err
	}
	hour.Reporting = reportingOf(held)
	g := intake.Ingester{Ledger: a.Ledger, App: a.Blobs, Limits: a.Settings.Limits, SettlingHours: a.Settings.SettlingHours, Region: RegionOf(book),
		Settings: intake.Settings{TempDir: a.Settings.TempDir, SpillSums: a.Settings.SpillSums}}
	verdict, hour, err := g.Ingest(ctx, id, name, hour, body)
	var rejection *landing.Rejection
	if errors.As(err, &rejection) && !have.TakesOver() && !have.OutByEnd() {
		hour.Verdict, hour.Code, hour.Reason = ledger.Rejected, rejection.Code, rejection.Reason
		hour.Limit = a.limit(rejection.Code)
		verdict, err = a.Ledger.DecideHour(ctx, id, hour)
	}
	return verdict, hour, err
}

// endUnreadable ends what was announced of a file that is gone or cannot be read any
// more, so that no day waits for it. A file that only an end took out has no row that
// says why it does not count again: its message is kept as one that failed.
func (a *App) endUnreadable(ctx context.Context, id ledger.HourID, have ledger.Hour, why error) (ledger.Verdict, ledger.Hour, error) {
	if have.TakesOver() {
		return a.endTakeOver(ctx, id, why.Error())
	}
	if have.Verdict == ledger.Unregistered { // it may be about to count again
		if _, _, err := a.endTakeOver(ctx, id, why.Error()); err != nil && !errors.Is(err, table.ErrNotFound) {
			return "", have, err
		}
	}
	return "", have, queue.Bad{Reason: why}
}

// endTakeOver ends a take-over that was decided and cannot be carried out: no day
// waits for it any more.
func (a *App) endTakeOver(ctx context.Context, id ledger.HourID, reason string) (ledger.Verdict, ledger.Hour, error) {
	h, err := a.Ledger.EndTakeOver(ctx, id, ledger.Reasoned{By: "IngestHour", Reason: "it cannot be carried out: " + clip(reason), At: a.Now()})
	return h.Verdict, h, err
}

// RegionOf is what the registration calls the stack's region on a usage day.
func RegionOf(book registration.Book) intake.RegisteredRegion {
	return func(day usage.Day) string {
		held, err := book.On(day.Compact())
		if err != nil {
			return ""
		}
		return held.Region
	}
}

// clip keeps a text of the stamp's own within a table property: a blob must not
// fail for ever because of its header.
func clip(s string) string { return fmt.Sprintf("%.256s", s) }
