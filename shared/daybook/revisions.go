package daybook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Revision is a row of UsageDays: one statement of a usage day.
type Revision struct {
	Number       int64     `col:"revision"`
	ClosedAt     time.Time `col:"closedAt"` // by the closer's clock: when a day that was re-opened may close again
	Complete     bool      `col:"complete"`
	MissingHours string    `col:"missingHours,omitempty"` // reported hours that never came: 2019121019,2019121020
	Inputs       string    `col:"inputs"`                 // RowKey in DayInputs of each input, in order; or sha256:... if too long
	InputCount   int64     `col:"inputCount"`
	Rows         int64     `col:"rows"`    // of the usage API
	Records      int64     `col:"records"` // daily records
	Batches      int64     `col:"batches"`
	File         string    `col:"file"`     // the daily file: container and name
	SHA256       string    `col:"sha256"`   // of the daily file
	Manifest     string    `col:"manifest"` // lists inputs and batches: container and name

	BillingModel          string `col:"billingModel"`
	BillingSubscriptionID string `col:"billingSubscriptionId"`
	Reporting             string `col:"reporting,omitempty"` // ReportingOff: closed without records, and forwarded nowhere

	// Who pays and what is free, as it was settled. Absent where the day was only
	// ever closed with reporting off: then nothing is.
	Settlement       string `col:"settlement,omitempty"`       // the settlement file: container and name
	SettlementSHA256 string `col:"settlementSha256,omitempty"` // of it
	Change           int64  `col:"change,omitempty"`           // number of the registration's change that it is by
	Catalogue        string `col:"catalogue,omitempty"`        // SHA-256 of the catalogue of meters
	Findings         int64  `col:"findings,omitempty"`         // what the stack said otherwise, whether an operator has confirmed it or not

	Settle  string `col:"settle,omitempty"`  // what the request had settled anew: SettleAll, SettleRegistration
	Restate string `col:"restate,omitempty"` // the operator's request that this revision answers
	Reason  string `col:"reason,omitempty"`  // of the request
	By      string `col:"by,omitempty"`      // who asked

	CarriedTo string `col:"carriedTo,omitempty"` // the day, 20191220, that states the differences of this revision
	Carried   int64  `col:"carried,omitempty"`   // lines that have one

	Waived  int64 `col:"waived,omitempty"`  // lines of which operators decided not to bill something
	Attempt int64 `col:"attempt,omitempty"` // which automatic repeat of what commerce declined it is, in a row
}

// Revisions goes through the statements of a day, in order.
func Revisions(ctx context.Context, store table.Store, cloudID string, day usage.Day) iter.Seq2[Revision, error] {
	return func(yield func(Revision, error) bool) {
		for s, err := range Entries(ctx, store, cloudID, day, day) {
			if !yield(s.Revision, err) {
				return
			}
		}
	}
}

// Entry is a row of UsageDays with its name.
type Entry struct {
	CloudID string
	Day     usage.Day
	Revision
}

// Entries goes through the statements of the usage days from first to last,
// in order; 0 leaves an end open, and an empty cloudID means all registrations.
func Entries(ctx context.Context, store table.Store, cloudID string, first, last usage.Day) iter.Seq2[Entry, error] {
	from, to := "", ""
	if first != 0 {
		from = first.Compact() + "_"
	}
	if last != 0 {
		to = last.Compact() + "`" // the byte after the underscore
	}
	return entries(store.List(ctx, table.UsageDays, cloudID, from, to))
}

// Requested goes through the revisions that answer a request, of all days of a
// registration, or of all registrations if cloudID is empty.
func Requested(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Entry, error] {
	to := ""
	if cloudID != "" {
		to = cloudID + "_" // no other cloudId is between
	}
	return entries(store.Scan(ctx, table.UsageDays, cloudID, to, table.Filled("restate")))
}

