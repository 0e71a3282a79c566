// Package ingest turns rows of the usage API into what usage days are made of: each
// row either adds to the sums of its usage day, which become partials, or is rejected
// and kept in quarantine with the reason.
//
// The order of its writes, of one hour blob:
//
//	partials     one for each usage day, under names made from their bytes
//	quarantine   the rejected rows
//	Quarantine   a row for each of them, with its code
//	DayInputs    what each usage day is made of; nothing counts yet
//	OpenDays     the days have something to close
//	UsageHours   the verdict: from here the hour counts
//
// A crash before the last leaves files and rows that count nowhere: the blob has no
// verdict, and Sweep announces it again. Decisions 0014, 0024.
package ingest

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/linefile"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Settings bound what an Ingestion holds.
type Settings struct {
	TempDir   string                 // for runs and files on their way to storage; empty: the system's
	SpillSums int                    // sums in memory before a run goes to disk
	Disk      *content.Disk          // that runs and files take from; nil: without bound
	Region    func(usage.Day) string // of rows of a day that name no location; nil: there is one
	Days      []usage.Day            // that get a partial also where no row is of them, in order: hourlog.OwnDays
}

// Ingestion reads the rows of one reported hour.
type Ingestion struct {
	settings Settings
	id       hourlog.ID
	scan     *usage.Scanner
	sums     *daily.Aggregator
	rejected *rejectedFile

	Accepted, Rejected int64
}

// New begins with nothing. Whoever makes it closes it.
func New(settings Settings, id hourlog.ID) (*Ingestion, error) {
	sums, err := daily.NewAggregator(settings.TempDir, settings.SpillSums, settings.Disk)
	if err != nil {
		return nil, err
	}
	return &Ingestion{settings: settings, id: id, scan: usage.NewScanner(id.Hour), sums: sums}, nil
}

// Close removes what is on disk.
func (in *Ingestion) Close() {
	in.sums.Close()
	if in.rejected != nil {
		in.rejected.file.Discard()
	}
}

// Row reads one row of the hour blob: it is added up, or refused and set
// aside.
func (in *Ingestion) Row(line landing.Line) error {
	if added, err := in.quickly(line); added || err != nil {
		return err
	}
	record, rejection := in.settings.Parse(line, in.id.Hour)
	if rejection == nil && line.LeftOut {
		rejection = &usage.Rejection{Code: usage.RejectedLeftOut, Reason: "the corrected blob leaves the row out, which the rules of today take: redrive it, or dismiss it"}
	}
	if rejection == nil {
		return in.add(record)
	}
	if in.rejected == nil {
		var err error
		if in.rejected, err = newRejectedFile(in.settings); err != nil {
			return err
		}
	}
	in.Rejected++
	return in.rejected.add(line, *rejection)
}

// quickly adds a row up that has the shape of nearly all. Any other is for Parse, and
// so is one that it may reject.
func (in *Ingestion) quickly(line landing.Line) (added bool, err error) {
	if line.TooLong || line.LeftOut {
		return false, nil
	}
	row, ok := in.scan.Scan(line.Bytes)
	if !ok {
		return false, nil
	}
	if added, err = in.sums.AddScanned(row, in.settings.located); added {
		in.Accepted++
	}
	return added, err
}

// located reports whether a row says where it belongs, or somebody else does.
func (s Settings) located(location string, hour usage.Hour) bool {
	return s.checkLocation(usage.Record{Shown: usage.Shown{Location: location}, Hour: hour}) == nil
}

// Parse reads a row by the rules of today.
func (s Settings) Parse(line landing.Line, reported usage.Hour) (usage.Record, *usage.Rejection) {
	record, rejection := usage.ParseRecord(line.Bytes, reported)
	if line.TooLong {
		rejection = &usage.Rejection{Code: usage.RejectedLine, Reason: fmt.Sprintf("the row is longer than %d bytes", usage.MaxLine)}
	}
	if rejection == nil {
		rejection = s.checkLocation(record)
	}
	return record, rejection
}

