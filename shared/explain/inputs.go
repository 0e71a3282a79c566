package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// part is what one input has of a key of usage in one usage hour.
type part struct {
	quantity usage.Quantity
	rows     int64
	listed   []Row
}

func (p *part) add(q part) {
	p.quantity, p.rows, p.listed = p.quantity.Add(q.quantity), p.rows+q.rows, append(p.listed, q.listed...)
}

// input is an hour blob, and what it has of each key by usage hour (0 to 23).
type input struct {
	id    hourlog.ID
	row   hourlog.Hour
	parts map[usage.Key]map[int]part
}

// of is what the input has of a key in some hours.
func (in *input) of(key usage.Key, hours usage.HourSet) (sum part) {
	for _, h := range slices.Sorted(maps.Keys(in.parts[key])) {
		if hours.Has(h) {
			sum.add(in.parts[key][h])
		}
	}
	return sum
}

// inputs reads the hours that the revisions are made of, and enters what changed from
// one revision to the next.
func (r *run) inputs(ctx context.Context) error {
	keys := map[usage.Key]bool{}
	for _, line := range r.lines {
		if line.CarriedFrom == 0 {
			keys[line.Shown.Key()] = true
		}
	}
	read := map[string]*input{}
	r.hours = read
	for _, m := range r.made {
		for _, in := range m.header.Inputs {
			if err := r.read(ctx, read, keys, openday.Input{CloudID: r.q.CloudID, Day: r.q.Day, Hour: in.ReportedHour, SHA16: in.SHA16,
				Partial: in.Partial, SHA256: in.SHA256}); err != nil {
				return err
			}
		}
	}
	for _, line := range r.lines {
		if line.CarriedFrom == 0 {
			r.changes(line, read)
		}
	}
	return r.pending(ctx, read, keys)
}

// read reads an input once: its partial, and the hour blob if the partial has any of
// the lines.
func (r *run) read(ctx context.Context, have map[string]*input, keys map[usage.Key]bool, in openday.Input) error {
	name := in.Hour.Compact() + "_" + in.SHA16
	if have[name] != nil || len(keys) == 0 {
		return nil
	}
	out := &input{id: hourlog.ID{CloudID: in.CloudID, Hour: in.Hour, SHA16: in.SHA16}, parts: map[usage.Key]map[int]part{}}
	have[name] = out
	r.tell("reported hour %s", in.Hour.String())
	summed, err := r.partial(ctx, in, keys)
	gone := errors.Is(err, content.ErrNoBlob) // partials are kept for some time only
	if gone {
		r.report.Checked.Removed++
	} else if err != nil {
		return err
	}
	if out.row, err = hourlog.Read(ctx, r.Tables, out.id); err != nil {
		return err
	}
	if len(summed) == 0 && !gone {
		return nil
	}
	if err := r.hourBlob(ctx, out, keys); err != nil {
		return err
	}
	for key, hours := range summed {
		for h, sum := range hours {
			if got := out.parts[key][h]; !got.quantity.Equal(sum.quantity) || got.rows != sum.rows {
				r.contradiction("hour blob %s has %s of %s in hour %02d in %d rows, its partial %s in %d", out.row.Blob, got.quantity, key.ResourceURI, h, got.rows, sum.quantity, sum.rows)
			}
		}
	}
	return nil
}

// partial reads what a partial has of the lines.
func (r *run) partial(ctx context.Context, in openday.Input, keys map[usage.Key]bool) (map[usage.Key]map[int]part, error) {
	body, err := content.At(table.ContainerPartials+"/"+in.Partial).With(in.SHA256, "the daily file").Open(ctx, r.App)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	file, err := daily.OpenPartial(body)
	if err != nil {
		return nil, fmt.Errorf("open partial %s: %w", in.Partial, err)
	}
	sums := map[usage.Key]map[int]part{}
	for s, err := range file.Sums() {
		if err != nil {
			return nil, fmt.Errorf("partial %s: %w", in.Partial, err)
		}
		if key := s.Key(); keys[key] {
			put(sums, key, s.FirstHour().OfDay(), part{quantity: s.Quantity, rows: s.Rows})
		}
	}
	r.report.Checked.Partials++
	return sums, body.Check()
}

func put(into map[usage.Key]map[int]part, key usage.Key, hour int, p part) {
	if into[key] == nil {
		into[key] = map[int]part{}
	}
	have := into[key][hour]
	have.add(p)
	into[key][hour] = have
}

// hourBlob reads the rows of the lines.
func (r *run) hourBlob(ctx context.Context, in *input, keys map[usage.Key]bool) error {
	hour, err := ingest.Hours{Tables: r.Tables, Blobs: r.Hours}.Open(ctx, in.id, in.row)
	if err != nil {
		return err
	}
	defer hour.Close()
	listed := map[usage.Key]int{}
	for row, err := range hour.Rows(ctx) {
		if err != nil {
			return err
		}
		if r.report.Checked.Rows++; row.Rejected != nil {
			continue
		}
		record, refusal := usage.ParseRecord(row.Bytes, in.id.Hour)
		if refusal != nil {
			return fmt.Errorf("row %d of %s was accepted, and cannot be read any more: %s", row.Number, in.row.Blob, refusal.Reason)
		}
		key := record.Shown.Key()
		if record.Hour.Day() != r.q.Day || !keys[key] {
			continue
		}
		p := part{quantity: record.Quantity, rows: 1}
		if listed[key]++; listed[key] <= MaxRows {
			p.listed = []Row{{Number: row.Number, Hour: record.Hour, Quantity: record.Quantity}}
		}
		put(in.parts, key, record.Hour.OfDay(), p)
	}
	r.report.Checked.HourBlobs++
	return nil
}

