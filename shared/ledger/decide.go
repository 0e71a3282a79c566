package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Decision is what an operator decided about one file of an hour that two
// files claim.
type Decision string

// Decisions.
const (
	Keep      Decision = "keep"      // the file that counts stays; this one is kept out
	Supersede Decision = "supersede" // this file takes the place of the one that counts
	Void      Decision = "void"      // this file counted; another one took its place
	Exclude   Decision = "exclude"   // this file counted; it was taken out, and nothing is in its place
	Withdrawn Decision = "withdrawn" // this file was to take a place and could not, or should not any more
	Reingest  Decision = "reingest"  // this rejected file is ingested again
	Redrive   Decision = "redrive"   // this file is a corrected blob, made of the one that counted
)

// ErrDecided means that the decision cannot be taken: the file is not in
// conflict, or another decision came first.
var ErrDecided = errors.New("this decision is not possible")

// TakesOver reports whether an operator let this file take the place of the
// one that counts, and it has not done so yet.
func (h Hour) TakesOver() bool {
	return (h.Decision == Supersede || h.Decision == Redrive) && h.Verdict.mayTakeOver()
}

// mayTakeOver reports whether an operator may let a file with this verdict take
// the place of the one that counts. One with the same rows may have another header.
func (v Verdict) mayTakeOver() bool {
	return v == Conflict || v == Voided || v == Duplicate || v == Excluded
}

// claim is an hour with one of its files, as read for a decision.
type claim struct {
	id                HourID
	file, standing    Hour
	fileTag, standTag table.Tag
}

// readClaim reads the file first: a file that was read after a decision finds
// the pointer as the decision left it, or later. The other way round a decision
// in between would go unseen, for a writer of the file's row alone.
func (l *Ledger) readClaim(ctx context.Context, id HourID) (claim, error) {
	c := claim{id: id}
	var err error
	if c.fileTag, err = l.readRow(ctx, id, id.key(), &c.file); err == nil {
		c.standTag, err = l.readRow(ctx, id, id.pointer(), &c.standing)
	}
	return c, err
}

func (l *Ledger) readRow(ctx context.Context, id HourID, key string, h *Hour) (table.Tag, error) {
	row, err := l.Store.Get(ctx, table.UsageHours, id.partition(), key)
	if err == nil {
		err = table.Decode(row.Props, h)
	}
	return row.Tag, err
}

func (c claim) setFile() table.Op {
	verb := table.Update
	if c.fileTag == "" {
		verb = table.Insert
	}
	return table.Op{Verb: verb, Row: table.Row{Partition: c.id.partition(), Key: c.id.key(), Props: table.Encode(c.file), Tag: c.fileTag}}
}

func (c claim) setStanding() table.Op {
	return table.Op{Verb: table.Update, Row: table.Row{Partition: c.id.partition(), Key: c.id.pointer(), Props: table.Encode(c.standing), Tag: c.standTag}}
}

// decideTries bounds how often a decision is looked at again because somebody
// wrote the same hour meanwhile.
const decideTries = 5

// change reads an hour and lets step change it in one transaction, again if
// the hour was changed meanwhile. A step without writes is done.
func (l *Ledger) change(ctx context.Context, id HourID, step func(c *claim) ([]table.Op, error)) (Hour, error) {
	return l.changeAs(ctx, id, l.readClaim, step)
}

// changeAs is change, by another reading.
func (l *Ledger) changeAs(ctx context.Context, id HourID, read func(context.Context, HourID) (claim, error), step func(c *claim) ([]table.Op, error)) (Hour, error) {
	for try := 1; ; try++ {
		c, err := read(ctx, id)
		if err != nil {
			return Hour{}, err
		}
		ops, err := step(&c)
		if err == nil && len(ops) > 0 {
			err = l.Store.Apply(ctx, table.UsageHours, id.partition(), ops...)
		}
		if (errors.Is(err, table.ErrChanged) || errors.Is(err, table.ErrExists)) && try < decideTries {
			continue
		}
		return c.file, err
	}
}

// KeepOut decides a conflict for the file that counts: id's file counts for
// good nowhere. A decision to let it take over that has not been carried out
// is withdrawn. Repeating it changes nothing.
func (l *Ledger) KeepOut(ctx context.Context, id HourID, why Reasoned) (Hour, error) {
	if err := why.Check(); err != nil {
		return Hour{}, fmt.Errorf("keep out hour %s: %w", id, err)
	}
	h, err := l.change(ctx, id, func(c *claim) ([]table.Op, error) {
		switch {
		case c.file.Verdict == KeptOut, c.file.Verdict == Voided && !c.file.TakesOver():
			return nil, nil
		case c.file.Verdict != Conflict && c.file.TakesOver():
			// It goes back to what it was, and may be asked again.
			c.file.decide(Withdrawn, why)
		case c.file.Verdict == Conflict:
			c.file.decide(Keep, why)
			c.file.Verdict, c.file.Reason = KeptOut, "kept out in favour of "+c.standing.Blob
		default:
			return nil, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Conflict, ErrDecided)
		}
		if err := c.file.checkEarlier(); err != nil {
			return nil, err
		}
		ops := []table.Op{c.setFile()}
		if c.standing.Challenger == id.SHA16 {
			c.standing.Challenger = ""
			ops = append(ops, c.setStanding())
		}
		return ops, nil
	})
	if err != nil {
		return h, fmt.Errorf("keep out hour %s: %w", id, err)
	}
	return h, nil
}

