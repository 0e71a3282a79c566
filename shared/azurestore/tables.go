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

	"stackusage/shared/table"
)

// Tables is a table.Store in Azure Tables.
type Tables struct{ service *aztables.ServiceClient }

var _ table.Store = (*Tables)(nil)

// Create makes the tables that do not exist.
func (t *Tables) Create(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, err := t.service.CreateTable(ctx, name, nil); err != nil && !hasCode(err, string(aztables.TableAlreadyExists)) {
			return fmt.Errorf("create table %s: %w", name, err)
		}
	}
	return nil
}

// Get implements table.Store.
func (t *Tables) Get(ctx context.Context, name, partition, key string) (table.Row, error) {
	resp, err := t.service.NewClient(name).GetEntity(ctx, partition, key, nil)
	if err != nil {
		return table.Row{}, fmt.Errorf("get row %s/%s/%s: %w", name, partition, key, sentinel(err))
	}
	row, err := decodeRow(resp.Value)
	if err != nil {
		return table.Row{}, fmt.Errorf("get row %s/%s/%s: %w", name, partition, key, err)
	}
	return row, nil
}

// List implements table.Store.
func (t *Tables) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return t.query(ctx, name, and(term("PartitionKey", "eq", partition), term("RowKey", "ge", from), term("RowKey", "lt", to)))
}

// Scan implements table.Store.
func (t *Tables) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	terms := make([]string, len(any))
	for i, c := range any {
		terms[i] = condition(c)
	}
	one := strings.Join(terms, " or ")
	if len(any) > 1 {
		one = "(" + one + ")"
	}
	return t.query(ctx, name, and(term("PartitionKey", "ge", from), term("PartitionKey", "lt", to), one))
}

func (t *Tables) query(ctx context.Context, name, filter string) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		opts, what := &aztables.ListEntitiesOptions{}, "list rows of "+name
		if filter != "" {
			opts.Filter = &filter
			what += " where " + filter
		}
		pager := t.service.NewClient(name).NewListEntitiesPager(opts)
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(table.Row{}, fmt.Errorf("%s: %w", what, sentinel(err)))
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

func condition(c table.Condition) string {
	switch {
	case !c.From.IsZero():
		return c.Column + " ge datetime'" + c.From.UTC().Format(time.RFC3339) + "'"
	case c.Any:
		return c.Column + " gt ''"
	}
	return c.Column + " eq " + quote(c.Value)
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

// Apply implements table.Store. A single write is a plain request; several
// are one entity group transaction.
func (t *Tables) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	client := t.service.NewClient(name)
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
		return fmt.Errorf("write %d rows of %s/%s from %s: %w", len(ops), name, partition, ops[0].Row.Key, sentinel(err))
	}
	return nil
}

func applyOne(ctx context.Context, client *aztables.Client, op table.Op) error {
	entity, err := encodeRow(op.Row)
	if err != nil {
		return err
	}
	tag := azcore.ETag(op.Row.Tag)
	switch op.Verb {
	case table.Insert:
		_, err = client.AddEntity(ctx, entity, nil)
	case table.Put:
		_, err = client.UpsertEntity(ctx, entity, &aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	case table.Update:
		_, err = client.UpdateEntity(ctx, entity, &aztables.UpdateEntityOptions{IfMatch: &tag, UpdateMode: aztables.UpdateModeReplace})
		err = goneIsChanged(err)
	case table.Delete:
		_, err = client.DeleteEntity(ctx, op.Row.Partition, op.Row.Key, &aztables.DeleteEntityOptions{IfMatch: &tag})
		err = goneIsChanged(err)
	}
	return err
}

func applyAll(ctx context.Context, client *aztables.Client, ops []table.Op) error {
	kinds := map[table.Verb]aztables.TransactionType{
		table.Insert: aztables.TransactionTypeAdd,
		table.Put:    aztables.TransactionTypeInsertReplace,
		table.Update: aztables.TransactionTypeUpdateReplace,
		table.Delete: aztables.TransactionTypeDelete,
	}
	actions := make([]aztables.TransactionAction, len(ops))
	for i, op := range ops {
		entity, err := encodeRow(op.Row)
		if err != nil {
			return err
		}
		actions[i] = aztables.TransactionAction{ActionType: kinds[op.Verb], Entity: entity}
		if op.Verb == table.Update || op.Verb == table.Delete {
			tag := azcore.ETag(op.Row.Tag)
			actions[i].IfMatch = &tag
		}
	}
	_, err := client.SubmitTransaction(ctx, actions, nil)
	return goneIsChanged(err) // nothing but Update and Delete looks for a row
}

func goneIsChanged(err error) error {
	if hasStatus(err, http.StatusNotFound) && !hasCode(err, string(aztables.TableNotFound)) {
		return table.ErrChanged
	}
	return err
}

// sentinel turns the service's answers that the ledger acts upon into its own
// errors, and leaves the rest.
func sentinel(err error) error {
	switch {
	case errors.Is(err, table.ErrChanged):
		return err
	case hasCode(err, string(aztables.TableNotFound)):
		return err // a missing table is a broken deployment, not a missing row
	case hasCode(err, string(aztables.ResourceNotFound), string(aztables.EntityNotFound)), hasStatus(err, http.StatusNotFound):
		return table.ErrNotFound
	case hasCode(err, string(aztables.EntityAlreadyExists)):
		return table.ErrExists
	case hasCode(err, string(aztables.UpdateConditionNotSatisfied)), hasStatus(err, http.StatusPreconditionFailed):
		return table.ErrChanged
	}
	return err
}

// encodeRow writes the entity itself: aztables.EDMEntity doubles the quotes in
// keys, which the client does once more, and calls any time UTC.
func encodeRow(row table.Row) ([]byte, error) {
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

func decodeRow(entity []byte) (table.Row, error) {
	var e aztables.EDMEntity
	if err := json.Unmarshal(entity, &e); err != nil {
		return table.Row{}, fmt.Errorf("decode row: %w", err)
	}
	row := table.Row{Partition: e.PartitionKey, Key: e.RowKey, Props: make(table.Props, len(e.Properties)), Tag: table.Tag(e.ETag)}
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
