package explain

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/usage"
)

// beside reads what stands beside the lines: the days that something was carried
// forward from, files in conflict, and rejected rows.
func (r *run) beside(ctx context.Context) error {
	if err := r.carried(ctx); err != nil {
		return err
	}
	first, last := r.q.Day, usage.HourOf(r.q.Day.End().Add(r.Settling)).Day()
	for h, err := range hourlog.Between(ctx, r.Tables, r.q.CloudID, first, last) {
		switch {
		case err != nil:
		case h.Verdict == hourlog.Accepted && (h.Quarantined > 0 || h.Original != ""):
			err = r.rejected(ctx, h)
		case h.Verdict == hourlog.Conflict:
			err = r.conflict(ctx, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carried finds what earlier days carried forward into the lines.
func (r *run) carried(ctx context.Context) error {
	from := map[daily.LineKey]*Line{}
	for key, line := range r.lines {
		if line.CarriedFrom != 0 {
			from[key] = line
		}
	}
	if len(from) == 0 {
		return nil
	}
	for _, in := range r.made[len(r.made)-1].header.Carries {
		r.tell("revision %d of %s", in.Revision, in.UsageDay)
		body, err := content.At(in.File).With(in.SHA256, "the daily file").Open(ctx, r.App)
		if err != nil {
			return err
		}
		err = enterCarried(body, in, from)
		body.Close()
		if err != nil {
			return fmt.Errorf("daily file %s: %w", in.File, err)
		}
		r.report.Checked.DailyFiles++
	}
	for _, line := range from {
		var sum usage.Quantity
		for _, c := range line.Carried {
			sum = sum.Add(c.Quantity)
		}
		if last := line.Revisions[len(line.Revisions)-1]; !sum.Equal(last.Total) {
			r.contradiction("%s was carried forward for %s, and the days that did so have %s", last.Total, line.ResourceURI, sum)
		}
	}
	return nil
}

func enterCarried(body *content.Body, in daily.CarryInput, from map[daily.LineKey]*Line) error {
	file, err := daily.OpenDay(body)
	if err != nil {
		return err
	}
	for c, err := range file.Carried() {
		if err != nil {
			return err
		}
		if line := from[c.LineKey()]; line != nil {
			line.Carried = append(line.Carried, CarriedFrom{Day: in.UsageDay, Revision: in.Revision, Quantity: c.Quantity, Reason: c.Reason})
		}
	}
	return body.Check()
}

// rejected enters the rejected rows of an accepted hour blob that name a line's
// resource and meter. A row that cannot be read may be of any line: its text decides.
func (r *run) rejected(ctx context.Context, h hourlog.Landed) error {
	states := map[int64]hourlog.RejectedRow{}
	files := map[string]bool{}
	for row, err := range hourlog.RejectedRows(ctx, r.Tables, h.ID) {
		if err != nil {
			return err
		}
		states[row.Line], files[row.Bytes] = row, true
	}
	seen := map[int64]bool{}
	for path := range files {
		if err := r.rejectedFile(ctx, path, func(row ingest.RejectedRow) {
			state, known := states[row.Line]
			if !known || seen[row.Line] {
				return
			}
			text := plain(row.Row)
			for _, line := range r.lines {
				if line.CarriedFrom == 0 && names(text, line) {
					seen[row.Line] = true
					file := h.ID.SHA16
					if state.State == hourlog.Redriven {
						file = h.Original
					}
					line.RejectedRows = append(line.RejectedRows, RejectedRow{ReportedHour: h.ID.Hour, Blob: state.Blob, SHA16: file, Number: row.Line,
						Code: row.Code, Reason: row.Reason, State: string(state.State), By: state.DecidedBy, Why: state.DecisionReason})
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) rejectedFile(ctx context.Context, path string, take func(ingest.RejectedRow)) error {
	blob := content.At(path)
	name := strings.TrimSuffix(blob.Name, ".ndjson.gz")
	body, err := blob.With(name[max(0, len(name)-16):], "its name").Open(ctx, r.App)
	if err != nil {
		return err
	}
	defer body.Close()
	for row, err := range ingest.ReadRejected(body) {
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		take(row)
	}
	r.report.Checked.Rejected++
	return body.Check()
}

// plain is the text of a row as it is searched: lower case, slashes not escaped.
func plain(row []byte) []byte {
	return bytes.ToLower(bytes.ReplaceAll(row, []byte(`\/`), []byte("/")))
}

// names reports whether a row's text names a line's resource and its meter.
func names(text []byte, l *Line) bool {
	uri := strings.ToLower(l.ResourceURI)
	resource := bytes.Contains(text, []byte(uri+`\"`)) || bytes.Contains(text, []byte(uri+`"`))
	meter := bytes.Contains(text, []byte(usage.DashedGUID(l.MeterID))) || bytes.Contains(text, []byte(usage.NormalGUID(l.MeterID)))
	return resource && meter
}
