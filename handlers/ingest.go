package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"stackusage/shared/intake"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
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
	name, probe, err := decodeLanded(text)
	if err != nil {
		return badMessage{err}
	}
	if probe {
		return nil
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
		_, err := a.Ledger.Exclude(ctx, id, ledger.Reasoned{By: have.DecidedBy, Reason: have.DecisionReason, At: have.DecidedAt}, false)
		return err
	}
	verdict, hour, err := a.judgeHour(ctx, id, name, have)
	if errors.Is(err, a.NoBlob) && have.TakesOver() {
		verdict, hour, err = a.endTakeOver(ctx, id, err.Error())
	}
	if errors.Is(err, a.NoBlob) {
		return badMessage{err}
	}
	if err != nil {
		return err
	}
	a.log(ctx).InfoContext(ctx, "hour judged", slog.String("blob", name.String()), slog.String("verdict", string(verdict)),
		slog.String("code", hour.Code), slog.String("reason", hour.Reason),
		slog.Int64("records", hour.Records), slog.Int64("accepted", hour.Accepted), slog.Int64("quarantined", hour.Quarantined))
	return nil
}

// judgedAgain reports whether another look could change a verdict: the stamp
// may be registered by now, a limit may have been raised, an operator may have
// decided that the file takes the place of the one that counts, or leaves it.
func (a *App) judgedAgain(have ledger.Hour) bool {
	return !have.Verdict.Final() || have.TakesOver() || have.Leaves() || have.Limit > 0 && a.limit(have.Code) > have.Limit
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
	body, storedAt, err := a.Landing.Open(ctx, name.Container(), name.Blob())
	if err != nil {
		return "", ledger.Hour{}, err
	}
	defer body.Close()
	hour := ledger.Hour{Blob: name.String(), LandedAt: storedAt}
	hour.Inherit(have)

	book, err := a.Registrations.Book(ctx, name.CloudID)
	if err != nil {
		return "", hour, err
	}
	if reason := a.unregistered(book, name.Hour); reason != "" {
		if have.TakesOver() {
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
	j := judging{app: a, id: id, hour: hour, book: book}
	verdict, err := j.run(ctx, name, body)
	var rejection *landing.Rejection
	if errors.As(err, &rejection) && have.TakesOver() {
		return a.endTakeOver(ctx, id, rejection.Error())
	} else if errors.As(err, &rejection) {
		j.hour.Verdict, j.hour.Code, j.hour.Reason = ledger.Rejected, rejection.Code, rejection.Reason
		j.hour.Limit = a.limit(rejection.Code)
		verdict, err = a.Ledger.DecideHour(ctx, id, j.hour)
	}
	return verdict, j.hour, err
}

// endTakeOver ends a take-over that was decided and cannot be carried out: no day
// waits for it any more.
func (a *App) endTakeOver(ctx context.Context, id ledger.HourID, reason string) (ledger.Verdict, ledger.Hour, error) {
	h, err := a.Ledger.EndTakeOver(ctx, id, ledger.Reasoned{By: "IngestHour", Reason: "it cannot be carried out: " + clip(reason), At: a.Now()})
	return h.Verdict, h, err
}

// judging is the work on one hour blob.
type judging struct {
	app  *App
	id   ledger.HourID
	hour ledger.Hour
	book registration.Book
}

// region is the stack's name for itself, for rows that name no location: the
// header's, else that of the registration on the usage day.
func (j *judging) region(header landing.Header) func(usage.Day) string {
	return func(day usage.Day) string {
		if header.Region != "" {
			return header.Region
		}
		held, err := j.book.On(day.Compact())
		if err != nil {
			return ""
		}
		return held.Region
	}
}

// run reads the blob to its end, and only then writes anything: a blob that is
// refused whole leaves nothing behind but its verdict.
func (j *judging) run(ctx context.Context, name landing.Name, body io.Reader) (ledger.Verdict, error) {
	if err := landing.CheckOver(name, j.hour.LandedAt); err != nil {
		return "", err
	}
	r, err := landing.NewReader(body, name, j.app.Settings.Limits)
	if err != nil {
		return "", err
	}
	header := r.Header()
	j.hour.Region, j.hour.AgentVersion, j.hour.CollectedAt = clip(header.Region), clip(header.AgentVersion), header.CollectedAt

	standing, err := j.app.Ledger.CountedHour(ctx, j.id)
	takesOver := err == nil && standing.Challenger == j.id.SHA16 // as an operator decided
	taken := err == nil && standing.Counts != j.id.SHA16 && !takesOver && !standing.CountsAgain(j.id)
	if err == nil && standing.Waits(j.id) {
		return ledger.Unregistered, nil
	}
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return "", err
	}
	if taken { // only the hashes matter
		if err := j.read(r, func(landing.Line) error { return nil }); err != nil {
			return "", err
		}
		j.hour = ledger.Beside(standing, j.hour)
		return j.app.Ledger.DecideHour(ctx, j.id, j.hour)
	}
	in, err := intake.New(intake.Settings{TempDir: j.app.Settings.TempDir, SpillSums: j.app.Settings.SpillSums,
		Region: j.region(header), Days: ledger.OwnDays(j.id.Hour, j.app.Settings.SettlingHours)}, j.id)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if err := j.read(r, in.Row); err != nil {
		return "", err
	}
	j.hour.Accepted, j.hour.Quarantined = in.Accepted, in.Refused
	inputs, err := in.PutPartials(ctx, j.app.Blobs, j.hour, header)
	if err != nil {
		return "", err
	}
	j.hour.UsageDays = intake.UsageDays(inputs)
	if j.hour.Refusals, err = in.PutRefused(ctx, j.app.Blobs, j.app.Ledger, j.hour.Blob); err != nil {
		return "", err
	}
	if takesOver {
		return j.app.Ledger.TakeOver(ctx, j.id, j.hour, inputs)
	}
	return j.app.Ledger.CommitHour(ctx, j.id, j.hour, inputs)
}

// read goes through the rows to the end of the file, which proves it whole.
func (j *judging) read(r *landing.Reader, each func(landing.Line) error) error {
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = each(line)
		}
		if err != nil {
			return err
		}
	}
	t := r.Trailer()
	j.hour.SHA256, j.hour.RowSetHash, j.hour.Bytes = r.SHA256(), r.RowSetHash(), r.Size()
	j.hour.Records, j.hour.Pages = t.Records, int64(t.Pages)
	return nil
}

func dayPath(day usage.Day) string { return day.Start().Format("2006/01/02") }

// clip keeps a text of the stamp's own within a table property: a blob must not
// fail for ever because of its header.
func clip(s string) string { return fmt.Sprintf("%.256s", s) }
