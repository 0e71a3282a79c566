// Package rating prices accepted records by a dated price sheet: the bill, and what
// each meter cost on each day. Money is exact until each bill line is rounded to
// cents, half-even.
package rating

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"stackusage/internal/devstack/commerce/record"
)

const (
	currency = "USD"
	rounding = "quantity times rate is exact; each line is rounded to cents, half-even; totals add the lines"
)

// exact adds and multiplies without rounding: precision 0 is apd's word for
// as many digits as it takes.
var exact = apd.BaseContext.WithPrecision(0)

// cents rounds to the exponent it is asked for. Its precision only has to be
// more digits than a sum of quantities can have.
var cents = func() *apd.Context {
	c := apd.BaseContext.WithPrecision(1000)
	c.Rounding = apd.RoundHalfEven
	return c
}()

// lineKey is what one bill line stands for: a month, a billing subscription and a meter. Class,
// model and rate are part of it so that quantity times rate is the amount on
// every line, also where a rate changed in mid-month or one meter served
// tenants and infrastructure.
type lineKey struct {
	subscription, month, meterID, meterClass, billingModel, rate, note string
}

func (k lineKey) compare(o lineKey) int {
	return cmp.Or(strings.Compare(k.subscription, o.subscription), strings.Compare(k.month, o.month),
		strings.Compare(k.meterID, o.meterID), strings.Compare(k.meterClass, o.meterClass),
		strings.Compare(k.billingModel, o.billingModel), strings.Compare(k.rate, o.rate),
		strings.Compare(k.note, o.note))
}

// Line is one line of a bill. Numbers are decimal text: quantity and rate
// exact, amount with two decimals, rounded half-even. A line without a known
// price has neither rate nor amount.
type Line struct {
	Month          string `json:"month"` // 2019-12
	Subscription   string `json:"billingSubscriptionId"`
	MeterID        string `json:"meterId"`
	MeterName      string `json:"meterName"`
	SubCategory    string `json:"meterSubCategory,omitempty"` // commerce's word for what "1 Core" is one of
	Unit           string `json:"unit"`
	MeterClass     string `json:"meterClass"`
	BillingModel   string `json:"billingModel"`
	Quantity       string `json:"quantity"`
	Rate           string `json:"rate"`
	Amount         string `json:"amount"`
	Currency       string `json:"currency"`
	Note           string `json:"note,omitempty"` // why the rate is zero or missing
	quantity       apd.Decimal
	rate           apd.Decimal
	unrated        bool
	roundedDollars apd.Decimal
}

// Statement is what one billing subscription is charged for one month: the sum of its lines, which
// are already in cents.
type Statement struct {
	Month        string `json:"month"`
	Subscription string `json:"billingSubscriptionId"`
	Lines        []Line `json:"lines"`
	Unpriced     int    `json:"unpriced"` // lines without a known price: they are not in the total
	Total        string `json:"total"`
	Currency     string `json:"currency"`
}

// Unrated is a meter that would be charged but has no price.
type Unrated struct {
	MeterID      string `json:"meterId"`
	MeterName    string `json:"meterName"`
	Unit         string `json:"unit"`
	Month        string `json:"month"`
	Subscription string `json:"billingSubscriptionId"`
	Quantity     string `json:"quantity"`
}

// Invoice is the whole bill.
type Invoice struct {
	Rounding   string      `json:"rounding"`
	Statements []Statement `json:"statements"`
	Unrated    []Unrated   `json:"unrated"`
	Total      string      `json:"total"`
	Currency   string      `json:"currency"`
}

