package hourlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// RowStatus says what became of a rejected row.
type RowStatus string

// Statuses of rejected rows.
const (
	RowRejected RowStatus = "rejected"
	Dismissed   RowStatus = "dismissed" // an operator decided that it is no usage
	Redriven    RowStatus = "redriven"  // no status of a row: it counts by the corrected blob (RejectedRow.State)
)

// Quarantined is a row of Quarantine: a rejected row, why, and what became of it.
type Quarantined struct {
	Line   int64     `col:"line"` // the row's number in the hour blob, from 1
	Code   string    `col:"code"`
	Reason string    `col:"reason"`
	Blob   string    `col:"blob"`  // the hour blob: container and name
	Bytes  string    `col:"bytes"` // where the row's bytes are kept: container and name
	Status RowStatus `col:"status"`

	DecisionReason string    `col:"decisionReason,omitempty"`
	DecidedBy      string    `col:"decidedBy,omitempty"`
	DecidedAt      time.Time `col:"decidedAt"`
}

func quarantineKey(id ID, line int64) string { return fmt.Sprintf("%s_%010d", id.key(), line) }

// PutQuarantine stores rejected rows of one blob. It may be repeated: what became
// of a row since stays. Only where the blob was ingested by other rules before, and
// its rejected rows are another file now, are the rows replaced.
func PutQuarantine(ctx context.Context, store table.Store, id ID, rows []Quarantined) error {
	ops := make([]table.Op, len(rows))
	for i, q := range rows {
		ops[i] = table.Op{Verb: table.Insert, Row: table.Row{Partition: id.partition(), Key: quarantineKey(id, q.Line), Props: table.Encode(q)}}
	}
	for chunk := range table.Chunks(ops) {
		err := store.Apply(ctx, table.Quarantine, id.partition(), chunk...)
		if errors.Is(err, table.ErrExists) {
			err = putAgain(ctx, store, chunk)
		}
		if err != nil {
			return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
		}
	}
	return nil
}

// putAgain writes those of the rows of a transaction that are not there, or are of
// another file of rejected rows, in one transaction again.
func putAgain(ctx context.Context, store table.Store, ops []table.Op) error {
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.Row.Key
	}
	partition := ops[0].Row.Partition
	there, err := table.Present(ctx, store, table.Quarantine, partition, keys)
	if err != nil {
		return err
	}
	var writes []table.Op
	for _, op := range ops {
		have, is := there[op.Row.Key]
		if is && have.Props["bytes"] == op.Row.Props["bytes"] {
			continue
		}
		if is {
			op.Verb, op.Row.Tag = table.Update, have.Tag
		}
		writes = append(writes, op)
	}
	if len(writes) == 0 {
		return nil
	}
	return store.Apply(ctx, table.Quarantine, partition, writes...)
}

// RejectedRow is a row of Quarantine with what follows from the rest: whether it
// is still out of the bill.
type RejectedRow struct {
	Quarantined
	State RowStatus // Status, or Redriven: the corrected blob that counts has it

	row table.Row
}

