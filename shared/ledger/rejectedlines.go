package ledger

import (
	"context"
	"iter"
)

// RejectedLines goes through the numbers of the rows of a file that were rejected
// when it was ingested, in order. refusals is the file of them that its row in
// UsageHours names; what was decided about a row since does not matter.
func (l *Ledger) RejectedLines(ctx context.Context, id HourID, refusals string) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		for row, err := range l.rejected(ctx, id, refusals) {
			if !yield(row.Line, err) {
				return
			}
		}
	}
}
