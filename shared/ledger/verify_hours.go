package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// hours checks every reported hour that counts.
func (v *verifier) hours(ctx context.Context) error {
	return v.list(ctx, table.UsageHours, "", "", func(where string, row table.Row) error {
		cloudID, day, err := splitDay(row.Partition)
		if err != nil {
			return v.differ(where, "%v", err)
		}
		if !v.wants(cloudID, day) {
			return nil
		}
		hh, sha16, _ := strings.Cut(row.Key, "_")
		id := HourID{CloudID: cloudID, SHA16: sha16}
		if id.Hour, err = usage.ParseCompactHour(day.Compact() + hh); err != nil {
			return v.differ(where, "%v", err)
		}
		return v.twice(func() error { return v.hourRow(ctx, where, id) })
	})
}

// hourRow checks one row of UsageHours as it is now: a pointer against the row
// that it names, or a blob that counts against its pointer and its content.
func (v *verifier) hourRow(ctx context.Context, where string, id HourID) error {
	pointer, err := v.ledger.Store.Get(ctx, table.UsageHours, id.partition(), id.pointer())
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	counts, _ := pointer.Props["counts"].(string)
	isPointer := id.SHA16 == ""
	excluded, _ := pointer.Props["excluded"].(string)
	if isPointer {
		id.SHA16 = cmp.Or(counts, excluded)
	}
	row, err := v.ledger.Store.Get(ctx, table.UsageHours, id.partition(), id.key())
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	var h Hour
	if err := table.Decode(row.Props, &h); err != nil {
		return v.differ(where, "%v", err)
	}
	switch {
	case isPointer && counts == "" && excluded != "" && (h.Verdict == Excluded || h.Verdict == Unregistered):
		return v.sameProps(where, pointer.Props, row.Props, "excluded", "excludedBy", "challenger")
	case isPointer && h.Verdict != Counted:
		return v.differ(where, "counts is %s, and that blob has no row that says counted", counts)
	case isPointer:
		return v.sameProps(where, pointer.Props, row.Props, "counts", "challenger", "excludedBy")
	case h.Verdict != Counted:
		return nil
	case counts != id.SHA16:
		return v.differ(where, "verdict is counted, but row %s names %q", id.pointer(), counts)
	}
	return v.hour(ctx, where, id, h)
}

// hour reads a blob that counts once more, row by row.
func (v *verifier) hour(ctx context.Context, where string, id HourID, h Hour) error {
	v.report.Hours++
	defer v.progress()
	container, blob, _ := strings.Cut(h.Blob, "/")
	name, err := landing.ParseName(container, blob)
	if err != nil || name != (landing.Name{CloudID: id.CloudID, Hour: id.Hour, SHA16: id.SHA16, Corrected: h.Original != ""}) {
		return v.differ(where, "blob is %.200q, which is the name of another one", h.Blob)
	}
	files := v.files.Landing
	if name.Corrected {
		files = v.files.App
	}
	f, err := v.openFile(ctx, files, h.Blob)
	if err != nil {
		return v.settle(err)
	}
	defer f.close()
	summer, err := daily.NewSummer(v.o.TempDir, daily.DefaultSpill)
	if err != nil {
		return err
	}
	defer summer.Close()
	got, err := v.rows(ctx, id, h, f, name, summer)
	if err != nil {
		var rejection *landing.Rejection
		if errors.As(err, &rejection) {
			err = damaged(h.Blob, "%v", rejection)
		}
		return v.settle(err)
	}
	v.report.Rows += got.Records
	days, err := v.partials(ctx, id, h, summer)
	if err != nil {
		return err
	}
	return cmp.Or(
		same(v, where, "sha256", h.SHA256, got.SHA256),
		same(v, where, "rowSetHash", h.RowSetHash, got.RowSetHash),
		same(v, where, "bytes", h.Bytes, got.Bytes),
		same(v, where, "records", h.Records, got.Records),
		same(v, where, "pages", h.Pages, got.Pages),
		same(v, where, "accepted", h.Accepted, got.Accepted),
		same(v, where, "quarantined", h.Quarantined, got.Quarantined),
		same(v, where, "accepted + quarantined", h.Accepted+h.Quarantined, h.Records),
		sameDays(v, where, h.UsageDays, days),
	)
}