// changes enters what each revision has more or less of than the one before, and
// whether that adds up to its total.
func (r *run) changes(line *Line, read map[string]*input) {
	key := line.Shown.Key()
	before := map[string]part{}
	for i := range line.Revisions {
		rev := &line.Revisions[i]
		now := map[string]part{}
		var total usage.Quantity
		for _, in := range r.revision(int64(rev.Number)).header.Inputs {
			name := in.ReportedHour.Compact() + "_" + in.SHA16
			p := read[name].of(key, rev.hours)
			total = total.Add(p.quantity)
			if p.rows > 0 {
				now[name] = p
			}
		}
		if !total.Equal(rev.Total) {
			r.contradiction("revision %d has %s of %s, its reported hours have %s", rev.Number, rev.Total, line.ResourceURI, total)
		}
		names := slices.Collect(maps.Keys(before))
		for name := range now {
			if _, there := before[name]; !there {
				names = append(names, name)
			}
		}
		slices.SortFunc(names, func(a, b string) int { // of an hour, what was taken back comes first
			return cmp.Or(strings.Compare(a[:10], b[:10]), cmp.Compare(now[a].rows, now[b].rows), strings.Compare(a, b))
		})
		for _, name := range names {
			was, is := before[name], now[name]
			if diff := is.quantity.Sub(was.quantity); diff.Sign() != 0 || is.rows != was.rows {
				rev.Changes = append(rev.Changes, change(read[name], was, is))
			}
		}
		before = now
	}
}

// change describes how an input differs from what the revision before had of it.
func change(in *input, was, is part) Change {
	c := Change{ReportedHour: in.id.Hour, Blob: in.row.Blob, SHA16: in.id.SHA16, Quantity: is.quantity.Sub(was.quantity), Rows: is.rows, Listed: is.listed, Corrects: in.row.Original}
	out := is.rows < was.rows
	if out {
		c.Rows, c.Listed = was.rows, was.listed
	}
	// What was decided about a file later is no reason for what it did before.
	if voided := in.row.Verdict == hourlog.Voided || in.row.Verdict == hourlog.Excluded; voided == out {
		c.Why = why(in.row)
	}
	return c
}

// why is the decision about a file, as people read it.
func why(h hourlog.Hour) string {
	if h.Decision == "" {
		return ""
	}
	return fmt.Sprintf("%s by %s: %s", h.Decision, cmp.Or(h.DecidedBy, "nobody named"), cmp.Or(h.DecisionReason, "no reason recorded"))
}

// pending enters what was accepted since the last revision, or is not accepted any more.
func (r *run) pending(ctx context.Context, read map[string]*input, keys map[usage.Key]bool) error {
	accepted, err := outbox.AcceptedInputs(ctx, r.Tables, r.q.CloudID, r.q.Day)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, in := range r.made[len(r.made)-1].header.Inputs {
		gone[in.ReportedHour.Compact()+"_"+in.SHA16] = true
	}
	var names []string
	for _, in := range accepted {
		name := in.Hour.Compact() + "_" + in.SHA16
		if gone[name] {
			delete(gone, name)
			continue
		}
		if err := r.read(ctx, read, keys, in); err != nil {
			return err
		}
		names = append(names, name)
	}
	for _, line := range r.lines {
		if line.CarriedFrom == 0 {
			line.Pending = net(line.Shown.Key(), read, names, slices.Sorted(maps.Keys(gone)))
		}
	}
	return nil
}

// net is the difference that inputs make to a key, by reported hour: a file that
// replaced another with the same rows makes none.
func net(key usage.Key, read map[string]*input, come, gone []string) (pending []Pending) {
	hours := map[usage.Hour]Pending{}
	enter := func(name string, out bool) {
		in := read[name]
		if in == nil {
			return
		}
		p, q := hours[in.id.Hour], in.of(key, ^usage.HourSet(0)).quantity
		p.ReportedHour = in.id.Hour
		if out {
			p.Quantity, p.Blob = p.Quantity.Sub(q), cmp.Or(p.Blob, in.row.Blob)
		} else {
			p.Quantity, p.Blob = p.Quantity.Add(q), in.row.Blob
		}
		hours[in.id.Hour] = p
	}
	for _, name := range come {
		enter(name, false)
	}
	for _, name := range gone {
		enter(name, true)
	}
	for _, hour := range slices.Sorted(maps.Keys(hours)) {
		if hours[hour].Quantity.Sign() != 0 {
			pending = append(pending, hours[hour])
		}
	}
	return pending
}
