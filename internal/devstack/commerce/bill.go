package commerce

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
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

// entry is what rating needs to know of an accepted record. quantity is
// canonical decimal text; raw is nil unless it was asked for.
type entry struct {
	payer, usageDate         string
	meterID, commerceMeterID string
	meterName, unit          string
	meterClass, billingModel string
	quantity                 string
	raw                      []byte
}

// entryFilter narrows what is billed; empty fields let everything through.
type entryFilter struct {
	subscription string
	month        string // 2019-12
}

// eachEntry calls f with every accepted record, by payer, usage day and id.
func eachEntry(ctx context.Context, tx *sql.Tx, only entryFilter, withRaw bool, f func(entry) error) error {
	raw := "NULL"
	if withRaw {
		raw = "raw"
	}
	rows, err := tx.QueryContext(ctx, `SELECT billing_subscription_id, usage_date, meter_id, commerce_meter_id,
		meter_name, unit, meter_class, billing_model, quantity, `+raw+` FROM records
		WHERE (?1 = '' OR billing_subscription_id = ?1) AND (?2 = '' OR substr(usage_date, 1, 7) = ?2)
		ORDER BY billing_subscription_id, usage_date, record_id`, only.subscription, only.month)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.payer, &e.usageDate, &e.meterID, &e.commerceMeterID,
			&e.meterName, &e.unit, &e.meterClass, &e.billingModel, &e.quantity, &e.raw); err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

// lineKey is what one bill line stands for: a month, a payer and a meter. Class,
// model and rate are part of it so that quantity times rate is the amount on
// every line, also where a rate changed in mid-month or one meter served
// tenants and infrastructure.
type lineKey struct {
	payer, month, meterID, meterClass, billingModel, rate, note string
}

func (k lineKey) compare(o lineKey) int {
	return cmp.Or(strings.Compare(k.payer, o.payer), strings.Compare(k.month, o.month),
		strings.Compare(k.meterID, o.meterID), strings.Compare(k.meterClass, o.meterClass),
		strings.Compare(k.billingModel, o.billingModel), strings.Compare(k.rate, o.rate),
		strings.Compare(k.note, o.note))
}

// billLine is one line of a bill. Numbers are decimal text: quantity and rate
// exact, amount with two decimals, rounded half-even. A line without a known
// price has neither rate nor amount.
type billLine struct {
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

// statement is what one payer owes for one month: the sum of its lines, which
// are already in cents.
type statement struct {
	Month        string     `json:"month"`
	Subscription string     `json:"billingSubscriptionId"`
	Lines        []billLine `json:"lines"`
	Unpriced     int        `json:"unpriced"` // lines without a known price: they are not in the total
	Total        string     `json:"total"`
	Currency     string     `json:"currency"`
}

// unratedMeter is a meter that would be charged but has no price.
type unratedMeter struct {
	MeterID   string `json:"meterId"`
	MeterName string `json:"meterName"`
	Unit      string `json:"unit"`
	Month     string `json:"month"`
	Payer     string `json:"billingSubscriptionId"`
	Quantity  string `json:"quantity"`
}

// invoice is the whole bill.
type invoice struct {
	Rounding   string         `json:"rounding"`
	Statements []statement    `json:"statements"`
	Unrated    []unratedMeter `json:"unrated"`
	Total      string         `json:"total"`
	Currency   string         `json:"currency"`
}

// rateAll adds up what was accepted and prices it.
func rateAll(ctx context.Context, tx *sql.Tx, prices sheet, only entryFilter) (*invoice, error) {
	lines := make(map[lineKey]*billLine)
	err := eachEntry(ctx, tx, only, false, func(e entry) error {
		r := prices.rate(e)
		key := lineKey{e.payer, e.usageDate[:7], r.meterID, e.meterClass, e.billingModel, r.price.rateText, r.price.note}
		line := lines[key]
		if line == nil {
			line = &billLine{
				Month: key.month, Subscription: key.payer, MeterID: r.meterID, MeterName: r.meterName, SubCategory: subCategories[r.meterID], Unit: r.unit,
				MeterClass: e.meterClass, BillingModel: e.billingModel, Rate: r.price.rateText, Currency: currency,
				rate: r.price.rate, unrated: r.unrated,
			}
			if line.rate.IsZero() {
				line.Note = r.price.note
			}
			lines[key] = line
		}
		return addText(&line.quantity, e.quantity)
	})
	if err != nil {
		return nil, fmt.Errorf("rate records: %w", err)
	}
	bill := &invoice{
		Rounding:   rounding,
		Statements: []statement{}, Unrated: []unratedMeter{}, Currency: currency,
	}
	var total, owed apd.Decimal
	for _, key := range slices.SortedFunc(maps.Keys(lines), lineKey.compare) {
		line := lines[key]
		if err := line.settle(); err != nil {
			return nil, fmt.Errorf("rate meter %s: %w", line.MeterID, err)
		}
		n := len(bill.Statements)
		if n == 0 || bill.Statements[n-1].Month != key.month || bill.Statements[n-1].Subscription != key.payer {
			bill.Statements = append(bill.Statements, statement{Month: key.month, Subscription: key.payer, Currency: currency})
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
				unratedMeter{line.MeterID, line.MeterName, line.Unit, line.Month, line.Subscription, line.Quantity})
		}
	}
	bill.Total = money(&total)
	return bill, nil
}

// settle sets the texts of a line whose quantity is complete.
func (l *billLine) settle() error {
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
		return fmt.Errorf("read quantity %s: %w", quote(text), err)
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
