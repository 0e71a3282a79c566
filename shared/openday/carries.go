package openday

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// What commerce does not take any more for a day is carried forward: a revision
// of that day says how much, line by line, and an open day states it. Between
// the two days stands a row in DayInputs of the later one. It is to the revision
// what an input is to its hour: written before, with the mark of the day, and
// counted from the moment that the revision is there.

// Carry is a row of DayInputs that names a revision of an earlier day.
type Carry struct {
	CloudID  string
	To       usage.Day // whose input it is
	From     usage.Day // the usage day that was closed
	Revision int       // of From
	SHA16    string    // of the daily file; in the key, so that closers side by side do not touch each other's
	File     string    `col:"file"`   // the revision's daily file: container and name
	SHA256   string    `col:"sha256"` // of it
	Lines    int64     `col:"lines"`  // that carry something
	Reason   string    `col:"reason"`
	By       string    `col:"by"`
}

// carryPrefix begins the RowKey of a carry. It sorts after all hours.
const carryPrefix = "carry_"

// Key is the RowKey of the carry.
func (c Carry) Key() string {
	return fmt.Sprintf("%s%s_%04d_%s", carryPrefix, c.From.Compact(), c.Revision, c.SHA16)
}

// carryOf reads a row of DayInputs whose key begins with carryPrefix.
func carryOf(cloudID string, to usage.Day, row table.Row) (c Carry, err error) {
	c = Carry{CloudID: cloudID, To: to}
	parts := strings.Split(strings.TrimPrefix(row.Key, carryPrefix), "_")
	if len(parts) == 3 {
		c.SHA16 = parts[2]
		_, err = fmt.Sscanf(parts[1], "%04d", &c.Revision)
		if err == nil {
			c.From, err = usage.ParseDay(parts[0])
		}
	}
	if err == nil {
		err = table.Decode(row.Props, &c)
	}
	if err != nil || row.Key != c.Key() || !strings.HasPrefix(c.SHA256, c.SHA16) {
		return c, fmt.Errorf("key %.80q is not carry_<day>_<revision>_<hash of its file>: %w", row.Key, errors.Join(err, errBadKey))
	}
	return c, nil
}

var errBadKey = errors.New("a row that nobody of us writes")

// PutCarry writes a carry. It may be repeated.
func PutCarry(ctx context.Context, store table.Store, c Carry) error {
	row := table.Row{Partition: Partition(c.CloudID, c.To), Key: c.Key(), Props: table.Encode(c)}
	if err := store.Apply(ctx, table.DayInputs, row.Partition, table.Op{Verb: table.Put, Row: row}); err != nil {
		return fmt.Errorf("write input of day %s: %w", c.To, err)
	}
	return nil
}

// Input is how the daily file and the manifest of the later day name it.
func (c Carry) Input() daily.CarryInput {
	return daily.CarryInput{UsageDay: c.From, Revision: c.Revision, File: c.File, SHA256: c.SHA256}
}
