package ledger

import (
	"context"
	"fmt"
	"iter"

	"stackusage/shared/table"
)

// RejectedLines goes through the numbers of the rows of a file that were rejected
// when it was ingested, in order. refusals is the file of them that its row in
// UsageHours names; what was decided about a row since does not matter.
func (l *Ledger) RejectedLines(ctx context.Context, id HourID, refusals string) iter.Seq2[int64, error] {
	return func(yield func(int64, error) bool) {
		if refusals == "" {
			return
		}
		for row, err := range l.Store.List(ctx, table.Quarantine, id.partition(), id.key()+"_", id.key()+"`") {
			var q Quarantined
			if err == nil {
				err = table.Decode(row.Props, &q)
			}
			if err != nil {
				yield(0, fmt.Errorf("list rejected rows of hour %s: %w", id, err))
				return
			}
			if q.Bytes == refusals && !yield(q.Line, nil) {
				return
			}
		}
	}
}
