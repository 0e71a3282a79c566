package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/invoke"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// closeDay states one usage day: it merges the partials that count, writes the
// daily file and the batches, commits the revision, and hands the batches on.
// A repeat finds the revision and does what comes after it.
func (a *App) closeDay(ctx context.Context, req invoke.Request) error {
	text, err := req.Text("message")
	if err != nil {
		return err
	}
	m, err := queue.ParseDay(text)
	if err != nil {
		return err
	}
	for range closeTries {
		if err = a.tryClose(ctx, m); !errors.Is(err, ledger.ErrOtherCloser) {
			return err
		}
	}
	return err
}

// closeTries bounds how often a closer that lost to another one starts over.
const closeTries = 3

func (a *App) tryClose(ctx context.Context, m queue.Day) error {
	book, err := a.Registrations.Book(ctx, m.CloudID)
	if err != nil {
		return err
	}
	// What is missing is read before the inputs: an hour that commits in between
	// is among the inputs then. The other way round it would be in neither, and
	// the day would be stated as complete without it.
	missing, err := a.missing(ctx, m.UsageDay, book)
	if err != nil {
		return err
	}
	c, err := a.Ledger.BeginClose(ctx, m.CloudID, m.UsageDay)
	if err != nil {
		return err
	}
	c.OffCalendar = !onCalendar(book, m.UsageDay)
	repeat, err := a.repeatsClosing(ctx, c)
	held, heldErr := a.heldOpen(c, book)
	if err = errors.Join(err, heldErr, a.pendingOutside(ctx, book, c.Pending)); err != nil {
		return err
	}
	var manifest ledger.Manifest
	switch {
	case held:
		return nil
	case c.Empty():
		_, err := a.Ledger.FinishClose(ctx, c) // all its hours were voided, or none is expected and none was used
		return err
	case c.States() && c.Request == nil && !repeat:
		manifest, err = a.readManifest(ctx, c.Last.Manifest)
	default:
		if err := a.listBatches(ctx, c); err != nil {
			return err
		}
		manifest, err = a.stateDay(ctx, c, book, missing, repeat)
	}
	if err != nil {
		return err
	}
	if err := a.sendBatches(ctx, manifest); err != nil {
		return err
	}
	done, err := a.Ledger.FinishClose(ctx, c)
	if err != nil {
		return err
	}
	a.log(ctx).InfoContext(ctx, "day closed", slog.String("cloudId", c.CloudID), slog.String("usageDay", c.Day.String()),
		slog.Int64("revision", c.Last.Number), slog.Bool("complete", c.Last.Complete), slog.Int64("records", c.Last.Records),
		slog.Int64("rows", c.Last.Rows), slog.Int64("batches", c.Last.Batches), slog.Bool("done", done))
	return nil
}

// stateDay makes the next revision of a day that is due: the first states it,
// later ones state the difference to what commerce accepted. repeat: it is only to
// state once more what commerce declined.
func (a *App) stateDay(ctx context.Context, c *ledger.Closing, book registration.Book, missing []usage.Hour, repeat bool) (ledger.Manifest, error) {
	missing = slices.DeleteFunc(missing, func(h usage.Hour) bool {
		return slices.ContainsFunc(c.Counted, func(in ledger.DayInput) bool { return in.Hour == h })
	})
	var err error
	if c.Last == nil {
		err = a.due(book, c.Day, missing, ledger.FirstLanding(c.Counted))
	} else if c.Request == nil && !repeat { // an operator who asks does not wait for hours
		err = a.dueAgain(c.CloudID, c.Day, *c.Last, missing)
	}
	if err != nil {
		return ledger.Manifest{}, err
	}
	before, err := a.standing(ctx, c)
	if err != nil {
		return ledger.Manifest{}, err
	}
	defer before.close()
	manifest, revision, err := a.writeDay(ctx, c, book, missing, before)
	if err != nil {
		return ledger.Manifest{}, err
	}
	if repeat {
		revision.Attempt = c.Last.Attempt + 1
	}
	return manifest, a.Ledger.CommitRevision(ctx, c, c.Answer(revision))
}