// RejectedRows goes through the rejected rows of an hour blob that counts, in order of
// line: of a corrected blob those of the original too, which it has redriven. Rows of
// an earlier judgement of the same blob are left out.
func RejectedRows(ctx context.Context, store table.Store, id ID) iter.Seq2[RejectedRow, error] {
	return func(yield func(RejectedRow, error) bool) {
		standing, err := AcceptedHour(ctx, store, id)
		if err == nil && standing.Counts != id.SHA16 {
			err = fmt.Errorf("file %s counts for the hour: %w", standing.Counts, reasoned.ErrDecided)
		}
		var original Hour
		first := ID{id.CloudID, id.Hour, standing.Original}
		if err == nil && standing.Original != "" {
			original, err = Read(ctx, store, first)
		}
		if err != nil {
			yield(RejectedRow{}, fmt.Errorf("list rejected rows of hour %s: %w", id, err))
			return
		}
		before, stop := iter.Pull2(rejected(ctx, store, first, original.RejectedFile))
		defer stop()
		old, err, more := before()
		redriven := func(until int64) bool {
			for ; more && err == nil && old.Line <= until; old, err, more = before() {
				old.State = Redriven
				if old.Line < until && !yield(old, nil) {
					return false
				}
			}
			if more && err != nil {
				yield(RejectedRow{}, err)
			}
			return !more || err == nil
		}
		for r, err := range rejected(ctx, store, id, standing.RejectedFile) {
			if err == nil && !redriven(r.Line) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		redriven(math.MaxInt64)
	}
}

// RejectedLines goes through the rows of a file that were rejected when it was
// ingested, in order of line. refusals is the file of them that its row in UsageHours
// names; what was decided about a row since does not matter.
func RejectedLines(ctx context.Context, store table.Store, id ID, refusals string) iter.Seq2[Quarantined, error] {
	return func(yield func(Quarantined, error) bool) {
		for row, err := range rejected(ctx, store, id, refusals) {
			if !yield(row.Quarantined, err) {
				return
			}
		}
	}
}

// rejected goes through the rows of Quarantine of one blob that belong to the given
// file of its rejected rows.
func rejected(ctx context.Context, store table.Store, id ID, refusals string) iter.Seq2[RejectedRow, error] {
	return func(yield func(RejectedRow, error) bool) {
		if refusals == "" {
			return
		}
		for row, err := range store.List(ctx, table.Quarantine, id.partition(), id.key()+"_", id.key()+table.AfterUnderscore) {
			r := RejectedRow{row: row}
			if err == nil {
				err = table.Decode(row.Props, &r.Quarantined)
			}
			if err != nil {
				yield(r, fmt.Errorf("list rejected rows of hour %s: %w", id, err))
				return
			}
			if r.State = r.Status; r.Bytes == refusals && !yield(r, nil) {
				return
			}
		}
	}
}

// NamedRow is a row of Quarantine with the file that it is of.
type NamedRow struct {
	ID ID
	Quarantined
}

// RejectedBetween goes through the rows of Quarantine that nobody has dismissed, of the
// reported days from first to last, or of all where both are 0. Some are redriven, or of
// files that are not accepted.
func RejectedBetween(ctx context.Context, store table.Store, cloudID string, first, last usage.Day) iter.Seq2[NamedRow, error] {
	from, to := bounds(cloudID)
	if first != 0 || last != 0 {
		from, to = openday.Partition(cloudID, first), openday.Partition(cloudID, last.Next())
	}
	return named(store.Scan(ctx, table.Quarantine, from, to, table.Condition{Column: "status", Value: string(RowRejected)}))
}

// WithUndecided goes through landed files, in order, each with the number of its rejected
// rows that are out of the bill and that nobody has decided about: those of accepted files,
// neither redriven nor dismissed. first and last are the reported days of the files; both
// 0: all. It reads rejected rows only if some file has them.
func WithUndecided(ctx context.Context, store table.Store, cloudID string, first, last usage.Day, files iter.Seq2[Landed, error]) iter.Seq2[Landed, error] {
	return func(yield func(Landed, error) bool) {
		var next func() (NamedRow, error, bool)
		var q NamedRow
		var more bool
		for h, err := range files {
			if err == nil && h.Verdict == Accepted && h.Quarantined > 0 {
				if next == nil {
					var stop func()
					next, stop = iter.Pull2(RejectedBetween(ctx, store, cloudID, first, last))
					defer stop()
					q, err, more = next()
				}
				for ; more && err == nil && q.ID.compare(h.ID) <= 0; q, err, more = next() {
					if q.ID == h.ID && q.Bytes == h.RejectedFile {
						h.Undecided++
					}
				}
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// compare puts files in the order of the tables.
func (id ID) compare(other ID) int {
	return cmp.Or(cmp.Compare(id.CloudID, other.CloudID), cmp.Compare(id.Hour, other.Hour), cmp.Compare(id.SHA16, other.SHA16))
}

// DismissedSince goes through the rows of Quarantine that were dismissed since then, of a
// registration or of all if cloudID is empty. Of a row of an hour that was corrected since
// there is a copy for each corrected blob.
func DismissedSince(ctx context.Context, store table.Store, cloudID string, since time.Time) iter.Seq2[NamedRow, error] {
	from, to := bounds(cloudID)
	return named(store.Scan(ctx, table.Quarantine, from, to, table.NotBefore("decidedAt", since)))
}

func named(rows iter.Seq2[table.Row, error]) iter.Seq2[NamedRow, error] {
	return func(yield func(NamedRow, error) bool) {
		for row, err := range rows {
			var r NamedRow
			if err == nil {
				var day string
				r.ID.CloudID, day, _ = strings.Cut(row.Partition, "_")
				hh, rest, _ := strings.Cut(row.Key, "_")
				r.ID.SHA16, _, _ = strings.Cut(rest, "_")
				if r.ID.Hour, err = usage.ParseCompactHour(day + hh); err == nil {
					err = table.Decode(row.Props, &r.Quarantined)
				}
			}
			if err != nil {
				err = fmt.Errorf("list rejected rows: %w", err)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// QuarantinedHours goes through the hour blobs that count and have rejected rows, or
// redriven ones.
func QuarantinedHours(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Landed, error] {
	return func(yield func(Landed, error) bool) {
		for h, err := range All(ctx, store, cloudID) {
			if err == nil && (h.Verdict != Accepted || h.Quarantined == 0 && h.Original == "") {
				continue
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}
