package handlers_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/reasoned"
)

// endAtOnce is a registration that ended before an hour, which IngestHour takes out,
// until an operator takes the end back; another file of the hour may be let in, and
// the hour excluded.
func endAtOnce(t *testing.T, r *rig, random *rand.Rand) []*actor {
	r.complete(t)
	_, name := blobOf(t, hour00, rowsOf(hour00)...)
	second := r.ingest(t, hour00, row(2, hour22, "40"))
	if random.IntN(2) == 0 {
		r.done(t, "CloseDay", dayMessage(theDay))
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	}
	regs, err := r.registry().Registrations(t.Context(), cloudID)
	ok(t, err)
	registered, ended := regs[len(regs)-1], regs[len(regs)-1]
	ended.End = hour23.Start()
	ok(t, r.registry().Put(t.Context(), ended))
	ingest := r.invokes("IngestHour", landedMessage(name))
	actors := append(r.closers(dayMessage(theDay), dayMessage(theDay)), once(ingest), once(func(ctx context.Context) {
		ingest(ctx)
		unexpected(t, r.registry().Put(ctx, registered))
		ingest(ctx)
	}))
	if random.IntN(2) == 0 {
		actors = append(actors, once(func(ctx context.Context) {
			_, err := hourlog.AskTakeOver(ctx, r.Tables, hourID(second), because("it is right"))
			unexpected(t, err, reasoned.ErrDecided)
			r.invokes("IngestHour", landedMessage(second))(ctx)
		}))
	}
	if random.IntN(2) == 0 {
		actors = append(actors, once(func(ctx context.Context) {
			_, err := hourlog.Exclude(ctx, r.Tables, hourID(name), because("it is wrong"), false)
			unexpected(t, err, reasoned.ErrDecided)
		}))
	}
	return actors
}

// answeredOnce checks all revisions of the usage day: none is made of two files of one
// hour, whole are those of hours that all count all along, and no two answer the same
// request.
func (r *rig) answeredOnce(t *testing.T, whole bool) {
	t.Helper()
	requests := map[string]int64{}
	for revision, err := range daybook.Revisions(t.Context(), r.store.Tables, cloudID, theDay) {
		ok(t, err)
		hours := map[string]bool{}
		for input := range strings.SplitSeq(revision.Inputs, ",") {
			hour, _, _ := strings.Cut(input, "_")
			if hours[hour] && hour != "carry" {
				t.Errorf("revision %d has two files of an hour: %s", revision.Number, revision.Inputs)
			}
			hours[hour] = true
		}
		if before := requests[revision.Restate]; before > 0 && revision.Restate != "" {
			t.Errorf("revisions %d and %d answer the same request", before, revision.Number)
		}
		requests[revision.Restate] = revision.Number
		for _, h := range allDay {
			if whole && !hours[h.Compact()] {
				t.Errorf("revision %d is without hour %s: %s", revision.Number, h, revision.Inputs)
			}
		}
	}
}
