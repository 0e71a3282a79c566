package ingest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// IngestHour ingests one landed hour blob. It reads the blob as a stream, sums the
// rows by usage day, sets rejected rows aside, and commits the verdict last. A blob
// that is gone, or cannot be read any more, is a queue.Bad.
func (g Ingester) IngestHour(ctx context.Context, name landing.Name) error {
	id := hourlog.ID{CloudID: name.CloudID, Hour: name.Hour, SHA16: name.SHA16}
	have, err := hourlog.Read(ctx, g.Tables, id)
	if err == nil && have.Verdict == hourlog.Accepted && !have.Leaves() {
		if out, err := g.excluded(ctx, id); out || err != nil {
			return err
		}
	}
	if err == nil && !g.Again(have) {
		return nil
	} else if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	if have.Leaves() { // whoever began it died
		_, err := hourlog.FinishExclusion(ctx, g.Tables, id)
		return err
	}
	verdict, hour, err := g.validate(ctx, id, name, have)
	var rejection *landing.Rejection
	if gone := errors.Is(err, content.ErrNoBlob); gone || errors.As(err, &rejection) {
		verdict, hour, err = g.endUnreadable(ctx, id, have, err)
	}
	if err != nil {
		return err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "hour ingested", slog.String("blob", name.String()), slog.String("verdict", string(verdict)),
		slog.String("code", hour.Code), slog.String("reason", hour.Reason),
		slog.Int64("records", hour.Records), slog.Int64("accepted", hour.Accepted), slog.Int64("quarantined", hour.Quarantined))
	return nil
}

// Again reports whether another look could change a verdict: the stack
// may be registered by now, a limit may have been raised, an operator may have
// decided that the file takes the place of the one that counts, or leaves it.
func (g Ingester) Again(have hourlog.Hour) bool {
	return !have.Verdict.Final() || have.TakesOver() || have.Leaves() || have.AwaitsReingest() || have.Limit > 0 && g.limit(have.Code, have.LimitOf) > have.Limit
}

// limit is the bound that a rejection is about; 0 if it is about none.
func (g Ingester) limit(code, of string) int64 {
	switch {
	case of == landing.OfDisk:
		return cmp.Or(g.Limits.Disk, landing.DefaultMaxDisk)
	case code == landing.RejectedTooLarge:
		return cmp.Or(g.Limits.Bytes, landing.DefaultMaxBytes)
	case code == landing.RejectedTooManyRows:
		return cmp.Or(g.Limits.Rows, landing.DefaultMaxRows)
	}
	return 0
}

func (g Ingester) validate(ctx context.Context, id hourlog.ID, name landing.Name, have hourlog.Hour) (hourlog.Verdict, hourlog.Hour, error) {
	// Its row says where a corrected blob lies, and when the original landed.
	name.Corrected = have.Original != ""
	body, storedAt, err := g.Hours.Open(ctx, name.Container(), name.Blob())
	if err != nil {
		return "", hourlog.Hour{}, err
	}
	defer body.Close()
	hour := hourlog.Hour{Blob: name.String(), LandedAt: storedAt}
	hour.Inherit(have)
	if name.Corrected {
		hour.LandedAt = have.LandedAt
	}

	history, err := g.Registrations.History(ctx, name.CloudID)
	if err != nil {
		return "", hour, err
	}
	if reason := history.NotAccepted(name.Hour.Start(), g.settling()); reason != "" {
		if have.TakesOver() || have.OutByEnd() { // whoever let it count again may have died
			return g.endTakeOver(ctx, id, reason)
		}
		hour.Verdict, hour.Reason = hourlog.Unregistered, reason
		verdict, err := hourlog.Record(ctx, g.Tables, id, hour)
		return verdict, hour, err
	}
	held, err := history.On(name.Hour.Day().Compact())
	if err != nil {
		return "", hour, err
	}
	hour.Reporting = daily.ReportingOf(held)
	g.Region = RegionOf(history)
	verdict, hour, err := g.Ingest(ctx, id, name, hour, body)
	var rejection *landing.Rejection
	if errors.As(err, &rejection) && !have.TakesOver() && !have.OutByEnd() {
		hour.Verdict, hour.Code, hour.Reason = hourlog.Rejected, rejection.Code, rejection.Reason
		hour.LimitOf, hour.Limit = rejection.LimitOf, g.limit(rejection.Code, rejection.LimitOf)
		verdict, err = hourlog.Record(ctx, g.Tables, id, hour)
	}
	return verdict, hour, err
}

// endUnreadable ends what was announced of a file that is gone or cannot be read any
// more, so that no day waits for it. A file that only an end took out has no row that
// says why it does not count again: its message is kept as one that failed.
func (g Ingester) endUnreadable(ctx context.Context, id hourlog.ID, have hourlog.Hour, why error) (hourlog.Verdict, hourlog.Hour, error) {
	if have.TakesOver() {
		return g.endTakeOver(ctx, id, why.Error())
	}
	if have.Verdict == hourlog.Unregistered { // it may be about to count again
		if _, _, err := g.endTakeOver(ctx, id, why.Error()); err != nil && !errors.Is(err, table.ErrNotFound) {
			return "", have, err
		}
	}
	return "", have, queue.Bad{Reason: why}
}

// endTakeOver ends a take-over that was decided and cannot be carried out: no day
// waits for it any more.
func (g Ingester) endTakeOver(ctx context.Context, id hourlog.ID, reason string) (hourlog.Verdict, hourlog.Hour, error) {
	h, err := hourlog.EndTakeOver(ctx, g.Tables, id, reasoned.Decision{By: "IngestHour", Reason: "it cannot be carried out: " + clip(reason), At: g.Now()})
	return h.Verdict, h, err
}

// RegionOf is what the registration calls the stack's region on a usage day.
func RegionOf(history registration.History) RegisteredRegion {
	return func(day usage.Day) string {
		held, err := history.On(day.Compact())
		if err != nil {
			return ""
		}
		return held.Region
	}
}

// excluded takes a file that counts out of the bill if its hour is not accepted
// any more: the registration has ended before it, or begins after it. out is false
// if the hour is accepted.
func (g Ingester) excluded(ctx context.Context, id hourlog.ID) (out bool, err error) {
	history, err := g.Registrations.History(ctx, id.CloudID)
	if err != nil {
		return false, err
	}
	reason := history.NotAccepted(id.Hour.Start(), g.settling())
	if reason == "" {
		return false, nil
	}
	verdict, err := hourlog.Exclude(ctx, g.Tables, id, reasoned.Decision{By: "IngestHour", Reason: reason, At: g.Now()}, true)
	if err == nil {
		telemetry.Logger(ctx).InfoContext(ctx, "hour excluded", slog.String("hour", id.String()), slog.String("verdict", string(verdict)), slog.String("reason", reason))
	}
	return true, err
}

// settling is how long after an end reported hours are accepted.
func (g Ingester) settling() time.Duration { return time.Duration(g.SettlingHours) * time.Hour }
