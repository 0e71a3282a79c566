package closing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// writeDay merges the counted partials and stores daily file, batches, settlement
// and manifest, all under names made from their bytes.
func (cl *Closer) writeDay(ctx context.Context, c *daybook.Closing, history registration.History, missing []usage.Hour, before *standing) (daily.Manifest, daybook.Revision, error) {
	number := before.revision + 1
	none := func(err error) (daily.Manifest, daybook.Revision, error) {
		return daily.Manifest{}, daybook.Revision{}, err
	}
	s, err := cl.beginSettling(ctx, c, history, number)
	if err != nil {
		return none(err)
	}
	partials, bodies, err := cl.openPartials(ctx, c.Counted, s.observe)
	defer closeAll(bodies)
	if err == nil {
		err = cl.settleParts(ctx, s, history)
	}
	if err != nil {
		return none(err)
	}
	carried, err := cl.openCarries(ctx, c.Day, c.Carries)
	defer carried.close()
	if err != nil {
		return none(err)
	}
	m := daily.Manifest{CloudID: c.CloudID, UsageDay: c.Day, Revision: number, Inputs: inputsOf(c.Counted), Carries: carried.inputs, Before: before.sources}
	header, err := s.header(m, missing)
	if err != nil {
		return none(err)
	}
	f, err := content.New(cl.TempDir, "day-")
	if err != nil {
		return none(err)
	}
	defer f.Discard()
	prefix := fmt.Sprintf("%s/%s/%04d", c.CloudID, c.Day.Path(), number)
	sequences := make([]iter.Seq2[daily.Sum, error], len(partials))
	for i, p := range partials {
		sequences[i] = p.Sums()
	}
	rules := s.rules(number, len(missing) > 0)
	file, err := daily.WriteDay(f, header, rules,
		daily.Sources{Sums: rules.Merge(sequences...), Carried: carried.lines, Standings: before.lines}, cl.keepBatches(ctx, prefix, &m))
	if err != nil {
		return none(err)
	}
	if err := errors.Join(checkAll(bodies), carried.check(), before.check()); err != nil {
		return none(err)
	}
	blob := prefix + "-" + file.SHA256[:16] + ".ndjson.gz"
	if err := f.Put(ctx, cl.Blobs, table.ContainerDaily, blob); err != nil {
		return none(err)
	}
	m.File, m.SHA256 = table.ContainerDaily+"/"+blob, file.SHA256
	revision := daybook.Revision{
		Number: int64(number), ClosedAt: cl.Now(), Complete: len(missing) == 0, MissingHours: hourList(missing),
		Inputs: daybook.InputList(c.Counted, c.Carries...), InputCount: int64(len(c.Counted) + len(c.Carries)),
		Rows: file.Rows, Records: file.Records, Batches: int64(len(m.Batches)), Carried: file.Carried, Waived: file.Waived, File: m.File, SHA256: m.SHA256,
		BillingModel: string(header.BillingModel), BillingSubscriptionID: header.BillingSubscriptionID, Reporting: header.Reporting,
	}
	if err := cl.keepSettlement(ctx, s, &revision); err != nil {
		return none(err)
	}
	revision.Manifest, err = cl.putManifest(ctx, prefix, m)
	return m, revision, err
}

// keepBatches stores the batches of a day as they are full, and lists them.
func (cl *Closer) keepBatches(ctx context.Context, prefix string, m *daily.Manifest) func(daily.Batch) error {
	return func(b daily.Batch) error {
		b.Blob = fmt.Sprintf("%s_%05d-%s.json", prefix, b.Number, b.SHA256[:16])
		if err := content.PutBytes(ctx, cl.Blobs, table.ContainerOutbox, b.Blob, b.Body); err != nil {
			return err
		}
		b.Blob, b.Body = table.ContainerOutbox+"/"+b.Blob, nil
		m.Batches = append(m.Batches, b)
		return nil
	}
}

const manifestSuffix = ".manifest.json"

func (cl *Closer) putManifest(ctx context.Context, prefix string, m daily.Manifest) (string, error) {
	text, err := daily.EncodeManifest(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	blob := prefix + "-" + hex.EncodeToString(sum[:8]) + manifestSuffix
	return table.ContainerDaily + "/" + blob, content.PutBytes(ctx, cl.Blobs, table.ContainerDaily, blob, text)
}

// maxManifest bounds a manifest: a day of 50 million records has 100,000
// batches of some 250 bytes each.
const maxManifest = 64 << 20

func (cl *Closer) readManifest(ctx context.Context, path string) (daily.Manifest, error) {
	_, sum, _ := strings.Cut(strings.TrimSuffix(path, manifestSuffix), "-") // no row has it
	text, err := content.At(path).With(sum[max(0, len(sum)-16):], "its name").Bytes(ctx, cl.Blobs, maxManifest)
	if err != nil {
		return daily.Manifest{}, err
	}
	var m daily.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return daily.Manifest{}, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, nil
}

func hourList(hours []usage.Hour) string {
	texts := make([]string, len(hours))
	for i, h := range hours {
		texts[i] = h.Compact()
	}
	return strings.Join(texts, ",")
}
