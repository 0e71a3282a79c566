package handlers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/shared/table"
)

// recompress makes of what the app has stored so far what the release before would have
// stored, which compressed with compress/gzip: other bytes, and so other names of the
// same content. What was there stays, as files that nothing names.
func (r *rig) recompress(t testing.TB) {
	t.Helper()
	var renames []string // old, new, ...
	renamed := func(text string) string { return strings.NewReplacer(renames...).Replace(text) }
	store := func(container, name string, before, now []byte) {
		was, is := sha256.Sum256(before), sha256.Sum256(now)
		if was == is {
			return
		}
		old, fresh := hex.EncodeToString(was[:]), hex.EncodeToString(is[:])
		renames = append(renames, old, fresh, "-"+old[:16], "-"+fresh[:16])
		r.putBlob(t, container, renamed(name), now)
	}
	each := func(container, suffix string, do func(name string, content []byte)) {
		var names []string
		ok(t, r.store.Blobs.List(context.Background(), container, func(name string, _ time.Time) error {
			if strings.HasSuffix(name, suffix) {
				names = append(names, name)
			}
			return nil
		}))
		for _, name := range names {
			do(name, r.blob(t, container+"/"+name))
		}
	}
	for _, container := range []string{table.ContainerPartials, table.ContainerQuarantine, table.ContainerDaily} {
		each(container, ".gz", func(name string, content []byte) {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := io.WriteString(w, renamed(unzip(t, content)))
			ok(t, err)
			ok(t, w.Close())
			store(container, name, content, packed.Bytes())
		})
	}
	each(table.ContainerDaily, ".json", func(name string, content []byte) {
		store(table.ContainerDaily, name, content, []byte(renamed(string(content))))
	})
	if len(renames) == 0 {
		return
	}
	for _, name := range table.Names() {
		for row, err := range r.store.Tables.List(context.Background(), name, "", "", "") {
			ok(t, err)
			changed := false
			for column, value := range row.Props {
				if text, is := value.(string); is && renamed(text) != text {
					row.Props[column], changed = renamed(text), true
				}
			}
			if changed {
				ok(t, r.store.Tables.Apply(context.Background(), name, row.Partition, table.Op{Verb: table.Put, Row: row}))
			}
		}
	}
}

// TestAStepIsRepeatedByAnotherCompressor: the release before began a step and was
// stopped at any write. This one, whose files of the same content have other names,
// repeats it: nothing is billed twice, nothing is left out, and nothing is an error.
func TestAStepIsRepeatedByAnotherCompressor(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		function string
		message  string
		prepare  func(t *testing.T, r *rig)
	}{
		"ingest": {"IngestHour", "", func(t *testing.T, r *rig) {
			r.ingest(t, hour22, rowsOf(hour22)...)
			r.ingest(t, hour00, rowsOf(hour00)...)
		}},
		"close": {"CloseDay", dayMessage(theDay), func(t *testing.T, r *rig) { r.complete(t) }},
		"close again": {"CloseDay", dayMessage(theDay), func(t *testing.T, r *rig) {
			r.ingest(t, hour22, rowsOf(hour22)...)
			r.ingest(t, hour00, rowsOf(hour00)...)
			r.daysPass(t)
			r.done(t, "CloseDay", dayMessage(theDay))
			r.ingest(t, hour23, rowsOf(hour23)...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var messages, bills, begun sync.Map // by rig
			eachWriteFailed(t,
				func(t *testing.T) *rig {
					r := registered(t)
					bills.Store(r, newBilling(t, r))
					tt.prepare(t, r)
					message := tt.message
					if message == "" {
						message = landedMessage(r.land(t, hour23, append(rowsOf(hour23), `{"no":"row"}`)...))
					}
					messages.Store(r, message)
					return r
				},
				func(r *rig) (int, string) {
					if _, before := begun.LoadOrStore(r, true); before {
						r.recompress(t)
					}
					message, _ := messages.Load(r)
					return r.call(tt.function, message.(string))
				},
				func(t *testing.T, _, r *rig) {
					t.Helper()
					message, _ := messages.Load(r)
					bill, _ := bills.Load(r)
					random := rand.New(rand.NewPCG(1, 1))
					for range 2 { // the message comes again, and again after the day was closed
						r.recompress(t)
						r.done(t, tt.function, message.(string))
						r.daysPass(t)
						r.settle(t, random)
						bill.(billing).billed(t, wholeDay()...)
					}
				})
		})
	}
}
