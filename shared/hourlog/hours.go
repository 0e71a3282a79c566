package hourlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Verdict says what became of a landed blob.
type Verdict string

// Verdicts. Only a counted blob is in any bill.
const (
	Accepted     Verdict = "accepted"
	Duplicate    Verdict = "duplicate"    // another file with the rows of the hour that counts
	Conflict     Verdict = "conflict"     // another file with other rows: the operator decides
	Rejected     Verdict = "rejected"     // refused whole
	Unregistered Verdict = "unregistered" // kept until its registration exists
	KeptOut      Verdict = "kept-out"     // a conflict that an operator decided against
	Voided       Verdict = "voided"       // counted once; another file took its place
	Excluded     Verdict = "excluded"     // counted once; an operator took it out, and nothing is in its place
)

// Final reports whether no repetition changes the verdict.
func (v Verdict) Final() bool { return v != Unregistered }

// ID names one landed blob.
type ID struct {
	CloudID string
	Hour    usage.Hour // the reported hour
	SHA16   string     // first 16 hex digits of the file's SHA-256
}

func (id ID) partition() string { return id.CloudID + "_" + id.Hour.Day().Compact() }

func (id ID) pointer() string { return id.Hour.Start().Format("15") }

func (id ID) key() string { return id.pointer() + "_" + id.SHA16 }

// String is how logs and errors name the blob.
func (id ID) String() string { return id.CloudID + " " + id.Hour.String() + " " + id.SHA16 }

// Hour is a row of UsageHours: one landed blob, or the pointer to the one that
// counts (RowKey HH), which repeats its row.
type Hour struct {
	Counts       string    `col:"acceptedFile,omitempty"` // only in the pointer: SHA16 of the blob that counts; empty: the hour is excluded
	Verdict      Verdict   `col:"verdict"`
	Code         string    `col:"code,omitempty"` // of a rejection
	Reason       string    `col:"reason,omitempty"`
	Limit        int64     `col:"limit,omitempty"`   // that the blob was over; a higher one has it ingested again
	LimitOf      string    `col:"limitOf,omitempty"` // landing.OfDisk: the limit is not that of the code
	Blob         string    `col:"blob"`              // container and name
	SHA256       string    `col:"sha256,omitempty"`
	RowSetHash   string    `col:"rowSetHash,omitempty"`
	Bytes        int64     `col:"bytes"`
	Records      int64     `col:"records"` // rows in the blob
	Accepted     int64     `col:"accepted"`
	Quarantined  int64     `col:"quarantined"`
	RejectedFile string    `col:"rejectedFile,omitempty"` // the file of the rejected rows: container and name
	Pages        int64     `col:"pages"`
	UsageDays    string    `col:"usageDays,omitempty"` // that it has an input of: those of the accepted rows, and OwnDays
	Reporting    string    `col:"reporting,omitempty"` // ReportingOff: it was, for the reported day, when the blob was ingested
	Region       string    `col:"region,omitempty"`
	AgentVersion string    `col:"agentVersion,omitempty"`
	CollectedAt  time.Time `col:"collectedAt"`
	LandedAt     time.Time `col:"landedAt"` // when the blob was stored

	// What an operator decided about this file; empty if nobody had to.
	Decision       Decision  `col:"decision,omitempty"`
	DecisionReason string    `col:"decisionReason,omitempty"`
	DecidedBy      string    `col:"decidedBy,omitempty"`
	DecidedAt      time.Time `col:"decidedAt"`
	SupersededBy   string    `col:"supersededBy,omitempty"` // of a voided file: SHA16 of the one that took its place
	Challenger     string    `col:"challenger,omitempty"`   // only in the pointer: SHA16 of the file that is to take its place, or leaving
	Excluded       string    `col:"excluded,omitempty"`     // only in the pointer: SHA16 of the file that counted until the hour was excluded
	ExcludedBy     string    `col:"excludedBy,omitempty"`   // only in the pointer: ExcludedByOperator or ExcludedByEnd
	Earlier        string    `col:"earlier,omitempty"`      // decisions before this one, a line each, oldest first

	// Of a corrected blob, corrected.go.
	Original           string `col:"original,omitempty"`           // SHA16 of the landed blob that it corrects
	OriginalRowSetHash string `col:"originalRowSetHash,omitempty"` // of that blob
	UnlessDismissed    bool   `col:"unlessDismissed,omitempty"`    // it is withdrawn if it has a row that was dismissed before it was announced
}

// Read reads the verdict on a blob; ErrNotFound if there is none yet.
func Read(ctx context.Context, store table.Store, id ID) (Hour, error) {
	return readKey(ctx, store, id, id.key())
}

// AcceptedHour reads the row of the blob that counts for id's hour, whichever
// it is; ErrNotFound if none does.
func AcceptedHour(ctx context.Context, store table.Store, id ID) (Hour, error) {
	return readKey(ctx, store, id, id.pointer())
}