// Bill adds up what was accepted and prices it.
func (s Sheet) Bill(records []*record.Record) (*Invoice, error) {
	lines := make(map[lineKey]*Line)
	for _, e := range records {
		r := s.Rate(e)
		key := lineKey{e.BillingSubscriptionID, e.UsageDate[:7], r.MeterID, e.MeterClass, e.BillingModel, r.price.rateText, r.price.note}
		line := lines[key]
		if line == nil {
			line = &Line{
				Month: key.month, Subscription: key.subscription, MeterID: r.MeterID, MeterName: r.MeterName, SubCategory: SubCategories[r.MeterID], Unit: r.Unit,
				MeterClass: e.MeterClass, BillingModel: e.BillingModel, Rate: r.price.rateText, Currency: currency,
				rate: r.price.rate, unrated: r.unrated,
			}
			if line.rate.IsZero() {
				line.Note = r.price.note
			}
			lines[key] = line
		}
		if err := addText(&line.quantity, e.Quantity); err != nil {
			return nil, fmt.Errorf("rate records: %w", err)
		}
	}
	bill := &Invoice{
		Rounding:   rounding,
		Statements: []Statement{}, Unrated: []Unrated{}, Currency: currency,
	}
	var total, owed apd.Decimal
	for _, key := range slices.SortedFunc(maps.Keys(lines), lineKey.compare) {
		line := lines[key]
		if err := line.settle(); err != nil {
			return nil, fmt.Errorf("rate meter %s: %w", line.MeterID, err)
		}
		n := len(bill.Statements)
		if n == 0 || bill.Statements[n-1].Month != key.month || bill.Statements[n-1].Subscription != key.subscription {
			bill.Statements = append(bill.Statements, Statement{Month: key.month, Subscription: key.subscription, Currency: currency})
			owed.SetInt64(0)
			n++
		}
		st := &bill.Statements[n-1]
		st.Lines = append(st.Lines, *line)
		if _, err := exact.Add(&owed, &owed, &line.roundedDollars); err != nil {
			return nil, err
		}
		if _, err := exact.Add(&total, &total, &line.roundedDollars); err != nil {
			return nil, err
		}
		st.Total = money(&owed)
		if line.unrated {
			st.Unpriced++
			bill.Unrated = append(bill.Unrated,
				Unrated{line.MeterID, line.MeterName, line.Unit, line.Month, line.Subscription, line.Quantity})
		}
	}
	bill.Total = money(&total)
	return bill, nil
}

// settle sets the texts of a line whose quantity is complete.
func (l *Line) settle() error {
	var amount apd.Decimal
	if _, err := exact.Mul(&amount, &l.quantity, &l.rate); err != nil {
		return err
	}
	if _, err := cents.Quantize(&l.roundedDollars, &amount, -2); err != nil {
		return err
	}
	l.Quantity = canonical(&l.quantity)
	if !l.unrated {
		l.Amount = money(&l.roundedDollars)
	}
	return nil
}

// addText adds canonical decimal text to sum, exactly.
func addText(sum *apd.Decimal, text string) error {
	var d apd.Decimal
	if _, _, err := d.SetString(text); err != nil {
		return fmt.Errorf("read quantity %s: %w", record.Quote(text), err)
	}
	_, err := exact.Add(sum, sum, &d)
	return err
}

// canonical is d without exponent and needless zeros; zero has no sign.
func canonical(d *apd.Decimal) string {
	var out apd.Decimal
	out.Reduce(d)
	if out.IsZero() {
		return "0"
	}
	return out.Text('f')
}

// money is d, which is in whole cents, with two decimals; zero has no sign.
func money(d *apd.Decimal) string {
	var out apd.Decimal
	if _, err := cents.Quantize(&out, d, -2); err != nil {
		return d.Text('f')
	}
	if out.IsZero() {
		out.Negative = false
	}
	return out.Text('f')
}

// SubCategories are those that were seen on commerce's side; there is no
// published list, so every other meter has none.
var SubCategories = map[string]string{
	"9cd92d4c-bafd-4492-b278-bedc2de8232a": "Windows VM",
	"fb8c0713-ea20-40bf-901f-5560fd3f6330": "Windows VM",
	"190c935e-9ada-48ff-9ab8-56ea1cf9adaa": "App Service",
	"8b251e8f-ce5e-4a58-a6e5-2b8f0d176e3a": "Managed Disks",
	"09f8879e-87e9-4305-a572-4b7be209f857": "Block Blob",
	"8a913f38-33b4-4772-9488-e89522fc09e5": "Block Blob",
	"8767aeb3-6909-4db2-9927-3f51e9a9085e": "Block Blob",
}