func (s Settings) checkLocation(record usage.Record) *usage.Rejection {
	if s.Region == nil {
		return nil
	}
	return record.CheckLocation(s.Region(record.Hour.Day()))
}

func (in *Ingestion) add(record usage.Record) error {
	in.Accepted++
	return in.sums.Add(record)
}

// PutPartials stores one file per usage day: those that rows are of, and those
// that the hour always has an input of. h says which file the rows are from,
// header what its stack said.
func (in *Ingestion) PutPartials(ctx context.Context, blobs content.Putter, h hourlog.Hour, header landing.Header) (inputs []openday.Input, err error) {
	put := func(day usage.Day, sums iter.Seq2[daily.Sum, error]) {
		if err == nil {
			var input openday.Input
			input, err = in.putPartial(ctx, blobs, h, header, day, sums)
			inputs = append(inputs, input)
		}
	}
	own := in.settings.Days
	ownBefore := func(more func(usage.Day) bool) {
		for ; len(own) > 0 && more(own[0]); own = own[1:] {
			put(own[0], func(func(daily.Sum, error) bool) {})
		}
	}
	for day, sums := range in.sums.Days() {
		ownBefore(func(d usage.Day) bool { return d < day })
		if len(own) > 0 && own[0] == day {
			own = own[1:]
		}
		if put(day, sums); err != nil {
			return nil, err
		}
	}
	if ownBefore(func(usage.Day) bool { return true }); err != nil {
		return nil, err
	}
	return inputs, nil
}

func (in *Ingestion) putPartial(ctx context.Context, blobs content.Putter, h hourlog.Hour, header landing.Header, day usage.Day, sums iter.Seq2[daily.Sum, error]) (openday.Input, error) {
	f, file, err := in.writePartial(h, header, day, sums)
	if err != nil {
		return openday.Input{}, err
	}
	defer f.Discard()
	blob := fmt.Sprintf("%s/%s/%s_%s-%s.ndjson.gz", in.id.CloudID, day.Start().Format("2006/01/02"), in.id.Hour.Compact(), in.id.SHA16, file.SHA256[:16])
	if err := f.Put(ctx, blobs, table.ContainerPartials, blob); err != nil {
		return openday.Input{}, err
	}
	return openday.Input{
		CloudID: in.id.CloudID, Day: day, Hour: in.id.Hour, SHA16: in.id.SHA16,
		Partial: blob, SHA256: file.SHA256, Content: file.Content, Lines: file.Lines, Rows: file.Rows, LandedAt: h.LandedAt,
	}, nil
}

// writePartial makes the file of one usage day. The caller discards it.
func (in *Ingestion) writePartial(h hourlog.Hour, header landing.Header, day usage.Day, sums iter.Seq2[daily.Sum, error]) (*content.File, linefile.File, error) {
	f, err := content.NewOn(in.settings.Disk, in.settings.TempDir, "partial-")
	if err != nil {
		return nil, linefile.File{}, err
	}
	file, err := daily.WritePartial(f, daily.PartialHeader{
		CloudID: in.id.CloudID, UsageDay: day, ReportedHour: in.id.Hour, HourBlob: h.SHA256,
		Region: header.Region, CollectedAt: header.CollectedAt.UTC(), ProviderSubscriptions: header.ProviderSubscriptions,
		Tenants: header.Tenants, TenantsStale: header.TenantsStale, TenantsAt: header.TenantsAt.UTC(),
	}, sums)
	if err != nil {
		f.Discard()
		return nil, linefile.File{}, err
	}
	return f, file, nil
}

// UsageDays lists the days of inputs as a table column holds them: the first
// hundred, and how many there are if there are more.
func UsageDays(inputs []openday.Input) string {
	days := make([]string, len(inputs))
	for i, in := range inputs {
		days[i] = in.Day.Compact()
	}
	if len(days) > 100 {
		return strings.Join(days[:100], ",") + fmt.Sprintf(",... (%d days)", len(days))
	}
	return strings.Join(days, ",")
}