// AskTakeOver decides that id's file takes the place of the one that counts.
// The file counts when IngestHour has read it again and TakeOver commits; until
// then the hour's usage days stay open. Repeating it changes nothing.
func (l *Ledger) AskTakeOver(ctx context.Context, id HourID, why Reasoned) (Hour, error) {
	if err := why.Check(); err != nil {
		return Hour{}, fmt.Errorf("supersede hour %s: %w", id, err)
	}
	h, err := l.change(ctx, id, func(c *claim) ([]table.Op, error) {
		switch {
		case c.standing.Counts == id.SHA16, c.standing.Challenger == id.SHA16:
			return nil, nil // done, or on its way
		case c.standing.Challenger == leaving:
			return nil, fmt.Errorf("file %s is about to be excluded; wait for it: %w", c.standing.Counts, ErrDecided)
		case c.standing.Challenger != "":
			return nil, fmt.Errorf("file %s is about to take the hour over; wait for it or keep it out first: %w", c.standing.Challenger, ErrDecided)
		case !c.file.Verdict.mayTakeOver():
			return nil, fmt.Errorf("its verdict is %s, not %s, %s, %s or %s: %w", c.file.Verdict, Conflict, Duplicate, Voided, Excluded, ErrDecided)
		}
		c.file.decide(Supersede, why)
		if err := c.file.checkEarlier(); err != nil {
			return nil, err
		}
		c.standing.Challenger = id.SHA16
		return []table.Op{c.setFile(), c.setStanding()}, nil
	})
	if err != nil {
		return h, fmt.Errorf("supersede hour %s: %w", id, err)
	}
	return h, nil
}

// TakeOver makes id's file count in place of the one that does, as AskTakeOver
// decided. Like CommitHour it may be repeated at any time, and writes in its
// order: inputs, marks, and then one transaction that moves the pointer. The
// usage days of the file that leaves are marked too, for they must be closed
// again without it. While the pointer names a challenger no closer takes a mark
// away, so that whoever looks before the commit leaves the days open.
func (l *Ledger) TakeOver(ctx context.Context, id HourID, h Hour, inputs []DayInput) (Verdict, error) {
	verdict, err := l.takeOver(ctx, id, h, inputs)
	if err != nil {
		return "", fmt.Errorf("take over hour %s: %w", id, err)
	}
	return verdict, nil
}

func (l *Ledger) takeOver(ctx context.Context, id HourID, h Hour, inputs []DayInput) (Verdict, error) {
	c, err := l.readClaim(ctx, id)
	if err != nil || c.standing.Challenger != id.SHA16 {
		return c.file.Verdict, err // done, or withdrawn
	}
	var days []usage.Day
	if leaves := (HourID{id.CloudID, id.Hour, c.standing.Counts}); leaves.SHA16 != "" {
		if days, err = l.daysOf(ctx, leaves, c.standing); err != nil {
			return "", err
		}
	}
	for _, in := range inputs {
		if err := l.putInput(ctx, in); err != nil {
			return "", err
		}
		days = append(days, in.Day)
	}
	if err := l.markAll(ctx, id, days, OpenDay{Since: c.file.DecidedAt, LastLanding: h.LandedAt}); err != nil {
		return "", err
	}
	h.Verdict = Accepted
	h.Inherit(c.file)
	var ops []table.Op
	if leaves := cmp.Or(c.standing.Counts, c.standing.Excluded); leaves != id.SHA16 {
		void, err := l.void(ctx, HourID{id.CloudID, id.Hour, leaves}, id, h)
		if err != nil {
			return "", err
		}
		ops = append(ops, void)
	}
	c.file = h
	c.standing = h
	c.standing.Counts = id.SHA16
	err = l.Store.Apply(ctx, table.UsageHours, id.partition(), append(ops, c.setStanding(), c.setFile())...)
	if errors.Is(err, table.ErrChanged) {
		// An earlier try of ours that was reported as failed, a twin's, or the
		// decision was withdrawn. Whoever wrote last left a row that says it.
		now, readErr := l.readClaim(ctx, id)
		if readErr != nil || now.standing.Challenger != id.SHA16 {
			return now.file.Verdict, readErr
		}
	}
	return Accepted, err
}

// void is the write by which a file leaves to another, which is h.
func (l *Ledger) void(ctx context.Context, id, by HourID, h Hour) (table.Op, error) {
	out, err := l.readClaim(ctx, id)
	if err != nil {
		return table.Op{}, err
	}
	out.file.decide(Void, Reasoned{By: h.DecidedBy, Reason: h.DecisionReason, At: h.DecidedAt})
	out.file.Verdict, out.file.SupersededBy = Voided, by.SHA16
	out.file.Reason = "counted until " + h.Blob + " took its place"
	return out.setFile(), nil
}

// decide sets what was decided and keeps what was decided before.
func (h *Hour) decide(d Decision, why Reasoned) {
	if h.Decision != "" {
		line := fmt.Sprintf("%s %s by %s: %s", h.DecidedAt.UTC().Format(time.RFC3339), h.Decision, h.DecidedBy, h.DecisionReason)
		h.Earlier = strings.TrimPrefix(h.Earlier+"\n"+line, "\n")
	}
	h.Decision, h.DecisionReason, h.DecidedBy, h.DecidedAt = d, why.Reason, why.By, table.UTC(why.At)
}

// maxEarlier keeps the history of decisions within a table property. A file's
// place changes hands a few times at most.
const maxEarlier = 24 << 10

func (h Hour) checkEarlier() error {
	if len(h.Earlier) > maxEarlier {
		return fmt.Errorf("its row holds no more decisions: %w", ErrDecided)
	}
	return nil
}
