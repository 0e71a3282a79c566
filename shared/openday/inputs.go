package openday

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Input is a row of DayInputs: the partial that one hour blob has of one
// usage day. It counts when its blob does.
type Input struct {
	CloudID  string
	Day      usage.Day
	Hour     usage.Hour // reported
	SHA16    string
	Partial  string    `col:"partial"`           // blob name
	SHA256   string    `col:"sha256"`            // of the partial
	Content  string    `col:"content,omitempty"` // SHA-256 of the partial's lines, not compressed
	Lines    int64     `col:"lines"`
	Rows     int64     `col:"rows"`
	LandedAt time.Time `col:"landedAt"`
}

// Read reads the inputs of a usage day and what is carried into it, in order, whether they
// count or not.
func Read(ctx context.Context, store table.Store, cloudID string, day usage.Day) (inputs []Input, carries []Carry, err error) {
	for row, err := range store.List(ctx, table.DayInputs, Partition(cloudID, day), "", "") {
		if err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(row.Key, carryPrefix) {
			carry, err := carryOf(cloudID, day, row)
			if err != nil {
				return nil, nil, err
			}
			carries = append(carries, carry)
			continue
		}
		in := Input{CloudID: cloudID, Day: day}
		if in.Hour, in.SHA16, err = splitInput(row.Key); err != nil {
			return nil, nil, err
		}
		if err := table.Decode(row.Props, &in); err != nil {
			return nil, nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, carries, nil
}

// Inputs lists the inputs of a usage day, in order, whether they count or not.
func Inputs(ctx context.Context, store table.Store, cloudID string, day usage.Day) ([]Input, error) {
	inputs, _, err := Read(ctx, store, cloudID, day)
	if err != nil {
		return nil, fmt.Errorf("list inputs of %s: %w", day, err)
	}
	return inputs, nil
}

// Open writes inputs and then the marks of their usage days.
func Open(ctx context.Context, store table.Store, inputs []Input) error {
	own := func(in Input) int { // the hour's own day comes first: leftByEnd looks for its input
		if in.Day == in.Hour.Day() {
			return 0
		}
		return 1
	}
	inputs = slices.SortedStableFunc(slices.Values(inputs), func(a, b Input) int { return own(a) - own(b) })
	for _, in := range inputs {
		if err := Put(ctx, store, in); err != nil {
			return err
		}
	}
	for _, in := range inputs {
		if err := Touch(ctx, store, in.CloudID, in.Day, touchedBy(in)); err != nil {
			return err
		}
	}
	return nil
}

// Put writes an input. It may be repeated.
func Put(ctx context.Context, store table.Store, in Input) error {
	row := table.Row{Partition: Partition(in.CloudID, in.Day), Key: in.Hour.Compact() + "_" + in.SHA16, Props: table.Encode(in)}
	if err := store.Apply(ctx, table.DayInputs, row.Partition, table.Op{Verb: table.Put, Row: row}); err != nil {
		return fmt.Errorf("write input of day %s: %w", in.Day, err)
	}
	return nil
}

// Partition is the PartitionKey of whatever belongs to a usage day of a registration.
func Partition(cloudID string, day usage.Day) string { return cloudID + "_" + day.Compact() }

// splitInput reads the RowKey of DayInputs.
func splitInput(key string) (usage.Hour, string, error) {
	hour, sha16, _ := strings.Cut(key, "_")
	h, err := usage.ParseCompactHour(hour)
	return h, sha16, err
}
