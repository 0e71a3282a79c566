package hourlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Decision is what an operator decided about one file of an hour that two
// files claim.
type Decision string

// Decisions.
const (
	DecisionKeep      Decision = "keep"      // the file that counts stays; this one is kept out
	DecisionSupersede Decision = "supersede" // this file takes the place of the one that counts
	DecisionVoid      Decision = "void"      // this file counted; another one took its place
	DecisionExclude   Decision = "exclude"   // this file counted; it was taken out, and nothing is in its place
	DecisionWithdrawn Decision = "withdrawn" // this file was to take a place and could not, or should not any more
	DecisionReingest  Decision = "reingest"  // this rejected file is ingested again
	DecisionRedrive   Decision = "redrive"   // this file is a corrected blob, made of the one that counted
)

// TakesOver reports whether an operator let this file take the place of the
// one that counts, and it has not done so yet.
func (h Hour) TakesOver() bool {
	return (h.Decision == DecisionSupersede || h.Decision == DecisionRedrive) && h.Verdict.mayTakeOver()
}

// mayTakeOver reports whether an operator may let a file with this verdict take
// the place of the one that counts. One with the same rows may have another header.
func (v Verdict) mayTakeOver() bool {
	return v == Conflict || v == Voided || v == Duplicate || v == Excluded
}

// claim is an hour with one of its files, as read for a decision.
type claim struct {
	id                ID
	file, standing    Hour
	fileTag, standTag table.Tag
}

// readClaim reads the file first: a file that was read after a decision finds
// the pointer as the decision left it, or later. The other way round a decision
// in between would go unseen, for a writer of the file's row alone.
func readClaim(ctx context.Context, store table.Store, id ID) (claim, error) {
	c, err := readFile(ctx, store, id)
	if err == nil {
		c.standTag, err = readRow(ctx, store, id, id.pointer(), &c.standing)
	}
	return c, err
}

// readFile reads the file alone.
func readFile(ctx context.Context, store table.Store, id ID) (c claim, err error) {
	c.id = id
	c.fileTag, err = readRow(ctx, store, id, id.key(), &c.file)
	return c, err
}

// errTakesOver is why nothing is decided about an hour that a file is about to take over.
func errTakesOver(sha16 string) error {
	return fmt.Errorf("file %s is about to take the hour over; wait for it or keep it out first: %w", sha16, reasoned.ErrDecided)
}

