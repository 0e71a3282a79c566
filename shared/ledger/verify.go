package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// BlobOpener opens a blob as a stream and says when it was stored.
type BlobOpener interface {
	Open(ctx context.Context, container, name string) (body io.ReadCloser, storedAt time.Time, err error)
}

// VerifyFiles is where the contents are that the tables speak of.
type VerifyFiles struct {
	Landing BlobOpener // hour blobs
	App     BlobOpener // partials, daily files, outbox, receipts, quarantine
	NoBlob  error      // what Open fails with when there is no blob
}

// VerifyOptions say what to look at. The zero value is everything.
type VerifyOptions struct {
	CloudID  string    // of one registration; empty: all
	From, To usage.Day // first and last day: of reported hours by when they were reported, of usage days themselves; 0: open
	Limit    int       // how many differences to list before giving up; 0: 100
	TempDir  string    // for sums that do not fit in memory; empty: the system's
	Progress func(VerifyReport)
}

// VerifyReport is what Verify looked at, and every difference it met.
type VerifyReport struct {
	Hours     int64     `json:"hours"`     // reported hours that count
	Rows      int64     `json:"rows"`      // of the usage API, in those hours
	Days      int64     `json:"days"`      // usage days
	Revisions int64     `json:"revisions"` // statements of those days
	Records   int64     `json:"records"`   // daily records of all revisions
	Answers   int64     `json:"answers"`   // final answers of commerce
	Refused   int64     `json:"refused"`   // answers by which the record does not stand as it was sent
	Unsettled int64     `json:"unsettled"` // records without a final answer yet
	Findings  []Finding `json:"differences"`
	Cut       bool      `json:"cut,omitempty"` // there were more differences than the limit: the rest was not looked at
}

// Finding is one difference between what is stored and what follows from the
// rest of it.
type Finding struct {
	Where string `json:"where"` // table and row, or container and blob
	What  string `json:"what"`
}

// String is how the tool prints a finding.
func (f Finding) String() string { return f.Where + ": " + f.What }

// Verify derives everything again from what is stored, from the rows that
// landed to the answers of commerce, and reports each difference:
//
//	hour blob -> rows -> sums                  = partials, DayInputs, Quarantine, UsageHours
//	partials of a revision, merged             = totals of its daily file
//	carried by other days' revisions, merged   = totals of its carried lines
//	daily file before + receipts               = what the next one calls before and corrects
//	total - before                             = the record of each line = the record in the batches, or what it carries
//	receipts                                   = DailyUsage, UsageBatches
//	accepted + carried over all revisions      = total of the last one
//
// It only reads, and its memory does not grow with a day: files are compared as
// streams in key order, table rows as sets by hash. It may run while the app
// works: what is read first is what is written last, so a step under way is seen
// as not yet done, and whatever differs is looked at a second time. The error is a failure of
// storage; differences are in the report.
func (l *Ledger) Verify(ctx context.Context, files VerifyFiles, o VerifyOptions) (VerifyReport, error) {
	if o.Limit == 0 {
		o.Limit = 100
	}
	v := &verifier{ledger: l, files: files, o: o, report: VerifyReport{Findings: []Finding{}}}
	err := v.hours(ctx)
	if err == nil {
		err = v.days(ctx)
	}
	if errors.Is(err, errEnough) {
		v.report.Cut, err = true, nil
	}
	if err != nil {
		return v.report, fmt.Errorf("verify: %w", err)
	}
	return v.report, nil
}

type verifier struct {
	ledger *Ledger
	files  VerifyFiles
	o      VerifyOptions
	report VerifyReport
}

// errEnough: the limit of differences is reached.
var errEnough = errors.New("enough differences")

// damage is a difference on its way up as an error, from where the rest of a
// file makes no sense any more.
type damage struct{ Finding }

func (d damage) Error() string { return d.String() }

func damaged(where, format string, args ...any) error {
	return damage{Finding{where, fmt.Sprintf(format, args...)}}
}

// differ notes a difference. It fails only when there are enough.
func (v *verifier) differ(where, format string, args ...any) error {
	if len(v.report.Findings) == v.o.Limit {
		return errEnough
	}
	v.report.Findings = append(v.report.Findings, Finding{where, fmt.Sprintf(format, args...)})
	return nil
}

// same notes a difference unless what is stored is what it must be.
func same[T comparable](v *verifier, where, what string, stored, derived T) error {
	if stored == derived {
		return nil
	}
	return v.differ(where, "%s is %v, must be %v", what, stored, derived)
}

// settle notes damage as a difference; any other error goes on up.
func (v *verifier) settle(err error) error {
	var d damage
	if errors.As(err, &d) {
		return v.differ(d.Where, "%s", d.What)
	}
	return err
}

// twice repeats a check that met differences, and keeps what the second look
// met: the app may have been at work during the first.
func (v *verifier) twice(check func() error) error {
	was := v.report
	err := check()
	if len(v.report.Findings) == len(was.Findings) && !errors.Is(err, errEnough) {
		return err
	}
	v.report = was
	return check()
}

func (v *verifier) progress() {
	if v.o.Progress != nil {
		v.o.Progress(v.report)
	}
}

// wants reports whether the options include a registration's day.
func (v *verifier) wants(cloudID string, day usage.Day) bool {
	return (v.o.CloudID == "" || v.o.CloudID == cloudID) && day >= v.o.From && (v.o.To == 0 || day <= v.o.To)
}

// list goes through the rows of a table: of all partitions or of one, and of all
// keys or of those that begin with prefix and an underscore.
func (v *verifier) list(ctx context.Context, name, partition, prefix string, each func(where string, row table.Row) error) error {
	from, to := "", ""
	if prefix != "" {
		from, to = prefix+"_", prefix+"`"
	}
	for row, err := range v.ledger.Store.List(ctx, name, partition, from, to) {
		if err != nil {
			return err
		}
		if err := each(name+" "+row.Partition+"/"+row.Key, row); err != nil {
			return err
		}
	}
	return nil
}

// splitDay reads the PartitionKey of the tables that have one for each day.
func splitDay(partition string) (cloudID string, day usage.Day, err error) {
	i := strings.LastIndexByte(partition, '_')
	if i < 0 {
		return "", 0, fmt.Errorf("partition %.80q is not <cloudId>_<yyyyMMdd>", partition)
	}
	day, err = usage.ParseDay(partition[i+1:])
	return partition[:i], day, err
}

// sameProps compares columns, all but those that are left out.
func (v *verifier) sameProps(where string, stored, derived table.Props, but ...string) error {
	var names []string
	for name := range stored {
		names = append(names, name)
	}
	for name := range derived {
		if _, both := stored[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(but, name) || name == "Timestamp" { // the service's own
			continue
		}
		if err := same(v, where, name, fmt.Sprint(stored[name]), fmt.Sprint(derived[name])); err != nil {
			return err
		}
	}
	return nil
}
