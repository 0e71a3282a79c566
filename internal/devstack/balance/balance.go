// Package balance compares what a stack served with what was billed, as an
// auditor would: from the rows as they were served and the records as they
// were accepted, with rational numbers and no code of the product.
//
//	rows served = rows accepted + rows quarantined
//	per meter and usage day: exact sum of rows accepted = exact sum of records billed
package balance

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Line is one meter on one usage day.
type Line struct {
	MeterID  string `json:"meterId"` // lower case, no dashes
	UsageDay string `json:"usageDay"`
	Rows     int    `json:"rows"`     // accepted
	Used     string `json:"used"`     // exact sum of the rows accepted
	Records  int    `json:"records"`  // billed
	Billed   string `json:"billed"`   // exact sum of the records
	Balanced bool   `json:"balanced"` // the two sums are the same number
}

// Sheet is the balance of one run.
type Sheet struct {
	Balanced        bool     `json:"balanced"`
	Verified        bool     `json:"verified"` // the product's own checker found no difference; set by who runs it
	Problems        []string `json:"problems"` // why it is not, for people
	HoursServed     int      `json:"hoursServed"`
	HoursCounted    int      `json:"hoursCounted"`
	RowsServed      int      `json:"rowsServed"`
	RowsAccepted    int      `json:"rowsAccepted"`
	RowsQuarantined int      `json:"rowsQuarantined"`
	Records         int      `json:"records"`
	OpenDays        int      `json:"openDays"`
	OpenRevisions   int      `json:"openRevisions"`
	QueuedMessages  int64    `json:"queuedMessages"`
	PoisonMessages  int64    `json:"poisonMessages"`
	FailedMessages  int      `json:"failedMessages"`
	Lines           []Line   `json:"lines"`
}

// Book collects both sides. The zero value is empty.
type Book struct {
	sums map[[2]string]*entry
	Sheet
}

type entry struct {
	used, billed  big.Rat
	rows, records int
}

func (b *Book) entry(meterID, day string) *entry {
	if b.sums == nil {
		b.sums = map[[2]string]*entry{}
	}
	key := [2]string{strings.ToLower(strings.ReplaceAll(meterID, "-", "")), day}
	if b.sums[key] == nil {
		b.sums[key] = new(entry)
	}
	return b.sums[key]
}

// Hour reads the rows of one reported hour as they were served, a row a
// line. quarantined says which of them, counted from 1, were refused.
func (b *Book) Hour(rows io.Reader, quarantined map[int]bool) error {
	b.HoursServed++
	// From the map, not from the rows met: a refusal of a row that was never
	// served must show as a difference.
	for _, refused := range quarantined {
		if refused {
			b.RowsQuarantined++
		}
	}
	s := bufio.NewScanner(rows)
	s.Buffer(nil, 4<<20)
	for n := 1; s.Scan(); n++ {
		b.RowsServed++
		if quarantined[n] {
			continue
		}
		if err := b.row(s.Bytes()); err != nil {
			return fmt.Errorf("read row %d: %w", n, err)
		}
	}
	return s.Err()
}

func (b *Book) row(text []byte) error {
	var row struct {
		Properties struct {
			UsageStartTime time.Time   `json:"usageStartTime"`
			Quantity       json.Number `json:"quantity"` // takes a number and a string
			MeterID        string      `json:"meterId"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	quantity, ok := decimal(row.Properties.Quantity.String())
	if !ok {
		return fmt.Errorf("quantity %q", row.Properties.Quantity)
	}
	e := b.entry(row.Properties.MeterID, row.Properties.UsageStartTime.UTC().Format(time.DateOnly))
	e.used.Add(&e.used, quantity)
	e.rows++
	b.RowsAccepted++
	return nil
}

// Recorded reads the records that commerce accepted, one a line.
func (b *Book) Recorded(records io.Reader) error {
	s := bufio.NewScanner(records)
	s.Buffer(nil, 4<<20)
	for n := 1; s.Scan(); n++ {
		var r struct {
			MeterID     string `json:"meterId"`
			UsageDate   string `json:"usageDate"`
			CarriedFrom string `json:"carriedFrom"` // the day of the usage, where another one is billed
			Quantity    string `json:"quantity"`
			Region      string `json:"region"`
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return fmt.Errorf("read record %d: %w", n, err)
		}
		quantity, ok := decimal(r.Quantity)
		if !ok || r.Region != "Azure Stack" {
			return fmt.Errorf("read record %d: quantity %q, region %q", n, r.Quantity, r.Region)
		}
		e := b.entry(r.MeterID, cmp.Or(r.CarriedFrom, r.UsageDate))
		e.billed.Add(&e.billed, quantity)
		e.records++
		b.Sheet.Records++
	}
	return s.Err()
}

// Close compares the two sides.
func (b *Book) Close() Sheet {
	sheet := b.Sheet
	sheet.Problems, sheet.Lines = []string{}, []Line{}
	problem := func(bad bool, format string, args ...any) {
		if bad {
			sheet.Problems = append(sheet.Problems, fmt.Sprintf(format, args...))
		}
	}
	problem(sheet.RowsServed == 0, "no rows were served: nothing is shown by this run")
	problem(sheet.HoursCounted != sheet.HoursServed, "%d hours were served, %d count", sheet.HoursServed, sheet.HoursCounted)
	problem(sheet.RowsServed != sheet.RowsAccepted+sheet.RowsQuarantined, "%d rows were served, %d accepted and %d quarantined", sheet.RowsServed, sheet.RowsAccepted, sheet.RowsQuarantined)
	problem(sheet.OpenDays > 0, "%d usage days are not closed", sheet.OpenDays)
	problem(sheet.OpenRevisions > 0, "%d revisions have records without an answer", sheet.OpenRevisions)
	problem(sheet.QueuedMessages > 0, "%d messages are queued", sheet.QueuedMessages)
	problem(sheet.PoisonMessages > 0, "%d messages are in poison queues", sheet.PoisonMessages)
	problem(sheet.FailedMessages > 0, "%d messages failed for good", sheet.FailedMessages)
	for _, key := range slices.SortedFunc(maps.Keys(b.sums), func(a, c [2]string) int { return cmp.Or(cmp.Compare(a[1], c[1]), cmp.Compare(a[0], c[0])) }) {
		e := b.sums[key]
		line := Line{MeterID: key[0], UsageDay: key[1], Rows: e.rows, Records: e.records,
			Used: exact(&e.used), Billed: exact(&e.billed), Balanced: e.used.Cmp(&e.billed) == 0}
		problem(!line.Balanced, "meter %s on %s: used %s, billed %s", line.MeterID, line.UsageDay, line.Used, line.Billed)
		sheet.Lines = append(sheet.Lines, line)
	}
	sheet.Balanced = len(sheet.Problems) == 0
	return sheet
}

// decimal reads a number as JSON writes it: big.Rat alone would take fractions
// and hexadecimal digits too.
func decimal(text string) (*big.Rat, bool) {
	if !json.Valid([]byte(text)) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// exact writes a sum of decimals, which has a finite expansion, with all its
// digits and no zeros at the end.
func exact(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}
