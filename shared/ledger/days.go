package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// OpenDay is a row of OpenDays: a usage day that has something to close.
type OpenDay struct {
	Since       time.Time `col:"since"`       // landing of the first blob that opened it
	LastLanding time.Time `col:"lastLanding"` // of any blob that touched it
	LastInput   string    `col:"lastInput"`   // the newest mark's reason: <hour>_<sha16>
}

// Revision is a row of UsageDays: one statement of a usage day.
type Revision struct {
	Number       int64     `col:"revision"`
	StatedAt     time.Time `col:"statedAt"` // by the closer's clock: when a day that was re-opened may close again
	Complete     bool      `col:"complete"`
	MissingHours string    `col:"missingHours,omitempty"` // reported hours that never came: 2019121019,2019121020
	Inputs       string    `col:"inputs"`                 // <hour>_<sha16> of each input, in order; or sha256:... if too long
	InputCount   int64     `col:"inputCount"`
	Rows         int64     `col:"rows"`    // of the usage API
	Records      int64     `col:"records"` // daily records
	Batches      int64     `col:"batches"`
	File         string    `col:"file"`     // the daily file: container and name
	SHA256       string    `col:"sha256"`   // of the daily file
	Manifest     string    `col:"manifest"` // lists inputs and batches: container and name

	BillingModel          string `col:"billingModel"`
	BillingSubscriptionID string `col:"billingSubscriptionId"`
}

// Closing is what a closer saw when it began.
type Closing struct {
	CloudID string
	Day     usage.Day
	Last    *Revision  // nil: the day was never stated
	Counted []DayInput // inputs whose hour counts, in order
	Pending []DayInput // inputs whose hour has no verdict yet

	mark Tag
}

// ErrNotOpen means that the day has nothing to close.
var ErrNotOpen = errors.New("the day is not open")

// BeginClose looks at a day in the order that loses nothing: the mark first,
// then the last revision, then the inputs, then which of them count.
func (l *Ledger) BeginClose(ctx context.Context, cloudID string, day usage.Day) (*Closing, error) {
	c, err := l.beginClose(ctx, cloudID, day)
	if err != nil {
		return nil, fmt.Errorf("close day %s of %s: %w", day, cloudID, err)
	}
	return c, nil
}

func (l *Ledger) beginClose(ctx context.Context, cloudID string, day usage.Day) (*Closing, error) {
	mark, err := l.Store.Get(ctx, TableOpenDays, cloudID, day.Compact())
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotOpen
	} else if err != nil {
		return nil, err
	}
	c := &Closing{CloudID: cloudID, Day: day, mark: mark.Tag}
	if c.Last, err = l.LastRevision(ctx, cloudID, day); err != nil {
		return nil, err
	}
	for row, err := range l.Store.List(ctx, TableDayInputs, dayPartition(cloudID, day), "", "") {
		if err != nil {
			return nil, err
		}
		in := DayInput{CloudID: cloudID, Day: day}
		if in.Hour, in.SHA16, err = splitInput(row.Key); err != nil {
			return nil, err
		}
		if err := fromProps(row.Props, &in); err != nil {
			return nil, err
		}
		verdict, err := l.verdictOf(ctx, in)
		switch {
		case err != nil:
			return nil, err
		case verdict == Counted:
			c.Counted = append(c.Counted, in)
		case verdict == "" || !verdict.Final():
			c.Pending = append(c.Pending, in)
		}
	}
	return c, nil
}

// verdictOf reads whether an input's hour counts; "" means that nobody has
// decided yet.
func (l *Ledger) verdictOf(ctx context.Context, in DayInput) (Verdict, error) {
	h, err := l.Hour(ctx, HourID{in.CloudID, in.Hour, in.SHA16})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return h.Verdict, err
}

// LastRevision reads the latest statement of a day; nil if there is none.
func (l *Ledger) LastRevision(ctx context.Context, cloudID string, day usage.Day) (*Revision, error) {
	var last *Revision
	for row, err := range l.Store.List(ctx, TableUsageDays, cloudID, day.Compact()+"_", day.Compact()+"`") {
		if err != nil {
			return nil, fmt.Errorf("list revisions of day %s: %w", day, err)
		}
		last = new(Revision)
		if err := fromProps(row.Props, last); err != nil {
			return nil, fmt.Errorf("read revision %s: %w", row.Key, err)
		}
	}
	return last, nil
}

// maxInputs bounds the text of Revision.Inputs: a property ends at 32 KiB.
const maxInputs = 30 << 10

// InputList is the exact list of inputs as UsageDays shows it.
func InputList(inputs []DayInput) string {
	keys := make([]string, len(inputs))
	for i, in := range inputs {
		keys[i] = in.Hour.Compact() + "_" + in.SHA16
	}
	text := strings.Join(keys, ",")
	if len(text) > maxInputs {
		return "sha256:" + hexSHA256(text)
	}
	return text
}

// States reports whether the last revision is made of exactly these inputs.
func (c *Closing) States() bool { return c.Last != nil && c.Last.Inputs == InputList(c.Counted) }

// ErrOtherCloser means that another closer stated the day first: begin again.
var ErrOtherCloser = errors.New("another closer was first")

