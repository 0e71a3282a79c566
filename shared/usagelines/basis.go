package usagelines

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"

	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

// basis is what the lines of a day are read from, and nothing else.
type basis struct {
	CloudID    string
	Day        usage.Day
	Revision   int64
	Catalogue  string
	Files      []source // the daily file, and those of the revisions that carry
	Settlement string
	Receipts   []source
	From       []source // settlements of the days that usage was carried from
}

type source struct {
	Name   string
	SHA256 string
}

// Basis is a hash of all that the day's lines depend on. Final reports whether each
// record of the last revision has its outcome: lines of the same basis are then the same
// for ever. From are the days that usage was carried from; they are those of From once
// the lines were read.
func (d *Day) Basis(ctx context.Context, from []usage.Day) (hash [sha256.Size]byte, final bool, err error) {
	if err := d.listBatches(ctx); err != nil {
		return hash, false, err
	}
	b := basis{CloudID: d.CloudID, Day: d.Day, Revision: d.Revision.Number, Catalogue: d.catalogue(), Settlement: d.Revision.SettlementSHA256,
		Files: []source{{d.Revision.File, d.Revision.SHA256}}}
	for _, r := range d.carried {
		b.Files = append(b.Files, source{r.File, r.SHA256})
	}
	final = int64(len(d.batches)) == d.Revision.Batches
	for _, number := range slices.Sorted(maps.Keys(d.batches)) {
		batch := d.batches[number]
		final = final && batch.State == outbox.BatchDone
		b.Receipts = append(b.Receipts, source{batch.Receipt, batch.ReceiptSHA256})
	}
	for _, day := range from {
		known, is := d.from[day]
		if !is {
			last, err := daybook.LastRevision(ctx, d.reader.Tables, d.CloudID, day)
			if err != nil {
				return hash, false, err
			}
			known.sha256 = cmp.Or(last, &daybook.Revision{}).SettlementSHA256
		}
		b.From = append(b.From, source{day.String(), known.sha256})
	}
	text, err := json.Marshal(b)
	return sha256.Sum256(text), final, err
}

// From are the days that usage was carried from, in order, once the lines were read.
func (d *Day) From() []usage.Day { return slices.Sorted(maps.Keys(d.from)) }
