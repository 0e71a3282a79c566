package closing

import (
	"context"
	"fmt"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// carriedInto is what other days' revisions carried into the day at hand, read
// as streams from their daily files.
type carriedInto struct {
	inputs []daily.CarryInput
	lines  iter.Seq2[daily.Carried, error]

	bodies []*content.Body
}

// openCarries opens the daily files in order. Close is the caller's, also after
// an error.
func (cl *Closer) openCarries(ctx context.Context, to usage.Day, carries []openday.Carry) (*carriedInto, error) {
	var in carriedInto
	sequences := make([]iter.Seq2[daily.Carried, error], len(carries))
	for i, c := range carries {
		h, err := content.At(c.File).With(c.SHA256, table.DayInputs).Open(ctx, cl.Blobs)
		if err != nil {
			return &in, err
		}
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
	return checkAll(in.bodies)
}