// CommitRevision states the day: from here commerce will be told. The daily
// file, the batches and the manifest must be stored.
func (l *Ledger) CommitRevision(ctx context.Context, c *Closing, r Revision) error {
	key := revisionKey(c.Day, int(r.Number))
	err := l.Store.Apply(ctx, TableUsageDays, c.CloudID, Op{Insert, Row{Partition: c.CloudID, Key: key, Props: toProps(r)}})
	if errors.Is(err, ErrExists) {
		err = ErrOtherCloser
	}
	if err != nil {
		return fmt.Errorf("commit revision %d of day %s of %s: %w", r.Number, c.Day, c.CloudID, err)
	}
	c.Last = &r
	return nil
}

// FinishClose takes the day off the list of open days, unless something came
// since BeginClose, is still undecided, or counts and is not stated. A day that
// was never stated and of which nothing counts is done too.
func (l *Ledger) FinishClose(ctx context.Context, c *Closing) (done bool, err error) {
	nothing := c.Last == nil && len(c.Counted) == 0
	if len(c.Pending) > 0 || !nothing && !c.States() {
		return false, nil
	}
	err = l.Store.Apply(ctx, TableOpenDays, c.CloudID,
		Op{Delete, Row{Partition: c.CloudID, Key: c.Day.Compact(), Tag: c.mark}})
	if errors.Is(err, ErrChanged) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("finish day %s of %s: %w", c.Day, c.CloudID, err)
	}
	return true, nil
}

// Missing lists the reported hours that a usage day still waits for: its own
// and the first settling hours of the next day, as far as the stamp was
// registered then, that no blob counts for.
func (l *Ledger) Missing(ctx context.Context, cloudID string, day usage.Day, start usage.Hour, settling int) ([]usage.Hour, error) {
	counted := map[usage.Hour]bool{}
	last := day.Next().First() + usage.Hour(settling)
	for d := day; d.First() < last; d = d.Next() {
		for row, err := range l.Store.List(ctx, TableUsageHours, dayPartition(cloudID, d), "", "") {
			if err != nil {
				return nil, fmt.Errorf("list hours of %s: %w", d, err)
			}
			if len(row.Key) == 2 { // a pointer
				h, err := usage.ParseCompactHour(d.Compact() + row.Key)
				if err != nil {
					return nil, fmt.Errorf("list hours of %s: %w", d, err)
				}
				counted[h] = true
			}
		}
	}
	var missing []usage.Hour
	for h := max(day.First(), start); h < last; h++ {
		if !counted[h] {
			missing = append(missing, h)
		}
	}
	return missing, nil
}

// Deadline is when a day closes even with hours missing: delay after the
// latest of its end, the registration's start and the last landing that
// touched it.
func Deadline(day usage.Day, start usage.Hour, inputs []DayInput, delay time.Duration) time.Time {
	latest := day.End()
	if s := start.Start(); s.After(latest) {
		latest = s
	}
	for _, in := range inputs {
		if in.LandedAt.After(latest) {
			latest = in.LandedAt
		}
	}
	return latest.Add(delay)
}

// Manifest is the file that a revision's row names: its exact inputs and
// batches, however many.
type Manifest struct {
	CloudID  string        `json:"cloudId"`
	UsageDay usage.Day     `json:"usageDay"`
	Revision int           `json:"revision"`
	File     string        `json:"file"`
	SHA256   string        `json:"sha256"`
	Inputs   []daily.Input `json:"inputs"`
	Before   []Source      `json:"before,omitempty"` // what the difference is against: the daily file before and its receipts
	Batches  []daily.Batch `json:"batches"`
}

// Source is a file that a revision was made from.
type Source struct {
	Blob   string `json:"blob"`   // container and name
	SHA256 string `json:"sha256"` // of its bytes
}

// OpenMark is one entry of OpenDays: a day to close (Revision 0), or a
// revision whose batches have no final answer yet.
type OpenMark struct {
	CloudID  string
	Day      usage.Day
	Revision int
	OpenDay

	tag Tag
}

// OpenMarks lists what is open, of every registration.
func (l *Ledger) OpenMarks(ctx context.Context) ([]OpenMark, error) {
	var marks []OpenMark
	for row, err := range l.Store.List(ctx, TableOpenDays, "", "", "") {
		if err != nil {
			return nil, fmt.Errorf("list open days: %w", err)
		}
		m := OpenMark{CloudID: row.Partition, tag: row.Tag}
		day, revision, forwarding := strings.Cut(row.Key, "_")
		if m.Day, err = usage.ParseDay(day); err == nil && forwarding {
			_, err = fmt.Sscanf(revision, "%04d", &m.Revision)
		}
		if err == nil {
			err = fromProps(row.Props, &m.OpenDay)
		}
		if err != nil {
			return nil, fmt.Errorf("list open days: row %s/%s: %w", row.Partition, row.Key, err)
		}
		marks = append(marks, m)
	}
	slices.SortStableFunc(marks, func(a, b OpenMark) int { return int(a.Day - b.Day) })
	return marks, nil
}

func revisionKey(day usage.Day, revision int) string {
	return fmt.Sprintf("%s_%04d", day.Compact(), revision)
}