// sameDays compares the list of usage days, of which a column holds only the
// first hundred.
func sameDays(v *verifier, where, stored string, days []string) error {
	list := strings.Join(days, ",")
	if len(days) > 100 {
		list = strings.Join(days[:100], ",")
		stored, _, _ = strings.Cut(stored, ",...")
	}
	return same(v, where, "usageDays", stored, list)
}

// rows reads the rows, counts them, sums those that may count and compares the
// others with Quarantine, which is in order of line too.
func (v *verifier) rows(ctx context.Context, id HourID, h Hour, f io.Reader, name landing.Name, summer *daily.Summer) (Hour, error) {
	var got Hour
	// What was over a limit is not counted, whatever the limits are now.
	r, err := landing.NewReader(f, name, landing.Limits{Bytes: math.MaxInt64, Rows: math.MaxInt64})
	if err != nil {
		return got, err
	}
	refused, err := pull(v.ledger.Store.List(ctx, table.Quarantine, id.partition(), id.key()+"_", id.key()+"`"))
	defer refused.stop()
	if err != nil {
		return got, err
	}
	var kept string // the file of refused rows
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return got, err
		}
		record, refusal := usage.ParseRecord(line.Bytes, id.Hour)
		if line.TooLong {
			refusal = &usage.Refusal{Code: usage.RefusedLine}
		}
		if refusal == nil && line.LeftOut {
			refusal = &usage.Refusal{Code: usage.RefusedLeftOut}
		}
		if refusal == nil {
			got.Accepted++
			err = summer.Add(record)
		} else {
			got.Quarantined++
			err = v.refusal(id, h, line.Number, refusal.Code, refused, &kept)
		}
		if err != nil {
			return got, err
		}
	}
	for refused.more {
		if err := v.extraRefusal(id, h, refused); err != nil {
			return got, err
		}
	}
	if kept != "" {
		err = v.settle(v.hashFile(ctx, kept))
	}
	t := r.Trailer()
	got.SHA256, got.RowSetHash, got.Bytes = r.SHA256(), r.RowSetHash(), r.Size()
	got.Records, got.Pages = t.Records, int64(t.Pages)
	return got, err
}

// refusal compares a row that is refused with the next row of Quarantine.
func (v *verifier) refusal(id HourID, h Hour, number int64, code string, refused *puller[table.Row], kept *string) error {
	key := fmt.Sprintf("%s_%010d", id.key(), number)
	where := "Quarantine " + id.partition() + "/" + key
	for refused.more && refused.head.Key < key {
		if err := v.extraRefusal(id, h, refused); err != nil {
			return err
		}
	}
	if !refused.more || refused.head.Key != key {
		return v.differ(where, "the row is not there; line %d of %s is refused with %s", number, h.Blob, code)
	}
	var q Quarantined
	if err := table.Decode(refused.head.Props, &q); err != nil {
		return v.differ(where, "%v", err)
	}
	*kept = q.Bytes
	err := cmp.Or(same(v, where, "code", q.Code, code), same(v, where, "line", q.Line, number), same(v, where, "blob", q.Blob, h.Blob), same(v, where, "bytes", q.Bytes, h.Refusals))
	if err != nil {
		return err
	}
	return refused.advance()
}

// extraRefusal names the next row of Quarantine, to which no row of the hour
// belongs. One of another judgement of the same blob says nothing.
func (v *verifier) extraRefusal(id HourID, h Hour, refused *puller[table.Row]) error {
	if refused.head.Props["bytes"] != h.Refusals {
		return refused.advance()
	}
	if err := v.differ("Quarantine "+id.partition()+"/"+refused.head.Key, "the hour has no such refused row"); err != nil {
		return err
	}
	return refused.advance()
}

// hashFile compares a file with its name.
func (v *verifier) hashFile(ctx context.Context, path string) error {
	f, err := v.openFile(ctx, v.files.App, path)
	if err != nil {
		return err
	}
	defer f.close()
	return f.finish("")
}
