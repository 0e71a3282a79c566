package daily

import (
	"encoding/json"
	"fmt"
	"io"

	"stackusage/shared/linefile"
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
	BillingModel          registration.BillingModel `json:"billingModel"` // of the last part of the day, as the subscription
	BillingSubscriptionID string                    `json:"billingSubscriptionId"`
	Reporting             string                    `json:"reporting,omitempty"`    // ReportingOff: nothing is forwarded
	MissingHours          []usage.Hour              `json:"missingHours,omitempty"` // reported hours that never came
	Inputs                []Input                   `json:"inputs"`
	Carries               []CarryInput              `json:"carries,omitempty"`   // what other days carried into this one
	CarriedTo             usage.Day                 `json:"carriedTo,omitempty"` // the day that states the differences of this revision
	Reason                string                    `json:"reason,omitempty"`    // why it does
	Waived                Waiving                   `json:"waived,omitempty"`    // what becomes of what operators decided not to bill
}

// Waiving says what a revision makes of the quantities that operators decided not
// to bill.
type Waiving string

// Waivings.
const (
	WaivedKept Waiving = ""     // they stay, as far as there is a difference
	WaivedAll  Waiving = "all"  // the whole difference is waived: an operator settles the day
	WaivedNone Waiving = "none" // they are closed again: an operator recloses the day
)

// ReportingOff in a header: usage reporting was switched off, and the revision
// states what was used without a record of it. A later revision, with reporting
// on, states all that never had one.
const ReportingOff = "off"

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
	Total    usage.Quantity  `json:"total"`              // exact sum of those rows; of a carried line, of what was carried
	Hours    usage.HourSet   `json:"hours"`              // which hours carried usage
	Before   usage.Quantity  `json:"before"`             // what stood before this revision: accepted by commerce, or carried to another day
	Corrects string          `json:"corrects,omitempty"` // the last record that stands; empty if none does
	Waived   usage.Quantity  `json:"waived,omitzero"`    // what of total - before an operator decided not to bill
	Carried  usage.Quantity  `json:"carried,omitzero"`   // what this revision carries to the day CarriedTo
	Record   json.RawMessage `json:"record,omitempty"`   // absent where nothing changes
}

// WriteDay writes a usage day: it writes the daily file to w and hands each
// batch to keep as soon as it is full. The sources must come in key order. A
// record states the difference to what stands; under a header with CarriedTo
// there are no records, and the differences are carried; with reporting off they
// are kept. What is waived is no difference any more.
func WriteDay(w io.Writer, header DayHeader, rules Rules, from Sources, keep func(Batch) error) (linefile.File, error) {
	file, err := writeDay(w, header, rules, from, keep)
	if err != nil {
		return linefile.File{}, fmt.Errorf("write day %s, revision %d: %w", header.UsageDay, header.Revision, err)
	}
	return file, nil
}

func writeDay(w io.Writer, header DayHeader, rules Rules, from Sources, keep func(Batch) error) (linefile.File, error) {
	header.Format = DayFormat
	out, err := linefile.NewWriter(w, header)
	if err != nil {
		return linefile.File{}, err
	}
	rules.carries = header.CarriedTo != 0
	rules.unreported = header.Reporting == ReportingOff
	rules.waiving = header.Waived
	defer out.Stop()
	batches := batcher{keep: keep}
	defer func() { _ = batches.last.Wait() }() // also after an error
	var text []byte
	for l, err := range restate(rules, from) {
		if err != nil {
			return linefile.File{}, err
		}
		text = l.AppendJSON(text[:0])
		if err := out.Raw(text, l.Rows); err != nil {
			return linefile.File{}, err
		}
		if l.Carried.Sign() != 0 {
			out.Carried++
		}
		if l.Waived.Sign() != 0 {
			out.Waived++
		}
		if l.Record == nil {
			continue
		}
		out.Records++
		if err := batches.add(l.Record); err != nil {
			return linefile.File{}, err
		}
	}
	if err := batches.end(); err != nil {
		return linefile.File{}, err
	}
	return out.Close()
}
