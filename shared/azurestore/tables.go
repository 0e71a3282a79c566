package azurestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"stackusage/shared/ledger"
)

// Tables is a ledger.Store in Azure Tables.
type Tables struct{ service *aztables.ServiceClient }

var _ ledger.Store = (*Tables)(nil)

// Create makes the tables that do not exist.
func (t *Tables) Create(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := t.service.CreateTable(ctx, name, nil); err != nil && !hasCode(err, string(aztables.TableAlreadyExists)) {
			return fmt.Errorf("create table %s: %w", name, err)
		}
	}
	return nil
}

// Get implements ledger.Store.
func (t *Tables) Get(ctx context.Context, table, partition, key string) (ledger.Row, error) {
	resp, err := t.service.NewClient(table).GetEntity(ctx, partition, key, nil)
	if err != nil {
		return ledger.Row{}, fmt.Errorf("get row %s/%s/%s: %w", table, partition, key, sentinel(err))
	}
	row, err := decodeRow(resp.Value)
	if err != nil {
		return ledger.Row{}, fmt.Errorf("get row %s/%s/%s: %w", table, partition, key, err)
	}
	return row, nil
}

// List implements ledger.Store.
func (t *Tables) List(ctx context.Context, table, partition, from, to string) iter.Seq2[ledger.Row, error] {
	return t.query(ctx, table, and(term("PartitionKey", "eq", partition), term("RowKey", "ge", from), term("RowKey", "lt", to)))
}

// Scan implements ledger.Store.
func (t *Tables) Scan(ctx context.Context, table, from, to string, any ...ledger.Condition) iter.Seq2[ledger.Row, error] {
	terms := make([]string, len(any))
	for i, c := range any {
		terms[i] = c.Column + " eq " + quote(c.Value)
	}
	one := strings.Join(terms, " or ")
	if len(any) > 1 {
		one = "(" + one + ")"
	}
	return t.query(ctx, table, and(term("PartitionKey", "ge", from), term("PartitionKey", "lt", to), one))
}