// writeDay merges the counted partials and stores daily file, batches, settlement
// and manifest, all under names made from their bytes.
func (a *App) writeDay(ctx context.Context, c *ledger.Closing, book registration.Book, missing []usage.Hour, before *standing) (ledger.Manifest, ledger.Revision, error) {
	number := before.revision + 1
	none := func(err error) (ledger.Manifest, ledger.Revision, error) {
		return ledger.Manifest{}, ledger.Revision{}, err
	}
	s, err := a.beginSettling(ctx, c, book, number)
	if err != nil {
		return none(err)
	}
	partials, bodies, err := a.openPartials(ctx, c.Counted, s.observe)
	defer closeAll(bodies)
	if err == nil {
		err = a.settleParts(ctx, s, book)
	}
	if err != nil {
		return none(err)
	}
	carried, err := a.openCarries(ctx, c.Day, c.Carries)
	defer carried.close()
	if err != nil {
		return none(err)
	}
	m := ledger.Manifest{CloudID: c.CloudID, UsageDay: c.Day, Revision: number, Inputs: inputsOf(c.Counted), Carries: carried.inputs, Before: before.sources}
	header, err := s.header(m, missing)
	if err != nil {
		return none(err)
	}
	f, err := content.New(a.Settings.TempDir, "day-")
	if err != nil {
		return none(err)
	}
	defer f.Discard()
	prefix := fmt.Sprintf("%s/%s/%04d", c.CloudID, c.Day.Path(), number)
	sequences := make([]iter.Seq2[daily.Sum, error], len(partials))
	for i, p := range partials {
		sequences[i] = p.Sums()
	}
	file, err := daily.WriteDay(f, header, s.rules(number, len(missing) > 0),
		daily.Sources{Sums: daily.Merge(sequences...), Carried: carried.lines, Standings: before.lines}, a.keepBatches(ctx, prefix, &m))
	if err != nil {
		return none(err)
	}
	if err := errors.Join(checkPartials(c.Counted, bodies), carried.check(), before.check()); err != nil {
		return none(err)
	}
	blob := prefix + "-" + file.SHA256[:16] + ".ndjson.gz"
	if err := f.Put(ctx, a.Blobs, table.ContainerDaily, blob); err != nil {
		return none(err)
	}
	m.File, m.SHA256 = table.ContainerDaily+"/"+blob, file.SHA256
	revision := ledger.Revision{
		Number: int64(number), StatedAt: a.Now(), Complete: len(missing) == 0, MissingHours: hourList(missing),
		Inputs: ledger.InputList(c.Counted, c.Carries...), InputCount: int64(len(c.Counted) + len(c.Carries)),
		Rows: file.Rows, Records: file.Records, Batches: int64(len(m.Batches)), Carried: file.Carried, Waived: file.Waived, File: m.File, SHA256: m.SHA256,
		BillingModel: string(header.BillingModel), BillingSubscriptionID: header.BillingSubscriptionID, Reporting: header.Reporting,
	}
	if err := a.keepSettlement(ctx, s, &revision); err != nil {
		return none(err)
	}
	revision.Manifest, err = a.putManifest(ctx, prefix, m)
	return m, revision, err
}

// keepBatches stores the batches of a day as they are full, and lists them.
func (a *App) keepBatches(ctx context.Context, prefix string, m *ledger.Manifest) func(daily.Batch) error {
	return func(b daily.Batch) error {
		b.Blob = fmt.Sprintf("%s_%05d-%s.json", prefix, b.Number, b.SHA256[:16])
		if err := a.putBytes(ctx, table.ContainerOutbox, b.Blob, b.Body); err != nil {
			return err
		}
		b.Blob, b.Body = table.ContainerOutbox+"/"+b.Blob, nil
		m.Batches = append(m.Batches, b)
		return nil
	}
}

func (a *App) putManifest(ctx context.Context, prefix string, m ledger.Manifest) (string, error) {
	text, err := ledger.EncodeManifest(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	blob := prefix + "-" + hex.EncodeToString(sum[:8]) + ".manifest.json"
	return table.ContainerDaily + "/" + blob, a.putBytes(ctx, table.ContainerDaily, blob, text)
}

// maxManifest bounds a manifest: a day of 50 million records has 100,000
// batches of some 250 bytes each.
const maxManifest = 64 << 20

func (a *App) readManifest(ctx context.Context, path string) (ledger.Manifest, error) {
	text, err := a.readBytes(ctx, path, maxManifest)
	if err != nil {
		return ledger.Manifest{}, err
	}
	var m ledger.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return ledger.Manifest{}, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, nil
}

// sendBatches lists the batches of a stated day and queues those that have no
// final answer. A repeat for a day that is all answered does nothing.
func (a *App) sendBatches(ctx context.Context, m ledger.Manifest) error {
	ids, batches, err := a.Ledger.Batches(ctx, m.CloudID, m.UsageDay, m.Revision)
	if err != nil {
		return err
	}
	answered := map[int]bool{}
	for i, b := range batches {
		answered[ids[i].Number] = b.State == ledger.BatchAnswered
	}
	if len(batches) < len(m.Batches) {
		if err := a.Ledger.OpenBatches(ctx, m, a.Now()); err != nil {
			return err
		}
	}
	for _, b := range m.Batches {
		if answered[b.Number] {
			continue
		}
		id := ledger.BatchID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: b.Number}
		if err := a.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), 0); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) putBytes(ctx context.Context, container, name string, b []byte) error {
	return a.Blobs.Put(ctx, container, name, nopCloser{bytes.NewReader(b)}, int64(len(b)))
}

// readBytes reads a blob by its path, container and name, whole.
func (a *App) readBytes(ctx context.Context, path string, limit int64) ([]byte, error) {
	container, name := splitPath(path)
	body, _, err := a.Blobs.Open(ctx, container, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read blob %s: longer than %d bytes", path, limit)
	}
	return b, nil
}

// splitPath splits a path as tables show it into container and blob name.
func splitPath(path string) (container, name string) {
	container, name, _ = strings.Cut(path, "/")
	return container, name
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func hourList(hours []usage.Hour) string {
	texts := make([]string, len(hours))
	for i, h := range hours {
		texts[i] = h.Compact()
	}
	return strings.Join(texts, ",")
}
