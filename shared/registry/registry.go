// Package registry keeps registrations in table Registrations: each entry of a
// history is a row, and each change of a cloudId is counted by a row of its own.
// docs/formats/tables.md describes the rows.
package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// Row keys of table Registrations. A second entry for the same effective day has
// its number behind it: registration_20191210_0002.
const (
	registrationPrefix   = "registration_"
	tenantPrefix         = "tenant_"
	infrastructurePrefix = "infrastructure_"
	providerPrefix       = "provider_"
	changePrefix         = "change_" // the changes of a cloudId, counted: of two at once the second finds its number taken
	namePrefix           = "name_"   // begins the PartitionKey of a name that is taken
	nameKey              = "cloudId"
)

// Registry is a registration.Store in tables.
type Registry struct{ Tables table.Store }

var _ registration.Store = Registry{}

// Registrations reads the history of a registration, oldest first; empty if
// the cloudId is not registered.
func (r Registry) Registrations(ctx context.Context, cloudID string) ([]registration.Registration, error) {
	history, err := r.History(ctx, cloudID)
	return history.Registrations, err
}

// History implements registration.Store.
func (r Registry) History(ctx context.Context, cloudID string) (registration.History, error) {
	history := registration.History{CloudID: cloudID}
	for row, err := range r.Tables.List(ctx, table.Registrations, cloudID, "", "") {
		if err == nil {
			err = readEntry(&history, row)
		}
		if err != nil {
			return registration.History{CloudID: cloudID}, fmt.Errorf("read registration %s: %w", cloudID, err)
		}
	}
	return complete(history), nil
}

// complete drops what a change added that came while the rows were read. The
// rows of changes are read first.
func complete(history registration.History) registration.History {
	history.Sort()
	return history.At(history.Version)
}

// Books implements registration.Store.
func (r Registry) Histories(ctx context.Context) ([]registration.History, error) {
	var histories []registration.History
	for row, err := range r.Tables.List(ctx, table.Registrations, "", "", "") {
		if err == nil && strings.HasPrefix(row.Partition, namePrefix) {
			continue
		}
		if err == nil {
			if n := len(histories); n == 0 || histories[n-1].CloudID != row.Partition {
				histories = append(histories, registration.History{CloudID: row.Partition})
			}
			err = readEntry(&histories[len(histories)-1], row)
		}
		if err != nil {
			return nil, fmt.Errorf("list registrations: %w", err)
		}
	}
	for i := range histories {
		histories[i] = complete(histories[i])
	}
	return histories, nil
}

// Providers lists the provider subscriptions of activation keys with who issued the first
// key that names them, of a registration, or of all if cloudID is empty.
func (r Registry) Providers(ctx context.Context, cloudID string) (all []registration.Provider, err error) {
	for row, err := range r.Tables.List(ctx, table.Registrations, cloudID, providerPrefix, providerPrefix+"~") {
		if err != nil {
			return nil, fmt.Errorf("list provider subscriptions: %w", err)
		}
		all = append(all, registration.Provider{CloudID: row.Partition, Note: noteOf(row), Subscription: strings.TrimPrefix(row.Key, providerPrefix)})
	}
	return all, nil
}

// Holder implements registration.Store. A registration without a name of its own
// has one by its cloudId, which nobody needs to claim.
func (r Registry) Holder(ctx context.Context, name string) (string, error) {
	name = strings.ToLower(name)
	if cloudID, ok := strings.CutPrefix(name, strings.ToLower(registration.DefaultName(""))); ok && registration.IsCloudID(cloudID) {
		return cloudID, nil
	}
	if strings.ContainsAny(name, "/\\#?") {
		return "", nil // no such key can be, and the service would not look for it
	}
	row, err := r.Tables.Get(ctx, table.Registrations, namePrefix+name, nameKey)
	if errors.Is(err, table.ErrNotFound) {
		return "", nil
	}
	cloudID, _ := row.Props["cloudId"].(string)
	return cloudID, err
}

// Append implements registration.Store: the names first, each by an insert of its
// own, then everything else in one transaction.
func (r Registry) Append(ctx context.Context, history registration.History, added registration.Added) error {
	if err := r.append(ctx, history, added); err != nil {
		return fmt.Errorf("write registration %s: %w", history.CloudID, err)
	}
	return nil
}

func (r Registry) append(ctx context.Context, history registration.History, added registration.Added) error {
	var ops []table.Op
	change := history.Version + 1
	insert := func(key string, props table.Props) {
		props["change"] = int64(change)
		ops = append(ops, table.Op{Verb: table.Insert, Row: table.Row{Partition: history.CloudID, Key: key, Props: props}})
	}
	for _, e := range added.Registrations {
		if err := r.claimName(ctx, e.Name, e.CloudID); err != nil {
			return err
		}
		insert(numbered(registrationPrefix+e.EffectiveDay, e.Number), registrationProps(e))
	}
	for _, m := range added.Tenants {
		insert(numbered(tenantPrefix+m.TenantID+"_"+m.EffectiveDay, m.Number), mappingProps(m))
	}
	for _, e := range added.Infrastructure {
		insert(numbered(infrastructurePrefix+e.EffectiveDay, e.Number), infrastructureProps(e))
	}
	for _, p := range added.Providers {
		insert(providerPrefix+p.Subscription, noted(table.Props{}, p.Note))
	}
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.Row.Key
	}
	insert(fmt.Sprintf("%s%06d", changePrefix, change), table.Props{"rows": strings.Join(keys, ",")})
	err := r.Tables.Apply(ctx, table.Registrations, history.CloudID, ops...)
	if errors.Is(err, table.ErrExists) {
		return registration.ErrChanged
	}
	return err
}

func (r Registry) claimName(ctx context.Context, name, cloudID string) error {
	holder, err := r.Holder(ctx, name)
	if err == nil && holder == "" {
		partition := namePrefix + strings.ToLower(name)
		err = r.Tables.Apply(ctx, table.Registrations, partition, table.Op{Verb: table.Insert,
			Row: table.Row{Partition: partition, Key: nameKey, Props: table.Props{"cloudId": cloudID, "name": name}}})
		if !errors.Is(err, table.ErrExists) {
			return err
		}
		holder, err = r.Holder(ctx, name)
	}
	if err == nil && holder != cloudID {
		err = registration.ErrTaken
	}
	return err
}

// Put stores one entry of a registration's history beside those that
// are there; an entry that says what the last one of its day says is not stored
// again. It knows no rule but that of the entry itself: Registrar is what
// operators use.
func (r Registry) Put(ctx context.Context, entry registration.Registration) error {
	if err := entry.Validate(); err != nil {
		return fmt.Errorf("registration %s: %w", entry.CloudID, err)
	}
	entry = entry.Filled()
	err := registration.ErrChanged
	for try := 0; try < putTries && errors.Is(err, registration.ErrChanged); try++ {
		var history registration.History
		if history, err = r.History(ctx, entry.CloudID); err != nil {
			return err
		}
		entry.Number = 0
		var last *registration.Registration
		for i, have := range history.Registrations {
			if have.EffectiveDay == entry.EffectiveDay {
				last, entry.Number = &history.Registrations[i], have.Number+1
			}
		}
		if last != nil && last.SaysSame(entry) {
			return nil
		}
		err = r.Append(ctx, history, registration.Added{Registrations: []registration.Registration{entry}})
	}
	return err
}

// putTries bounds how often an entry is put anew because others came first.
const putTries = 5
