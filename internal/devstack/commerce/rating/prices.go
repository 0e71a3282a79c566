package rating

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"stackusage/internal/devstack/commerce/record"
)

// priceSheet is the dated list of what a unit of each meter costs, in US
// dollars. Its columns:
//
//	effective    the first usage day the rate holds for; the oldest rows begin
//	             at the start of the sheet, which is no published date
//	meter_id     local or commerce meter, a GUID in lower case with dashes
//	meter_name   what the bill calls it
//	unit         what one of the quantity is; the rate is per unit
//	usd_rate     exact decimal; 0 is a rate, too; empty: no price is known
//	source_note  where the rate comes from, or why it is 0
//
// Capacity is published per GB-month and metered in GB-hours. A month here has
// 720 hours: that is what the one known commerce rate, 0.0000083333 for block
// blobs at 0.006 per GB-month, was made with. It is kept as commerce has it, cut
// after ten decimals; table and queue, 0.018 / 720 = 0.000025, come out even.
//
//go:embed prices.csv
var priceSheet string

// Text is the price sheet of this package as text.
func Text() string { return priceSheet }

// Published is the price sheet of this package.
func Published() (Sheet, error) { return ParseSheet(strings.NewReader(priceSheet)) }

var priceColumns = []string{"effective", "meter_id", "meter_name", "unit", "usd_rate", "source_note"}

// price is what a meter costs from a usage day on.
type price struct {
	effective       string // usage day, 2019-12-10
	meterName, unit string
	rateText        string
	rate            apd.Decimal
	note            string
}

// Sheet holds the prices of each meter, the latest first.
type Sheet map[string][]price

// ParseSheet reads a price sheet. A row that cannot be read, a rate below zero
// or two rates for one meter and day are errors that name the line.
func ParseSheet(in io.Reader) (Sheet, error) {
	reader := csv.NewReader(in)
	reader.FieldsPerRecord = len(priceColumns)
	header, err := reader.Read()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(header, priceColumns) {
		return nil, fmt.Errorf("columns are not %s", strings.Join(priceColumns, ","))
	}
	out := make(Sheet)
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := reader.FieldPos(0)
		id := row[1]
		p := price{effective: row[0], meterName: row[2], unit: row[3], rateText: row[4], note: row[5]}
		_, dateErr := time.Parse(time.DateOnly, p.effective)
		switch {
		case dateErr != nil:
			return nil, fmt.Errorf("line %d: effective %s is not a date", line, record.Quote(p.effective))
		case !record.IsGUID(id):
			return nil, fmt.Errorf("line %d: meter_id %s is not a GUID", line, record.Quote(id))
		case p.rateText != "" && (!record.IsCanonical(p.rateText) || strings.HasPrefix(p.rateText, "-")):
			return nil, fmt.Errorf("line %d: usd_rate %s is not a rate", line, record.Quote(p.rateText))
		case slices.ContainsFunc(out[id], func(q price) bool { return q.effective == p.effective }):
			return nil, fmt.Errorf("line %d: meter_id %s has two rates from %s", line, id, p.effective)
		}
		if p.rateText != "" {
			if _, _, err := p.rate.SetString(p.rateText); err != nil {
				return nil, fmt.Errorf("line %d: usd_rate: %w", line, err)
			}
		}
		out[id] = append(out[id], p)
	}
	for _, prices := range out {
		slices.SortFunc(prices, func(a, b price) int { return strings.Compare(b.effective, a.effective) })
	}
	return out, nil
}

// on returns what the meter costs on a usage day.
func (s Sheet) on(meterID, usageDate string) (price, bool) {
	for _, p := range s[meterID] {
		if p.effective <= usageDate {
			return p, true
		}
	}
	return price{}, false
}

// Price returns the rate of a meter on a usage day, and where it comes from.
func (s Sheet) Price(meterID, usageDate string) (rate, note string, found bool) {
	p, found := s.on(meterID, usageDate)
	return p.rateText, p.note, found
}

// freeClasses and freeModels rate at zero whatever the sheet says, with the
// reason that the bill gives. Under the capacity model the stack is paid for by
// the year, so that charging its usage would charge it twice.
var (
	freeClasses = map[string]string{
		"admin":         "admin meter: reported, price zero",
		"informational": "informational: charged through another meter",
	}
	freeModels = map[string]string{
		"Development": "Development: never charged",
		"Capacity":    "Capacity: paid for by the year, not by usage",
	}
)

// unratedNote begins the note of a line that would be charged if its price
// were known. It has neither rate nor amount: 0.00 would say that it is free.
const unratedNote = "no known price: "

// Rated is how one record is charged.
type Rated struct {
	MeterID, MeterName, Unit string
	price                    price // of one unit; zero with a note when free; without rateText when unrated
	unrated                  bool  // it would be charged, but no price is known
}

// Rate finds the meter a record is billed under, commerce's own where the sheet
// knows it and the stack's otherwise, and what a unit of it costs.
func (s Sheet) Rate(e *record.Record) Rated {
	out := Rated{MeterID: e.CommerceMeterID}
	p, found := s.on(out.MeterID, e.UsageDate)
	if !found {
		out.MeterID = e.MeterID
		p, found = s.on(out.MeterID, e.UsageDate)
	}
	out.MeterName, out.Unit = e.MeterName, e.Unit
	if found {
		out.MeterName, out.Unit = p.meterName, p.unit
	}
	free, isFree := freeModels[e.BillingModel]
	if !isFree {
		free, isFree = freeClasses[e.MeterClass]
	}
	switch {
	case isFree:
		out.price = price{rateText: "0", note: free}
	case !found:
		out.price = price{note: unratedNote + "not on the price sheet of that day"}
		out.unrated = true
	case p.rateText == "":
		out.price = price{note: unratedNote + p.note}
		out.unrated = true
	default:
		out.price = p
	}
	return out
}
