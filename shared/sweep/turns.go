package sweep

import (
	"context"
	"fmt"
	"time"

	"stackusage/shared/table"
)

// Turn names work that Sweep does for a registration now and then, and not at
// every run.
type Turn string

// Turns.
const (
	TurnCompare   Turn = "compare"   // all that landed with all verdicts
	TurnUndecided Turn = "undecided" // verdicts that may change, days that are to be closed again
)

// Run is the last run of Sweep that ended without an error.
type Run struct {
	At      time.Time `col:"at"`                // when it ended
	Version string    `col:"version,omitempty"` // of the app
}

// The row of table Sweeps that has the last run: it is of no registration.
const (
	runPartition = "app"
	runKey       = "run"
)

// PutRun notes that a run of Sweep has ended without an error.
func PutRun(ctx context.Context, store table.Store, r Run) error {
	r.At = table.UTC(r.At)
	row := table.Row{Partition: runPartition, Key: runKey, Props: table.Encode(r)}
	if err := store.Apply(ctx, table.Sweeps, runPartition, table.Op{Verb: table.Put, Row: row}); err != nil {
		return fmt.Errorf("note the run of Sweep: %w", err)
	}
	return nil
}

// LastRun is what PutRun noted last; ErrNotFound if it never did.
func LastRun(ctx context.Context, store table.Store) (r Run, err error) {
	row, err := store.Get(ctx, table.Sweeps, runPartition, runKey)
	if err == nil {
		err = table.Decode(row.Props, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read the last run of Sweep: %w", err)
	}
	return r, nil
}

// ReadTurns is when each turn of a registration last began and was done without an
// error. A turn that never was has the zero time. The host's memory of the timer
// does not do: it takes a run that failed for one that did its work.
func ReadTurns(ctx context.Context, store table.Store, cloudID string) (map[Turn]time.Time, error) {
	done := map[Turn]time.Time{}
	for row, err := range store.List(ctx, table.Sweeps, cloudID, "", "") {
		var turn struct {
			At time.Time `col:"at"`
		}
		if err == nil {
			err = table.Decode(row.Props, &turn)
		}
		if err != nil {
			return nil, fmt.Errorf("read sweeps of %s: %w", cloudID, err)
		}
		done[Turn(row.Key)] = turn.At
	}
	return done, nil
}

// PutTurns notes that turns of a registration are done. at is when they began: what
// came since is for the next.
func PutTurns(ctx context.Context, store table.Store, cloudID string, at time.Time, turns ...Turn) error {
	var ops []table.Op
	for _, turn := range turns {
		ops = append(ops, table.Op{Verb: table.Put, Row: table.Row{Partition: cloudID, Key: string(turn), Props: table.Props{"at": table.UTC(at)}}})
	}
	if err := store.Apply(ctx, table.Sweeps, cloudID, ops...); err != nil {
		return fmt.Errorf("note sweeps of %s: %w", cloudID, err)
	}
	return nil
}
