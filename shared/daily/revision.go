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
	Rows   int64           `json:"rows"` // of the usage API, behind the record
	Record json.RawMessage `json:"record"`
}

// WriteDay states a usage day: it writes the daily file to w and hands each
// batch to keep as soon as it is full. The sums must come in key order.
func WriteDay(w io.Writer, header DayHeader, rules Rules, sums iter.Seq2[Sum, error], keep func(Batch) error) (File, error) {
	file, err := writeDay(w, header, rules, sums, keep)
	if err != nil {
		return File{}, fmt.Errorf("write day %s, revision %d: %w", header.UsageDay, header.Revision, err)
	}
	return file, nil
}

func writeDay(w io.Writer, header DayHeader, rules Rules, sums iter.Seq2[Sum, error], keep func(Batch) error) (File, error) {
	header.Format = DayFormat
	out, err := newLineWriter(w, header)
	if err != nil {
		return File{}, err
	}
	batches := batcher{keep: keep}
	for s, err := range sums {
		if err != nil {
			return File{}, err
		}
		record, err := rules.Record(s).encode()
		if err != nil {
			return File{}, err
		}
		if err := out.line(DayLine{Rows: s.Rows, Record: record}, s.Rows); err != nil {
			return File{}, err
		}
		if err := batches.add(record); err != nil {
			return File{}, err
		}
	}
	if err := batches.flush(); err != nil {
		return File{}, err
	}
	return out.close()
}
