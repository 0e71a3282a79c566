// Package memstore is storage in memory, for tests of rules that do not depend on
// Azure: tables, blobs and queues. The tests of shared/azurestore run the contract
// of each on both, so that the two do the same.
package memstore

import "maps"

// Account is what a storage account is: tables, blobs and queues.
type Account struct {
	Tables *Tables
	Blobs  *Blobs
	Queues *Queues
}

// New makes an empty account.
func New() *Account {
	return &Account{Tables: NewTables(), Blobs: NewBlobs(), Queues: NewQueues()}
}

// Clone is another account with the same contents; what is written to one is not in
// the other.
func (a *Account) Clone() *Account {
	return &Account{Tables: a.Tables.clone(), Blobs: a.Blobs.clone(), Queues: a.Queues.clone()}
}

// copies are the maps of a map, each copied.
func copies[K comparable, V any](all map[string]map[K]V) map[string]map[K]V {
	other := make(map[string]map[K]V, len(all))
	for name, m := range all {
		other[name] = maps.Clone(m)
	}
	return other
}
