package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Ingester reads hour blobs and makes them count, as their hour's rows say: a first
// file, or one that takes the place of another. IngestHour and the operator's tool
// carry out a take-over by this code, and each finishes what the other began.
type Ingester struct {
	Tables        table.Store
	Hours         content.Opener // hour blobs
	Registrations registration.Store
	Now           func() time.Time
	App           content.Store // partials, quarantine and corrected blobs
	Settings      Settings
	Limits        landing.Limits
	SettlingHours int              // hourlog.OwnDays
	Region        RegisteredRegion // nil: a row without a location is taken where the header names no region either
}

// RegisteredRegion says what the registration calls the stack's region on a usage day.
type RegisteredRegion func(day usage.Day) string

// Or is the region of rows that name no location: the header's, else that of the
// registration on the usage day.
func (of RegisteredRegion) Or(header landing.Header) func(usage.Day) string {
	if header.Region == "" {
		return of
	}
	return func(usage.Day) string { return header.Region }
}

// Ingest reads a blob to its end, and only then writes anything: a blob that is
// rejected whole leaves nothing behind but its verdict, which is the caller's to
// write. h says what is known of it before. An error that is a *landing.Rejection is
// about the blob.
func (g Ingester) Ingest(ctx context.Context, id hourlog.ID, name landing.Name, h hourlog.Hour, body io.Reader) (hourlog.Verdict, hourlog.Hour, error) {
	i := ingesting{Ingester: g, id: id, hour: h}
	verdict, err := i.run(ctx, name, body)
	return verdict, i.hour, err
}

// ingesting is the work on one hour blob.
type ingesting struct {
	Ingester
	id   hourlog.ID
	hour hourlog.Hour
}

func (i *ingesting) run(ctx context.Context, name landing.Name, body io.Reader) (hourlog.Verdict, error) {
	if err := landing.CheckOver(name, i.hour.LandedAt); err != nil {
		return "", err
	}
	limits := i.Limits
	if name.Corrected { // its rows count already, whatever the limits are now
		limits = landing.Limits{Bytes: math.MaxInt64, Rows: math.MaxInt64, Disk: math.MaxInt64}
	}
	i.Settings.Disk = content.NewDisk(cmp.Or(limits.Disk, landing.DefaultMaxDisk))
	verdict, err := i.ingest(ctx, name, body, limits)
	if errors.Is(err, content.ErrOverDisk) {
		err = &landing.Rejection{Code: landing.RejectedTooLarge, LimitOf: landing.OfDisk, Reason: fmt.Sprintf("adding up its rows: %v", err)}
	}
	return verdict, err
}

func (i *ingesting) ingest(ctx context.Context, name landing.Name, body io.Reader, limits landing.Limits) (hourlog.Verdict, error) {
	r, err := landing.NewReader(body, name, limits)
	if err != nil {
		return "", err
	}
	defer r.Close()
	header := r.Header()
	i.hour.Region, i.hour.AgentVersion, i.hour.CollectedAt = clip(header.Region), clip(header.AgentVersion), header.CollectedAt

	standing, err := hourlog.AcceptedHour(ctx, i.Tables, i.id)
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return "", err
	}
	there := err == nil
	takesOver := there && standing.Challenger == i.id.SHA16 // as was decided
	switch {
	case there && standing.Waits(i.id):
		return hourlog.Unregistered, nil
	case there && !takesOver && standing.Counts != i.id.SHA16 && !standing.CountsAgain(i.id):
		return i.beside(ctx, name, standing, r)
	}
	in, err := i.rows(standing, r, header)
	if err != nil {
		return "", err
	}
	defer in.Close()
	inputs, err := in.PutPartials(ctx, i.App, i.hour, header)
	if err != nil {
		return "", err
	}
	i.hour.UsageDays = UsageDays(inputs)
	if i.hour.RejectedFile, err = in.PutRejected(ctx, i.App, i.Tables, i.hour.Blob); err != nil {
		return "", err
	}
	if takesOver {
		return i.takeOver(ctx, standing, inputs)
	}
	return hourlog.Commit(ctx, i.Tables, i.id, i.hour, inputs)
}

