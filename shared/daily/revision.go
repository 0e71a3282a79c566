package daily

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// DayFormat names the layout of a daily file in its header.
const DayFormat = "stackusage-day/1"

// DayHeader is the first line of a daily file: what the revision is made of.
type DayHeader struct {
	Format                string                    `json:"format"`
	CloudID               string                    `json:"cloudId"`
	UsageDay              usage.Day                 `json:"usageDay"`
	Revision              int                       `json:"revision"`
	BillingModel          registration.BillingModel `json:"billingModel"`
	BillingSubscriptionID string                    `json:"billingSubscriptionId"`
	MissingHours          []usage.Hour              `json:"missingHours,omitempty"` // reported hours that never came
	Inputs                []Input                   `json:"inputs"`
}

// Input is one partial that a revision is made of.
type Input struct {
	ReportedHour usage.Hour `json:"reportedHour"`
	SHA16        string     `json:"sha16"`   // of the hour blob
	Partial      string     `json:"partial"` // blob name
	SHA256       string     `json:"sha256"`  // of the partial
	Lines        int64      `json:"lines"`
	Rows         int64      `json:"rows"`
}

// DayLine is one line of a daily file.
type DayLine struct {
	Line
	Rows     int64           `json:"rows"`               // of the usage API, behind Total
	Total    usage.Quantity  `json:"total"`              // exact sum of those rows
	Hours    usage.HourSet   `json:"hours"`              // which hours carried usage
	Before   usage.Quantity  `json:"before"`             // what commerce had accepted before this revision
	Corrects string          `json:"corrects,omitempty"` // the last record it accepted; empty if none
	Record   json.RawMessage `json:"record,omitempty"`   // absent where nothing changes
}

// WriteDay states a usage day: it writes the daily file to w and hands each
// batch to keep as soon as it is full. The sums must come in key order, and so
// must standings, what commerce accepted of the revisions before (nil for the
// first one): a record then states the difference.
func WriteDay(w io.Writer, header DayHeader, rules Rules, sums iter.Seq2[Sum, error], standings iter.Seq2[Standing, error], keep func(Batch) error) (File, error) {
	file, err := writeDay(w, header, rules, sums, standings, keep)
	if err != nil {
		return File{}, fmt.Errorf("write day %s, revision %d: %w", header.UsageDay, header.Revision, err)
	}
	return file, nil
}

func writeDay(w io.Writer, header DayHeader, rules Rules, sums iter.Seq2[Sum, error], standings iter.Seq2[Standing, error], keep func(Batch) error) (File, error) {
	header.Format = DayFormat
	out, err := newLineWriter(w, header)
	if err != nil {
		return File{}, err
	}
	if standings == nil {
		standings = func(func(Standing, error) bool) {}
	}
	batches := batcher{keep: keep}
	for l, err := range restate(rules, sums, standings) {
		if err != nil {
			return File{}, err
		}
		if err := out.line(l, l.Rows); err != nil {
			return File{}, err
		}
		if l.Record == nil {
			continue
		}
		out.records++
		if err := batches.add(l.Record); err != nil {
			return File{}, err
		}
	}
	if err := batches.flush(); err != nil {
		return File{}, err
	}
	return out.close()
}
