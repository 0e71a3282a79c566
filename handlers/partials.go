package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/intake"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// hashed is a body whose bytes are hashed as they are read.
type hashed struct {
	io.ReadCloser
	sum  hash.Hash
	want string // the hash that partials must have
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.sum.Write(p[:n])
	return n, err
}

func closeAll(bodies []*hashed) {
	for _, b := range bodies {
		b.Close()
	}
}

// openPartials opens the partials in order of reported hour, and hands on what
// their headers say: a map of tenants is large, and not kept. The bodies are the
// caller's to close, also after an error.
func (a *App) openPartials(ctx context.Context, inputs []ledger.DayInput, look func(ledger.DayInput, daily.PartialHeader)) (partials []*daily.Partial, bodies []*hashed, err error) {
	for _, in := range inputs {
		h, err := a.openPartial(ctx, in)
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
func (a *App) openPartial(ctx context.Context, in ledger.DayInput) (*hashed, error) {
	body, _, err := a.Blobs.Open(ctx, table.ContainerPartials, in.Partial)
	if err == nil {
		return &hashed{ReadCloser: body, sum: sha256.New(), want: in.SHA256}, nil
	}
	if !errors.Is(err, a.NoBlob) {
		return nil, err
	}
	again := intake.Rebuilder{Ledger: a.Ledger, Hours: hourBlobs{a}, Settings: intake.Settings{TempDir: a.Settings.TempDir, SpillSums: a.Settings.SpillSums}}
	f, file, err := again.Partial(ctx, in)
	if err != nil {
		return nil, err
	}
	a.log(ctx).InfoContext(ctx, "partial rebuilt", slog.String("partial", in.Partial), slog.Int64("rows", file.Rows))
	if body, err = f.Open(); err != nil {
		f.Discard()
		return nil, fmt.Errorf("open partial %s: %w", in.Partial, err)
	}
	return &hashed{ReadCloser: discarding{body, f}, sum: sha256.New(), want: file.SHA256}, nil
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

// hourBlobs opens hour blobs wherever they lie.
type hourBlobs struct{ app *App }

func (h hourBlobs) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if strings.HasPrefix(container, landing.Container("")) {
		return h.app.Landing.Open(ctx, container, name)
	}
	return h.app.Blobs.Open(ctx, container, name) // a corrected one
}

// checkPartials compares what was merged with what DayInputs says was stored.
func checkPartials(inputs []ledger.DayInput, bodies []*hashed) error {
	for i, in := range inputs {
		if _, err := io.Copy(io.Discard, bodies[i]); err != nil {
			return fmt.Errorf("read partial %s: %w", in.Partial, err)
		}
		if sum := hex.EncodeToString(bodies[i].sum.Sum(nil)); sum != bodies[i].want {
			return fmt.Errorf("read partial %s: its SHA-256 is %s, DayInputs says %s", in.Partial, sum, bodies[i].want)
		}
	}
	return nil
}

func inputsOf(counted []ledger.DayInput) []daily.Input {
	inputs := make([]daily.Input, len(counted))
	for i, in := range counted {
		inputs[i] = daily.Input{ReportedHour: in.Hour, SHA16: in.SHA16, Partial: in.Partial, SHA256: in.SHA256, Lines: in.Lines, Rows: in.Rows}
	}
	return inputs
}