func entries(rows iter.Seq2[table.Row, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for row, err := range rows {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list revisions: %w", err))
				return
			}
			s := Entry{CloudID: row.Partition}
			day, _, _ := strings.Cut(row.Key, "_")
			if s.Day, err = usage.ParseDay(day); err == nil {
				err = table.Decode(row.Props, &s.Revision)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("list revisions: row %s/%s: %w", row.Partition, row.Key, err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// LastRevision reads the latest statement of a day; nil if there is none.
func LastRevision(ctx context.Context, store table.Store, cloudID string, day usage.Day) (*Revision, error) {
	var last *Revision
	for r, err := range Revisions(ctx, store, cloudID, day) {
		if err != nil {
			return nil, err
		}
		last = &r
	}
	return last, nil
}

// maxInputs bounds the text of Revision.Inputs: a property ends at 32 KiB.
const maxInputs = 30 << 10

// InputList is the exact list of inputs as UsageDays shows it.
func InputList(inputs []openday.Input, carries ...openday.Carry) string {
	keys := make([]string, len(inputs))
	for i, in := range inputs {
		keys[i] = in.Hour.Compact() + "_" + in.SHA16
	}
	for _, c := range carries {
		keys = append(keys, c.Key())
	}
	text := strings.Join(keys, ",")
	if len(text) > maxInputs {
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text)))
	}
	return text
}

// UpToDate reports whether the last revision is made of exactly these inputs.
// An operator may have asked for another one all the same: Request.
func (c *Closing) UpToDate() bool {
	return c.Last != nil && c.Last.Inputs == InputList(c.Counted, c.Carries...)
}

// Empty reports whether there is nothing to state: the day never was, and
// nothing counts for it, or ever did. Where something did, a closer that read it
// before it left may still be on its way to state it as the first revision. So the
// day is closed as nothing, and of the two one finds the number taken. Of a day of
// which no hour is expected an hour without rows of it is nothing; any other day
// closes with no records, so that it differs from one that is not closed.
func (c *Closing) Empty() bool {
	counts := func(in openday.Input) bool { return in.Rows > 0 || !c.OffCalendar }
	return c.Last == nil && !slices.ContainsFunc(c.Counted, counts) && len(c.Carries) == 0 && !c.left
}

// ErrOtherCloser means that another closer closed the day first: begin again.
var ErrOtherCloser = errors.New("another closer was first")

// Commit closes the day: from here commerce will be told. The daily
// file, the batches and the manifest must be stored.
func Commit(ctx context.Context, store table.Store, c *Closing, r Revision) error {
	key := openday.RevisionKey(c.Day, int(r.Number))
	if err := announceCarry(ctx, store, c, r); err != nil {
		return fmt.Errorf("commit revision %d of day %s of %s: %w", r.Number, c.Day, c.CloudID, err)
	}
	err := store.Apply(ctx, table.UsageDays, c.CloudID, table.Op{Verb: table.Insert, Row: table.Row{Partition: c.CloudID, Key: key, Props: table.Encode(r)}})
	if errors.Is(err, table.ErrExists) {
		err = ErrOtherCloser
	}
	if err != nil {
		return fmt.Errorf("commit revision %d of day %s of %s: %w", r.Number, c.Day, c.CloudID, err)
	}
	c.Last = &r
	if c.Request != nil && c.Request.Restate == r.Restate {
		c.Request = nil
	}
	return nil
}

// Finish takes the day off the list of open days, unless something came
// since Begin, is still undecided, is asked for, or counts and is not closed. A day that
// was never closed and of which nothing counts is done too. A day of which
// commerce declined a part stays, with nothing else to close.
func Finish(ctx context.Context, store table.Store, c *Closing) (done bool, err error) {
	if len(c.Pending) > 0 || c.carryPending || c.Request != nil || !c.Empty() && !c.UpToDate() {
		return false, nil
	}
	op := table.Op{Verb: table.Delete, Row: table.Row{Partition: c.CloudID, Key: c.Day.Compact(), Tag: c.mark}}
	if c.Declined() {
		rest := c.open.Rest()
		if rest == c.open {
			return false, nil
		}
		op.Verb, op.Row.Props = table.Update, table.Encode(rest)
	}
	err = store.Apply(ctx, table.OpenDays, c.CloudID, op)
	if errors.Is(err, table.ErrChanged) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("finish day %s of %s: %w", c.Day, c.CloudID, err)
	}
	return op.Verb == table.Delete, nil
}