func readRow(ctx context.Context, store table.Store, id ID, key string, h *Hour) (table.Tag, error) {
	row, err := store.Get(ctx, table.UsageHours, id.partition(), key)
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

// change reads an hour and lets step change it in one transaction, again if
// the hour was changed meanwhile. A step without writes is done.
func change(ctx context.Context, store table.Store, id ID, step func(c *claim) ([]table.Op, error)) (Hour, error) {
	return changeAs(ctx, store, id, readClaim, step)
}

// changeAs is change, by another reading.
func changeAs(ctx context.Context, store table.Store, id ID, read func(context.Context, table.Store, ID) (claim, error), step func(c *claim) ([]table.Op, error)) (Hour, error) {
	for try := 1; ; try++ {
		c, err := read(ctx, store, id)
		if err != nil {
			return Hour{}, err
		}
		ops, err := step(&c)
		if err == nil && len(ops) > 0 {
			err = store.Apply(ctx, table.UsageHours, id.partition(), ops...)
		}
		if (errors.Is(err, table.ErrChanged) || errors.Is(err, table.ErrExists)) && try < reasoned.Tries {
			continue
		}
		return c.file, err
	}
}

// decideAs is changeAs for a decision, which has a reason. verb is what an error calls it.
func decideAs(ctx context.Context, store table.Store, id ID, verb string, why reasoned.Decision, read func(context.Context, table.Store, ID) (claim, error), step func(c *claim) ([]table.Op, error)) (h Hour, err error) {
	if err = why.Check(); err == nil {
		h, err = changeAs(ctx, store, id, read, step)
	}
	if err != nil {
		return h, fmt.Errorf("%s hour %s: %w", verb, id, err)
	}
	return h, nil
}

// KeepOut decides a conflict for the file that counts: id's file counts for
// good nowhere. A decision to let it take over that has not been carried out
// is withdrawn. Repeating it changes nothing.
func KeepOut(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (Hour, error) {
	return decideAs(ctx, store, id, "keep out", why, readClaim, func(c *claim) ([]table.Op, error) {
		switch {
		case c.file.Verdict == KeptOut, c.file.Verdict == Voided && !c.file.TakesOver():
			return nil, nil
		case c.file.Verdict != Conflict && c.file.TakesOver():
			// It goes back to what it was, and may be asked again.
			c.file.decide(DecisionWithdrawn, why)
		case c.file.Verdict == Conflict:
			c.file.decide(DecisionKeep, why)
			c.file.Verdict, c.file.Reason = KeptOut, "kept out in favour of "+c.standing.Blob
		default:
			return nil, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Conflict, reasoned.ErrDecided)
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
}

// AskTakeOver decides that id's file takes the place of the one that counts.
// The file counts when IngestHour has read it again and TakeOver commits; until
// then the hour's usage days stay open. Repeating it changes nothing.
func AskTakeOver(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (Hour, error) {
	return decideAs(ctx, store, id, "supersede", why, readClaim, func(c *claim) ([]table.Op, error) {
		switch {
		case c.standing.Counts == id.SHA16, c.standing.Challenger == id.SHA16:
			return nil, nil // done, or on its way
		case c.standing.Challenger == leaving:
			return nil, fmt.Errorf("file %s is about to be excluded; wait for it: %w", c.standing.Counts, reasoned.ErrDecided)
		case c.standing.Challenger != "":
			return nil, errTakesOver(c.standing.Challenger)
		case !c.file.Verdict.mayTakeOver():
			return nil, fmt.Errorf("its verdict is %s, not %s, %s, %s or %s: %w", c.file.Verdict, Conflict, Duplicate, Voided, Excluded, reasoned.ErrDecided)
		}
		c.file.decide(DecisionSupersede, why)
		if err := c.file.checkEarlier(); err != nil {
			return nil, err
		}
		c.standing.Challenger = id.SHA16
		return []table.Op{c.setFile(), c.setStanding()}, nil
	})
}

// TakeOver makes id's file count in place of the one that does, as AskTakeOver
// decided. Like Commit it may be repeated at any time, and writes in its
// order: inputs, marks, and then one transaction that moves the pointer. The
// usage days of the file that leaves are marked too, for they must be closed
// again without it. While the pointer names a challenger no closer takes a mark
// away, so that whoever looks before the commit leaves the days open.
func TakeOver(ctx context.Context, store table.Store, id ID, h Hour, inputs []openday.Input) (Verdict, error) {
	verdict, err := takeOver(ctx, store, id, h, inputs)
	if err != nil {
		return "", fmt.Errorf("take over hour %s: %w", id, err)
	}
	return verdict, nil
}

func takeOver(ctx context.Context, store table.Store, id ID, h Hour, inputs []openday.Input) (Verdict, error) {
	c, err := readClaim(ctx, store, id)
	if err != nil || c.standing.Challenger != id.SHA16 {
		return c.file.Verdict, err // done, or withdrawn
	}
	var days []usage.Day
	if leaves := (ID{id.CloudID, id.Hour, c.standing.Counts}); leaves.SHA16 != "" {
		if days, err = daysOf(ctx, store, leaves, c.standing); err != nil {
			return "", err
		}
	}
	for _, in := range inputs {
		if err := openday.Put(ctx, store, in); err != nil {
			return "", err
		}
		days = append(days, in.Day)
	}
	if err := markAll(ctx, store, id, days, openday.Mark{Since: c.file.DecidedAt, LastLanding: h.LandedAt}); err != nil {
		return "", err
	}
	h.Verdict = Accepted
	h.Inherit(c.file)
	var ops []table.Op
	if leaves := cmp.Or(c.standing.Counts, c.standing.Excluded); leaves != id.SHA16 {
		void, err := void(ctx, store, ID{id.CloudID, id.Hour, leaves}, id, h)
		if err != nil {
			return "", err
		}
		ops = append(ops, void)
	}
	c.file = h
	c.standing = h
	c.standing.Counts = id.SHA16
	err = store.Apply(ctx, table.UsageHours, id.partition(), append(ops, c.setStanding(), c.setFile())...)
	if errors.Is(err, table.ErrChanged) {
		// An earlier try of ours that was reported as failed, a twin's, or the
		// decision was withdrawn. Whoever wrote last left a row that says it.
		now, readErr := readClaim(ctx, store, id)
		if readErr != nil || now.standing.Challenger != id.SHA16 {
			return now.file.Verdict, readErr
		}
	}
	return Accepted, err
}

// void is the write by which a file leaves to another, which is h.
func void(ctx context.Context, store table.Store, id, by ID, h Hour) (table.Op, error) {
	out, err := readClaim(ctx, store, id)
	if err != nil {
		return table.Op{}, err
	}
	out.file.decide(DecisionVoid, h.decided())
	out.file.Verdict, out.file.SupersededBy = Voided, by.SHA16
	out.file.Reason = "counted until " + h.Blob + " took its place"
	return out.setFile(), nil
}

// decide sets what was decided and keeps what was decided before.
func (h *Hour) decide(d Decision, why reasoned.Decision) {
	if h.Decision != "" {
		h.Earlier = reasoned.Keep(h.Earlier, string(h.Decision), h.decided())
	}
	h.Decision, h.DecisionReason, h.DecidedBy, h.DecidedAt = d, why.Reason, why.By, table.UTC(why.At)
}

// decided is who took the decision that stands, and why.
func (h Hour) decided() reasoned.Decision {
	return reasoned.Decision{By: h.DecidedBy, Reason: h.DecisionReason, At: h.DecidedAt}
}

// Decisions are all that was decided about the file, the oldest first.
func (h Hour) Decisions() ([]reasoned.Named, error) {
	all, err := reasoned.Kept(h.Earlier)
	if h.Decision != "" {
		all = append(all, reasoned.Named{What: string(h.Decision), Decision: h.decided()})
	}
	return all, err
}

func (h Hour) checkEarlier() error {
	if len(h.Earlier) > reasoned.MaxEarlier {
		return fmt.Errorf("its row holds no more decisions: %w", reasoned.ErrDecided)
	}
	return nil
}
