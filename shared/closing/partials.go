package closing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/ingest"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
)

func closeAll(bodies []*content.Body) {
	for _, b := range bodies {
		b.Close()
	}
}

// checkAll compares what was read with what the rows say that was stored.
func checkAll(bodies []*content.Body) error {
	for _, b := range bodies {
		if err := b.Check(); err != nil {
			return err
		}
	}
	return nil
}

// openPartials opens the partials in order of reported hour, and hands on what
// their headers say: a map of tenants is large, and not kept. The bodies are the
// caller's to close, also after an error.
func (cl *Closer) openPartials(ctx context.Context, inputs []openday.Input, look func(openday.Input, daily.PartialHeader)) (partials []*daily.Partial, bodies []*content.Body, err error) {
	for _, in := range inputs {
		h, err := cl.openPartial(ctx, in)
		if err != nil {
			return nil, bodies, err
		}
		bodies = append(bodies, h)
		p, err := daily.OpenPartial(h)
		if err == nil && (p.Header().CloudID != in.CloudID || p.Header().UsageDay != in.Day || p.Header().ReportedHour != in.Hour) {
			err = fmt.Errorf("it is of %s, hour %s", p.Header().UsageDay, p.Header().ReportedHour)
		}
		if err != nil {
			return nil, bodies, fmt.Errorf("open partial %s: %w", in.Partial, err)
		}
		look(in, p.Header())
		p.Forget()
		partials = append(partials, p)
	}
	return partials, bodies, nil
}

// openPartial opens a stored partial, or one that is made again where it is not kept
// any more.
func (cl *Closer) openPartial(ctx context.Context, in openday.Input) (*content.Body, error) {
	kept := content.Blob{Container: table.ContainerPartials, Name: in.Partial, SHA256: in.SHA256, NamedIn: table.DayInputs}
	body, err := kept.Open(ctx, cl.Blobs)
	if !errors.Is(err, content.ErrNoBlob) {
		return body, err
	}
	again := ingest.Rebuilder{Tables: cl.Tables, Hours: cl.Hours, Settings: ingest.Settings{TempDir: cl.TempDir, SpillSums: cl.SpillSums}}
	f, made, err := again.Partial(ctx, in)
	if err != nil {
		return nil, err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "partial rebuilt", slog.String("partial", in.Partial), slog.Int64("rows", made.Rows))
	file, err := f.Open()
	if err != nil {
		f.Discard()
		return nil, fmt.Errorf("open partial %s: %w", in.Partial, err)
	}
	kept.SHA256 = made.SHA256
	return kept.Hashed(discarding{file, f}), nil
}

// discarding is a temporary file that goes when it is closed.
type discarding struct {
	io.ReadCloser
	file *content.File
}

func (d discarding) Close() error {
	defer d.file.Discard()
	return d.ReadCloser.Close()
}

func inputsOf(counted []openday.Input) []daily.Input {
	inputs := make([]daily.Input, len(counted))
	for i, in := range counted {
		inputs[i] = daily.Input{ReportedHour: in.Hour, SHA16: in.SHA16, Partial: in.Partial, SHA256: in.SHA256, Lines: in.Lines, Rows: in.Rows}
	}
	return inputs
}