func readKey(ctx context.Context, store table.Store, id ID, key string) (Hour, error) {
	row, err := store.Get(ctx, table.UsageHours, id.partition(), key)
	if err != nil {
		return Hour{}, fmt.Errorf("read hour %s: %w", id, err)
	}
	var h Hour
	if err := table.Decode(row.Props, &h); err != nil {
		return Hour{}, fmt.Errorf("read hour %s: %w", id, err)
	}
	return h, nil
}

// Record records a verdict other than counted. A verdict that is there
// already and final stays, and is returned; a rejection for a limit that was
// raised since is not final.
func Record(ctx context.Context, store table.Store, id ID, h Hour) (Verdict, error) {
	row := table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(h)}
	left, err := leftByEnd(ctx, store, id, h)
	if err != nil {
		return "", fmt.Errorf("record hour %s as %s: %w", id, h.Verdict, err)
	}
	have, err := store.Get(ctx, table.UsageHours, row.Partition, row.Key)
	switch {
	case errors.Is(err, table.ErrNotFound):
		err = store.Apply(ctx, table.UsageHours, row.Partition, append(left, table.Op{Verb: table.Insert, Row: row})...)
	case err == nil:
		var old Hour
		if err := table.Decode(have.Props, &old); err != nil {
			return "", fmt.Errorf("record hour %s as %s: %w", id, h.Verdict, err)
		}
		limitRaised := old.Limit > 0 && (h.Verdict != Rejected || h.LimitOf != old.LimitOf || h.Limit > old.Limit)
		if old.Verdict.Final() && !limitRaised && !old.AwaitsReingest() {
			return old.Verdict, nil
		}
		if old.Decision == DecisionExclude && h.Verdict == Unregistered {
			return old.Verdict, nil // an end took it out, and its row says so
		}
		h.Inherit(old)
		if h.AwaitsReingest() { // it was, and is rejected again
			h.decide("", reasoned.Decision{})
		}
		row.Tag, row.Props = have.Tag, table.Encode(h)
		err = store.Apply(ctx, table.UsageHours, row.Partition, append(left, table.Op{Verb: table.Update, Row: row})...)
	}
	if err != nil {
		return "", fmt.Errorf("record hour %s as %s: %w", id, h.Verdict, err)
	}
	return h.Verdict, nil
}

// Inherit keeps what was decided about a file that gets another verdict, and what it
// corrects. An exclusion that is over becomes a line of its history.
func (h *Hour) Inherit(before Hour) {
	h.Decision, h.DecisionReason, h.DecidedBy, h.DecidedAt, h.Earlier =
		before.Decision, before.DecisionReason, before.DecidedBy, before.DecidedAt, before.Earlier
	h.Original, h.OriginalRowSetHash, h.UnlessDismissed = before.Original, before.OriginalRowSetHash, before.UnlessDismissed
	if h.Decision == DecisionExclude {
		h.decide("", reasoned.Decision{})
	}
}

// Commit makes a blob count, unless another one does for its hour. The
// partials and the quarantine must be stored. It may be repeated at any time.
//
// The order matters: the inputs and the marks of the usage days come before
// the commit, so that whoever sees a counted hour finds its days open.
func Commit(ctx context.Context, store table.Store, id ID, h Hour, inputs []openday.Input) (Verdict, error) {
	if err := openday.Open(ctx, store, inputs); err != nil {
		return "", fmt.Errorf("commit hour %s: %w", id, err)
	}
	h.Verdict = Accepted
	pointer := h
	pointer.Counts = id.SHA16
	err := store.Apply(ctx, table.UsageHours, id.partition(),
		table.Op{Verb: table.Insert, Row: table.Row{Partition: id.partition(), Key: id.pointer(), Props: table.Encode(pointer)}},
		table.Op{Verb: table.Put, Row: table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(h)}})
	if !errors.Is(err, table.ErrExists) {
		if err != nil {
			return "", fmt.Errorf("commit hour %s: %w", id, err)
		}
		return Accepted, nil
	}
	standing, err := AcceptedHour(ctx, store, id)
	if err != nil {
		return "", err
	}
	switch {
	case standing.Counts == id.SHA16:
		return Accepted, nil // an earlier try of ours
	case standing.CountsAgain(id):
		return readmit(ctx, store, id, h, inputs)
	case standing.Waits(id):
		return Unregistered, nil
	}
	return Record(ctx, store, id, Beside(standing, h))
}

// Beside is the verdict on a blob whose hour is taken by another one, or excluded.
func Beside(standing, h Hour) Hour {
	which := "which counts"
	if standing.Excluded != "" {
		which = "which counted until the registration's end"
	}
	switch {
	case standing.Excluded != "" && standing.ExcludedBy != ExcludedByEnd:
		h.Verdict, h.Reason = Conflict, "the hour is excluded by an operator's decision; decide whether this file is let in"
	case h.RowSetHash == standing.RowSetHash, h.RowSetHash == standing.OriginalRowSetHash:
		h.Verdict, h.Reason = Duplicate, "the same rows as "+standing.Blob+", "+which
	default:
		h.Verdict, h.Reason = Conflict, "other rows than "+standing.Blob+", "+which+"; decide which one is right"
	}
	h.Accepted, h.Quarantined, h.UsageDays, h.RejectedFile = 0, 0, "", ""
	return h
}
