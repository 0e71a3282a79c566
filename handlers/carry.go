package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// carriedInto is what other days' revisions carried into the day at hand, read
// as streams from their daily files.
type carriedInto struct {
	inputs []daily.CarryInput
	lines  iter.Seq2[daily.Carried, error]

	bodies []*hashed
}

// openCarries opens the daily files in order. Close is the caller's, also after
// an error.
func (a *App) openCarries(ctx context.Context, to usage.Day, carries []ledger.Carry) (*carriedInto, error) {
	var in carriedInto
	sequences := make([]iter.Seq2[daily.Carried, error], len(carries))
	for i, c := range carries {
		container, name := splitPath(c.File)
		body, _, err := a.Blobs.Open(ctx, container, name)
		if err != nil {
			return &in, err
		}
		h := &hashed{ReadCloser: body, sum: sha256.New()}
		in.bodies = append(in.bodies, h)
		day, err := daily.OpenDay(h)
		if err == nil {
			if head := day.Header(); head.CloudID != c.CloudID || head.UsageDay != c.From || head.Revision != c.Revision || head.CarriedTo != to {
				err = fmt.Errorf("it is revision %d of %s, carried to %s", head.Revision, head.UsageDay, head.CarriedTo)
			}
		}
		if err != nil {
			return &in, fmt.Errorf("open daily file %s: %w", c.File, err)
		}
		in.inputs = append(in.inputs, c.Input())
		sequences[i] = day.Carried()
	}
	in.lines = daily.MergeCarried(sequences...)
	return &in, nil
}

func (in *carriedInto) close() { closeAll(in.bodies) }

// check compares what was read with what DayInputs says.
func (in *carriedInto) check() error {
	for i, c := range in.inputs {
		if _, err := io.Copy(io.Discard, in.bodies[i]); err != nil {
			return fmt.Errorf("read daily file %s: %w", c.File, err)
		}
		if sum := hex.EncodeToString(in.bodies[i].sum.Sum(nil)); sum != c.SHA256 {
			return fmt.Errorf("read daily file %s: its SHA-256 is %s, DayInputs says %s", c.File, sum, c.SHA256)
		}
	}
	return nil
}
