package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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

func (c Carry) key() string {
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
	if err != nil || row.Key != c.key() || !strings.HasPrefix(c.SHA256, c.SHA16) {
		return c, fmt.Errorf("key %.80q is not carry_<day>_<revision>_<hash of its file>: %w", row.Key, errors.Join(err, errBadKey))
	}
	return c, nil
}

var errBadKey = errors.New("a row that nobody of us writes")

func (l *Ledger) putCarry(ctx context.Context, c Carry) error {
	row := table.Row{Partition: dayPartition(c.CloudID, c.To), Key: c.key(), Props: table.Encode(c)}
	if err := l.Store.Apply(ctx, table.DayInputs, row.Partition, table.Op{Verb: table.Put, Row: row}); err != nil {
		return fmt.Errorf("write input of day %s: %w", c.To, err)
	}
	return nil
}

// Input is how the daily file and the manifest of the later day name it.
func (c Carry) Input() daily.CarryInput {
	return daily.CarryInput{UsageDay: c.From, Revision: c.Revision, File: c.File, SHA256: c.SHA256}
}

// carryVerdict says whether a carry counts. It is pending while its revision is not
// there; the request in the earlier day's mark has it made. It is neither if
// another closer's file became that revision.
func (l *Ledger) carryVerdict(ctx context.Context, c Carry) (counts, pending bool, err error) {
	row, err := l.Store.Get(ctx, table.UsageDays, c.CloudID, revisionKey(c.From, c.Revision))
	if errors.Is(err, table.ErrNotFound) {
		return false, true, nil
	}
	var r Revision
	if err == nil {
		err = table.Decode(row.Props, &r)
	}
	if err != nil {
		return false, false, fmt.Errorf("check %s: %w", c.key(), err)
	}
	return r.File == c.File && r.SHA256 == c.SHA256 && r.CarriedTo == c.To.Compact(), false, nil
}

// judgeCarries says which of the day's carries count, and for which that may
// change.
func (l *Ledger) judgeCarries(ctx context.Context, c *Closing, carries []Carry) error {
	for _, carry := range carries {
		counts, pending, err := l.carryVerdict(ctx, carry)
		if err != nil {
			return err
		}
		if counts {
			c.Carries = append(c.Carries, carry)
		}
		c.carryPending = c.carryPending || pending
	}
	return nil
}

// CarryTo is the day to which an operator asks to carry what the next revision
// states; 0 if it is stated as ever.
func (c *Closing) CarryTo() (usage.Day, error) {
	if c.Request == nil || c.Request.CarryTo == "" {
		return 0, nil
	}
	to, err := usage.ParseDay(c.Request.CarryTo)
	if err == nil && to <= c.Day {
		err = fmt.Errorf("%s is not after %s", to, c.Day)
	}
	if err != nil {
		return 0, fmt.Errorf("carry day %s of %s forward: carryTo in OpenDays: %w", c.Day, c.CloudID, err)
	}
	return to, nil
}

// announceCarry tells the later day what a revision is about to carry into it:
// the input first, then the mark, so that whoever sees the revision finds the
// day open.
func (l *Ledger) announceCarry(ctx context.Context, c *Closing, r Revision) error {
	if r.Carried == 0 {
		return nil
	}
	to, err := c.CarryTo()
	if err != nil {
		return err
	}
	carry := Carry{
		CloudID: c.CloudID, To: to, From: c.Day, Revision: int(r.Number), SHA16: r.SHA256[:min(16, len(r.SHA256))],
		File: r.File, SHA256: r.SHA256, Lines: r.Carried, Reason: r.Reason, By: r.By,
	}
	if err := l.putCarry(ctx, carry); err != nil {
		return err
	}
	// No landing: what is carried does not put the deadline off.
	return l.markOpen(ctx, c.CloudID, to, OpenDay{Since: c.Request.RestateAt, LastInput: carry.key()})
}

// ErrNotCarried means that a day cannot be carried forward, or not to that one.
var ErrNotCarried = errors.New("it cannot be carried forward")

// AskCarry asks for the next revision of a day of which commerce declined
// something: its differences, whatever commerce said of them, shall be stated in
// the open day to. lateness
// is how long after its end commerce takes a day; 0 for ever. The same request
// again changes nothing; another one is refused until the first is answered.
func (l *Ledger) AskCarry(ctx context.Context, cloudID string, day, to usage.Day, lateness time.Duration, why Reasoned) (OpenDay, error) {
	asked, err := l.askCarry(ctx, cloudID, day, to, lateness, why)
	if err != nil {
		return asked, fmt.Errorf("carry day %s of %s forward to %s: %w", day, cloudID, to, err)
	}
	return asked, nil
}

func (l *Ledger) askCarry(ctx context.Context, cloudID string, day, to usage.Day, lateness time.Duration, why Reasoned) (asked OpenDay, err error) {
	switch at := table.UTC(why.At); {
	case to <= day:
		return asked, fmt.Errorf("the day that states it must come after it: %w", ErrNotCarried)
	case to.Start().After(at):
		return asked, fmt.Errorf("%s has not begun: %w", to, ErrNotCarried)
	case lateness > 0 && !at.Before(to.End().Add(lateness)):
		return asked, fmt.Errorf("commerce takes %s no more either, its limit is %s: %w", to, lateness, ErrNotCarried)
	}
	asks := request(why, "carry "+to.Compact())
	asks.CarryTo = to.Compact()
	asked, err = l.askDifference(ctx, cloudID, day, asks, why, ErrNotCarried)
	return asked, err
}

// dayText is a day as records write it; empty if there is none.
func dayText(d usage.Day) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