func (t *Tables) query(ctx context.Context, table, filter string) iter.Seq2[ledger.Row, error] {
	return func(yield func(ledger.Row, error) bool) {
		opts, what := &aztables.ListEntitiesOptions{}, "list rows of "+table
		if filter != "" {
			opts.Filter = &filter
			what += " where " + filter
		}
		pager := t.service.NewClient(table).NewListEntitiesPager(opts)
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(ledger.Row{}, fmt.Errorf("%s: %w", what, sentinel(err)))
				return
			}
			for _, entity := range page.Entities {
				row, err := decodeRow(entity)
				if err != nil {
					err = fmt.Errorf("%s: %w", what, err)
				}
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// term compares a column with a bound; an open bound is no term.
func term(column, op, bound string) string {
	if bound == "" {
		return ""
	}
	return column + " " + op + " " + quote(bound)
}

func and(terms ...string) string {
	return strings.Join(slices.DeleteFunc(terms, func(t string) bool { return t == "" }), " and ")
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Apply implements ledger.Store. A single write is a plain request; several
// are one entity group transaction.
func (t *Tables) Apply(ctx context.Context, table, partition string, ops ...ledger.Op) error {
	client := t.service.NewClient(table)
	var err error
	switch len(ops) {
	case 0:
		return nil
	case 1:
		err = applyOne(ctx, client, ops[0])
	default:
		err = applyAll(ctx, client, ops)
	}
	if err != nil {
		return fmt.Errorf("write %d rows of %s/%s from %s: %w", len(ops), table, partition, ops[0].Row.Key, sentinel(err))
	}
	return nil
}

func applyOne(ctx context.Context, client *aztables.Client, op ledger.Op) error {
	entity, err := encodeRow(op.Row)
	if err != nil {
		return err
	}
	tag := azcore.ETag(op.Row.Tag)
	switch op.Verb {
	case ledger.Insert:
		_, err = client.AddEntity(ctx, entity, nil)
	case ledger.Put:
		_, err = client.UpsertEntity(ctx, entity, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	case ledger.Update:
		_, err = client.UpdateEntity(ctx, entity, &aztables.UpdateEntityOptions{IfMatch: &tag, UpdateMode: aztables.UpdateModeReplace})
		err = goneIsChanged(err)
	case ledger.Delete:
		_, err = client.DeleteEntity(ctx, op.Row.Partition, op.Row.Key, &aztables.DeleteEntityOptions{IfMatch: &tag})
		err = goneIsChanged(err)
	}
	return err
}

func applyAll(ctx context.Context, client *aztables.Client, ops []ledger.Op) error {
	kinds := map[ledger.Verb]aztables.TransactionType{
		ledger.Insert: aztables.TransactionTypeAdd,
		ledger.Put:    aztables.TransactionTypeInsertReplace,
		ledger.Update: aztables.TransactionTypeUpdateReplace,
		ledger.Delete: aztables.TransactionTypeDelete,
	}
	actions := make([]aztables.TransactionAction, len(ops))
	for i, op := range ops {
		entity, err := encodeRow(op.Row)
		if err != nil {
			return err
		}
		actions[i] = aztables.TransactionAction{ActionType: kinds[op.Verb], Entity: entity}
		if op.Verb == ledger.Update || op.Verb == ledger.Delete {
			tag := azcore.ETag(op.Row.Tag)
			actions[i].IfMatch = &tag
		}
	}
	_, err := client.SubmitTransaction(ctx, actions, nil)
	return goneIsChanged(err) // nothing but Update and Delete looks for a row
}

func goneIsChanged(err error) error {
	if hasStatus(err, http.StatusNotFound) && !hasCode(err, string(aztables.TableNotFound)) {
		return ledger.ErrChanged
	}
	return err
}

// sentinel turns the service's answers that the ledger acts upon into its own
// errors, and leaves the rest.
func sentinel(err error) error {
	switch {
	case errors.Is(err, ledger.ErrChanged):
		return err
	case hasCode(err, string(aztables.TableNotFound)):
		return err // a missing table is a broken deployment, not a missing row
	case hasCode(err, string(aztables.ResourceNotFound), string(aztables.EntityNotFound)), hasStatus(err, http.StatusNotFound):
		return ledger.ErrNotFound
	case hasCode(err, string(aztables.EntityAlreadyExists)):
		return ledger.ErrExists
	case hasCode(err, string(aztables.UpdateConditionNotSatisfied)), hasStatus(err, http.StatusPreconditionFailed):
		return ledger.ErrChanged
	}
	return err
}

// encodeRow writes the entity itself: aztables.EDMEntity doubles the quotes in
// keys, which the client does once more, and calls any time UTC.
func encodeRow(row ledger.Row) ([]byte, error) {
	entity := make(map[string]any, 2*len(row.Props)+2)
	for name, v := range row.Props {
		switch x := v.(type) {
		case string, bool:
			entity[name] = x
		case int64:
			entity[name], entity[name+odataType] = aztables.EDMInt64(x), "Edm.Int64"
		case time.Time:
			entity[name], entity[name+odataType] = aztables.EDMDateTime(x.UTC()), "Edm.DateTime"
		default:
			return nil, fmt.Errorf("encode row %s/%s: column %s has type %T", row.Partition, row.Key, name, v)
		}
	}
	entity["PartitionKey"], entity["RowKey"] = row.Partition, row.Key
	return json.Marshal(entity)
}

const odataType = "@odata.type"

func decodeRow(entity []byte) (ledger.Row, error) {
	var e aztables.EDMEntity
	if err := json.Unmarshal(entity, &e); err != nil {
		return ledger.Row{}, fmt.Errorf("decode row: %w", err)
	}
	row := ledger.Row{Partition: e.PartitionKey, Key: e.RowKey, Props: make(ledger.Props, len(e.Properties)), Tag: ledger.Tag(e.ETag)}
	for name, v := range e.Properties {
		switch x := v.(type) {
		case aztables.EDMInt64:
			row.Props[name] = int64(x)
		case int32:
			row.Props[name] = int64(x)
		case aztables.EDMDateTime:
			row.Props[name] = time.Time(x).UTC()
		default:
			row.Props[name] = x
		}
	}
	return row, nil
}
