package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// hashed is a body whose bytes are hashed as they are read.
type hashed struct {
	io.ReadCloser
	sum hash.Hash
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
		body, _, err := a.Blobs.Open(ctx, table.ContainerPartials, in.Partial)
		if err != nil {
			return nil, bodies, err
		}
		h := &hashed{ReadCloser: body, sum: sha256.New()}
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

// checkPartials compares what was merged with what DayInputs says was stored.
func checkPartials(inputs []ledger.DayInput, bodies []*hashed) error {
	for i, in := range inputs {
		if _, err := io.Copy(io.Discard, bodies[i]); err != nil {
			return fmt.Errorf("read partial %s: %w", in.Partial, err)
		}
		if sum := hex.EncodeToString(bodies[i].sum.Sum(nil)); sum != in.SHA256 {
			return fmt.Errorf("read partial %s: its SHA-256 is %s, DayInputs says %s", in.Partial, sum, in.SHA256)
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
