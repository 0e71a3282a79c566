package closing_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"stackusage/internal/benchproc"
	"stackusage/internal/benchstore"
	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

func TestMain(m *testing.M) {
	benchproc.Main(m, map[string]benchproc.Step{"close": closeStep, "close again": closeAgainStep})
}

// opened is a day whose inputs are all there but the last.
type opened struct {
	day
	store  *benchstore.Store
	closer *closing.Closer
}

func closeStep(args []byte) (func() (map[string]float64, error), error) {
	o, err := open(args)
	if err != nil {
		return nil, err
	}
	return o.close, nil
}

// closeAgainStep is revision 2: commerce has accepted all of the first, and the last input
// has come.
func closeAgainStep(args []byte) (func() (map[string]float64, error), error) {
	o, err := open(args)
	if err == nil {
		_, err = o.close()
	}
	if err == nil {
		err = o.accept()
	}
	if err == nil {
		err = o.add(o.Inputs[o.Partials])
	}
	return o.close, err
}

func open(args []byte) (*opened, error) {
	var o opened
	if err := json.Unmarshal(args, &o.day); err != nil {
		return nil, err
	}
	o.store = benchstore.New(o.Blobs)
	registrations := registry.Registry{Tables: o.store.Tables}
	err := registrations.Put(context.Background(), registration.Registration{
		CloudID: stack, EffectiveDay: "20191201", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		BillingModel: registration.PayAsYouUse, Region: "northwest", Start: closed.Start(),
	})
	for i, in := range o.Inputs {
		if err == nil {
			err = o.store.Blobs.Link(table.ContainerPartials, in.Partial, filepath.Join(o.Folder, in.Partial), in.LandedAt)
		}
		if err == nil && i < o.Partials {
			err = o.add(in)
		}
	}
	if err != nil {
		return nil, err
	}
	names, err := queue.Names()
	if err == nil {
		err = o.store.Queues.Create(context.Background(), names...)
	}
	if err != nil {
		return nil, err
	}
	meters, err := meter.BuiltIn()
	o.closer = &closing.Closer{
		Tables: o.store.Tables, Hours: o.store.Blobs, Blobs: o.store.Blobs, Queues: o.store.Queues, Registrations: registrations, Meters: meters,
		Now: func() time.Time { return closed.End().AddDate(0, 0, 5) }, Rules: closing.Rules{CloseDelay: time.Hour},
	}
	return &o, err
}

func (o *opened) add(in openday.Input) error {
	_, err := hourlog.Commit(context.Background(), o.store.Tables, hourlog.ID{CloudID: stack, Hour: in.Hour, SHA16: in.SHA16}, hourlog.Hour{LandedAt: in.LandedAt}, []openday.Input{in})
	return err
}

func (o *opened) close() (map[string]float64, error) {
	operations := o.store.Operations()
	err := o.closer.Close(context.Background(), stack, closed)
	return map[string]float64{"operations": float64(o.store.Operations() - operations)}, err
}

// accept accepts all batches of the first revision.
func (o *opened) accept() error {
	ctx := context.Background()
	ids, batches, err := outbox.OfRevision(ctx, o.store.Tables, stack, closed, 1)
	for i, b := range batches {
		if err == nil {
			err = o.acceptBatch(ctx, ids[i], b)
		}
	}
	return err
}

func (o *opened) acceptBatch(ctx context.Context, id outbox.ID, b outbox.Batch) error {
	body, err := content.At(b.Blob).With(b.SHA256, table.UsageBatches).Bytes(ctx, o.store.Blobs, daily.MaxBatchBytes)
	if err != nil {
		return err
	}
	records, err := daily.DecodeBatch(body)
	if err != nil {
		return err
	}
	receipt := outbox.Receipt{Batch: id.String()}
	for _, r := range records {
		receipt.Outcomes = append(receipt.Outcomes, outbox.ReceiptOutcome{RecordID: r.RecordID, Status: outcome.Accepted, Stands: true, Quantity: r.Quantity})
	}
	text, err := json.Marshal(receipt)
	if err != nil {
		return err
	}
	sum, name := sha256.Sum256(text), fmt.Sprintf("receipt-%05d.json", id.Number)
	if err := content.PutBytes(ctx, o.store.Blobs, table.ContainerReceipts, name, text); err != nil {
		return err
	}
	b.State, b.Receipt, b.ReceiptSHA256 = outbox.BatchDone, table.ContainerReceipts+"/"+name, hex.EncodeToString(sum[:])
	row := table.Row{Partition: openday.Partition(stack, closed), Key: fmt.Sprintf("%04d_%05d", 1, id.Number), Props: table.Encode(b)}
	return o.store.Tables.Apply(ctx, table.UsageBatches, row.Partition, table.Op{Verb: table.Put, Row: row})
}