// beside is the verdict on a blob whose hour is taken: only the hashes matter. That of
// a corrected blob is its decision's.
func (i *ingesting) beside(ctx context.Context, name landing.Name, standing hourlog.Hour, r *landing.Reader) (hourlog.Verdict, error) {
	if name.Corrected {
		have, err := hourlog.Read(ctx, i.Tables, i.id)
		return have.Verdict, err
	}
	if err := i.read(r, func(landing.Line) error { return nil }); err != nil {
		return "", err
	}
	i.hour = hourlog.Beside(standing, i.hour)
	return hourlog.Record(ctx, i.Tables, i.id, i.hour)
}

// rows adds the rows up. Whoever does it gives a file that has the lines of the one
// that counts the same inputs.
func (i *ingesting) rows(standing hourlog.Hour, r *landing.Reader, header landing.Header) (*Ingestion, error) {
	settings := i.Settings
	settings.Region = i.Region.Or(header)
	settings.Days = hourlog.OwnDays(i.id.Hour, i.SettlingHours)
	if i.hour.Original != "" {
		days, err := daysOf(standing.UsageDays)
		if err != nil {
			return nil, err
		}
		settings.Days = slices.Compact(slices.Sorted(slices.Values(append(days, settings.Days...))))
	}
	in, err := New(settings, i.id)
	if err != nil {
		return nil, err
	}
	if err := i.read(r, in.Row); err != nil {
		in.Close()
		return nil, err
	}
	i.hour.Accepted, i.hour.Quarantined = in.Accepted, in.Rejected
	return in, nil
}

// takeOver makes the file count. Where it has the lines of the one that leaves, rows
// that were dismissed stay so: also a row that a redrive did not choose, and that was
// dismissed after the redrive had read it. No row is dismissed any more now that the
// hour has a challenger, so such a redrive is withdrawn, whoever carries it out.
func (i *ingesting) takeOver(ctx context.Context, standing hourlog.Hour, inputs []openday.Input) (hourlog.Verdict, error) {
	from := i.id
	from.SHA16 = standing.Counts
	mine := hourlog.Hour{Original: i.hour.Original, Counts: i.id.SHA16}
	same := standing.Counts != "" && mine.Root() == standing.Root()
	if same {
		dismissed, err := hourlog.CopyDismissals(ctx, i.Tables, from, i.id, i.hour.RejectedFile)
		if err != nil {
			return "", err
		}
		if dismissed > 0 && i.hour.UnlessDismissed {
			i.hour, err = hourlog.EndTakeOver(ctx, i.Tables, i.id, reasoned.Decision{By: i.hour.DecidedBy, At: i.hour.DecidedAt,
				Reason: fmt.Sprintf("row %d was dismissed before the redrive was announced", dismissed)})
			return i.hour.Verdict, err
		}
	}
	verdict, err := hourlog.TakeOver(ctx, i.Tables, i.id, i.hour, inputs)
	if same && err == nil && verdict == hourlog.Accepted {
		_, err = hourlog.CopyDismissals(ctx, i.Tables, from, i.id, i.hour.RejectedFile)
	}
	return verdict, err
}

// read goes through the rows to the end of the file, which proves it complete.
func (i *ingesting) read(r *landing.Reader, each func(landing.Line) error) error {
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
	i.hour.SHA256, i.hour.RowSetHash, i.hour.Bytes = r.SHA256(), r.RowSetHash(), r.Size()
	i.hour.Records, i.hour.Pages = t.Records, int64(t.Pages)
	return nil
}

// daysOf reads column usageDays, as far as it goes.
func daysOf(column string) (days []usage.Day, err error) {
	column, _, _ = strings.Cut(column, ",...")
	for text := range strings.SplitSeq(column, ",") {
		if text == "" {
			continue
		}
		d, err := usage.ParseDay(text)
		if err != nil {
			return nil, fmt.Errorf("column usageDays: %w", err)
		}
		days = append(days, d)
	}
	return days, nil
}

// clip keeps a text of the stack's own within a table property: a blob must not
// fail for ever because of its header.
func clip(s string) string { return fmt.Sprintf("%.256s", s) }
