package registration

import (
	"context"
	"errors"
)

// Store keeps histories.
type Store interface {
	// History reads everything of one cloudId; an empty history if there is nothing.
	History(ctx context.Context, cloudID string) (History, error)
	// Books reads all histories, by cloudId.
	Histories(ctx context.Context) ([]History, error)
	// Holder is the cloudId that has a name, in letters of any case; "" if none has.
	Holder(ctx context.Context, name string) (cloudID string, err error)
	// Append adds entries to a history, all or none, and counts a change: ErrChanged if
	// somebody else's came first. A registration's name is claimed before.
	Append(ctx context.Context, history History, added Added) error
}

// Added is what a change adds to a history. Numbers are set.
type Added struct {
	Registrations  []Registration
	Tenants        []Mapping
	Infrastructure []InfrastructureEntry
	Providers      []Provider
}

// Errors of a Store.
var (
	ErrChanged = errors.New("the registration has changed meanwhile")
	ErrTaken   = errors.New("another cloudId has the name")
)
