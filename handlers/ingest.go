package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
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
	if have, err := a.Ledger.Hour(ctx, id); err == nil && !a.judgedAgain(have) {
		return nil
	} else if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	verdict, hour, err := a.judgeHour(ctx, id, name)
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
// decided that the file takes the place of the one that counts.
func (a *App) judgedAgain(have ledger.Hour) bool {
	return !have.Verdict.Final() || have.TakesOver() || have.Limit > 0 && a.limit(have.Code) > have.Limit
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

func (a *App) judgeHour(ctx context.Context, id ledger.HourID, name landing.Name) (ledger.Verdict, ledger.Hour, error) {
	body, storedAt, err := a.Landing.Open(ctx, name.Container(), name.Blob())
	if err != nil {
		return "", ledger.Hour{}, err
	}
	defer body.Close()
	hour := ledger.Hour{Blob: name.String(), LandedAt: storedAt}

	history, err := a.Registrations.Registrations(ctx, name.CloudID)
	if err != nil {
		return "", hour, err
	}
	if len(history) == 0 {
		hour.Verdict, hour.Reason = ledger.Unregistered, "no registration has this cloudId; the hour counts once there is one"
		verdict, err := a.Ledger.DecideHour(ctx, id, hour)
		return verdict, hour, err
	}
	in := intake{app: a, id: id, hour: hour}
	defer in.close()
	verdict, err := in.run(ctx, name, body)
	var rejection *landing.Rejection
	if errors.As(err, &rejection) {
		in.hour.Verdict, in.hour.Code, in.hour.Reason = ledger.Rejected, rejection.Code, rejection.Reason
		in.hour.Limit = a.limit(rejection.Code)
		verdict, err = a.Ledger.DecideHour(ctx, id, in.hour)
	}
	return verdict, in.hour, err
}

// intake is the work on one hour blob.
type intake struct {
	app        *App
	id         ledger.HourID
	hour       ledger.Hour
	summer     *daily.Summer
	quarantine *quarantine
}

func (in *intake) close() {
	if in.summer != nil {
		in.summer.Close()
	}
	if in.quarantine != nil {
		in.quarantine.close()
	}
}

// run reads the blob to its end, and only then writes anything: a blob that is
// refused whole leaves nothing behind but its verdict.
func (in *intake) run(ctx context.Context, name landing.Name, body io.Reader) (ledger.Verdict, error) {
	r, err := landing.NewReader(body, name, in.app.Settings.Limits)
	if err != nil {
		return "", err
	}
	header := r.Header()
	in.hour.Region, in.hour.AgentVersion, in.hour.CollectedAt = clip(header.Region), clip(header.AgentVersion), header.CollectedAt

	standing, err := in.app.Ledger.CountedHour(ctx, in.id)
	takesOver := err == nil && standing.Challenger == in.id.SHA16 // as an operator decided
	taken := err == nil && standing.Counts != in.id.SHA16 && !takesOver
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return "", err
	}
	if err := in.read(r, !taken); err != nil {
		return "", err
	}
	t := r.Trailer()
	in.hour.SHA256, in.hour.RowSetHash, in.hour.Bytes = r.SHA256(), r.RowSetHash(), r.Size()
	in.hour.Records, in.hour.Pages = t.Records, int64(t.Pages)
	if taken {
		in.hour = ledger.Beside(standing, in.hour)
		return in.app.Ledger.DecideHour(ctx, in.id, in.hour)
	}
	inputs, err := in.putPartials(ctx, header)
	if err != nil {
		return "", err
	}
	if err := in.quarantine.put(ctx, in.app, in.id, in.hour.Blob); err != nil {
		return "", err
	}
	if takesOver {
		return in.app.Ledger.TakeOver(ctx, in.id, in.hour, inputs)
	}
	return in.app.Ledger.CommitHour(ctx, in.id, in.hour, inputs)
}

// read goes through the rows. Where another blob counts for the hour already
// (keep is false) only the hashes matter.
func (in *intake) read(r *landing.Reader, keep bool) (err error) {
	if keep {
		if in.summer, err = daily.NewSummer(in.app.Settings.TempDir, in.app.Settings.SpillSums); err != nil {
			return err
		}
		if in.quarantine, err = newQuarantine(in.app.Settings.TempDir); err != nil {
			return err
		}
	}
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !keep {
			continue
		}
		record, refusal := usage.ParseRecord(line.Bytes, in.id.Hour)
		if line.TooLong {
			refusal = &usage.Refusal{Code: usage.RefusedLine, Reason: fmt.Sprintf("the row is longer than %d bytes", usage.MaxLine)}
		}
		if refusal != nil {
			in.hour.Quarantined++
			err = in.quarantine.add(line, *refusal)
		} else {
			in.hour.Accepted++
			err = in.summer.Add(record)
		}
		if err != nil {
			return err
		}
	}
}

// putPartials stores one file per usage day under a name made from its bytes.
func (in *intake) putPartials(ctx context.Context, header landing.Header) ([]ledger.DayInput, error) {
	var inputs []ledger.DayInput
	var days []string
	for day, sums := range in.summer.Days() {
		input, err := in.putPartial(ctx, header, day, sums)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input)
		days = append(days, day.Compact())
	}
	in.hour.UsageDays = clipDays(days)
	return inputs, nil
}

func (in *intake) putPartial(ctx context.Context, header landing.Header, day usage.Day, sums iter.Seq2[daily.Sum, error]) (ledger.DayInput, error) {
	f, err := newSpool(in.app.Settings.TempDir, "partial-")
	if err != nil {
		return ledger.DayInput{}, err
	}
	defer f.discard()
	file, err := daily.WritePartial(f, daily.PartialHeader{
		CloudID: in.id.CloudID, UsageDay: day, ReportedHour: in.id.Hour, HourBlob: in.hour.SHA256,
		Region: header.Region, ProviderSubscriptions: header.ProviderSubscriptions,
		Tenants: header.Tenants, TenantsStale: header.TenantsStale,
	}, sums)
	if err != nil {
		return ledger.DayInput{}, err
	}
	blob := fmt.Sprintf("%s/%s/%s_%s-%s.ndjson.gz", in.id.CloudID, dayPath(day), in.id.Hour.Compact(), in.id.SHA16, file.SHA256[:16])
	if err := f.put(ctx, in.app.Blobs, ContainerPartials, blob); err != nil {
		return ledger.DayInput{}, err
	}
	return ledger.DayInput{
		CloudID: in.id.CloudID, Day: day, Hour: in.id.Hour, SHA16: in.id.SHA16,
		Partial: blob, SHA256: file.SHA256, Lines: file.Lines, Rows: file.Rows, LandedAt: in.hour.LandedAt,
	}, nil
}

func dayPath(day usage.Day) string { return day.Start().Format("2006/01/02") }

// clip keeps a text of the stamp's own within a table property: a blob must not
// fail for ever because of its header.
func clip(s string) string { return fmt.Sprintf("%.256s", s) }

// clipDays keeps the list of usage days within a table property.
func clipDays(days []string) string {
	if len(days) > 100 {
		return strings.Join(days[:100], ",") + fmt.Sprintf(",... (%d days)", len(days))
	}
	return strings.Join(days, ",")
}
