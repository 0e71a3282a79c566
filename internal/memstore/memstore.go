// Package memstore is storage in memory, for tests of rules that do not depend on
// Azure: tables, blobs and queues. The tests of shared/azurestore run the contract
// of each on both, so that the two do the same.
package memstore

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
