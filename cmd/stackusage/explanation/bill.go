package explanation

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/explain"
	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

// ofBill finds the row of the usage details file: a daily row, or nil after the rows of
// a statement were listed.
func (q *question) ofBill() (*details.Row, error) {
	var statements []details.Statement
	var statement *details.Statement
	var daily *details.Row
	first, last := 0, 0
	sees := func(line int) { first, last = cmp.Or(first, line), max(last, line) }
	err := q.readBill(func(s details.Statement) error {
		sees(s.Line)
		if statements = append(statements, s); s.Line == q.number {
			statement = &s
		}
		return nil
	}, func(r details.Row) error {
		sees(r.Line)
		if r.Line == q.number {
			daily = &r
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case daily != nil:
		return daily, nil
	case statement != nil:
		return nil, q.statement(*statement, statements)
	}
	return nil, fmt.Errorf("%s: line %d is no row of usage in region Azure Stack; those rows are on lines %d to %d", q.prices.Bill(), q.number, first, last)
}

func (q *question) readBill(statement func(details.Statement) error, row func(details.Row) error) error {
	_, err := cli.ReadFile(q.prices.Bill(), func(in io.Reader) (none struct{}, err error) {
		return none, details.Read(in, statement, row)
	})
	return err
}

// Billed is a daily row of the file as it is listed.
type Billed struct {
	Line     int            `json:"line"`
	UsageDay usage.Day      `json:"usageDay"`
	RecordID string         `json:"recordId"`
	Resource string         `json:"resourceUri"`
	Quantity usage.Quantity `json:"quantity"`
	Amount   string         `json:"amount,omitempty"`
}

// statement lists the daily rows under a row of the statement: their amounts are exact,
// add up to quantity times rate, and are rounded once.
func (q *question) statement(s details.Statement, all []details.Statement) error {
	rate, known := usage.Quantity{}, s.Rate != ""
	if known {
		var err error
		if rate, err = usage.ParseQuantity(s.Rate); err != nil {
			return err
		}
	}
	others := 0
	for _, t := range all {
		if t.Payer == s.Payer && t.SKU == s.SKU && t.Month == s.Month && t.Line != s.Line {
			others++
		}
	}
	var sum usage.Quantity
	rows := func(yield func(Billed, error) bool) {
		err := q.readBill(func(details.Statement) error { return nil }, func(r details.Row) error {
			if r.Payer != s.Payer || r.SKU != s.SKU || details.Month(r.Day) != s.Month {
				return nil
			}
			sum = sum.Add(r.Quantity)
			b := Billed{Line: r.Line, UsageDay: r.Day, RecordID: r.RecordID, Resource: r.ResourceURI, Quantity: r.Quantity}
			if known && others == 0 {
				b.Amount = r.Quantity.Mul(rate).String()
			}
			if !yield(b, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Billed{}, err)
		}
	}
	wrong, err := misrounded(s)
	if err != nil {
		return err
	}
	if q.env.View != nil {
		return q.env.View(Statement{Statement: s, Rows: rows, Differs: wrong, Together: func() string { return together(s, others, sum, rate) }})
	}
	if q.env.Tables() {
		fmt.Fprintf(q.env.Stdout, "%s   %s   charged to %s: %s %s\n", s.MeterName, s.Month, usage.DashedGUID(s.Payer), s.Quantity, s.Unit)
	}
	if err := cli.List(q.env, rows, cli.Table[Billed]{
		Head: []string{"LINE", "USAGE DAY", "RECORD", "RESOURCE", "QUANTITY", "EXACT AMOUNT"},
		Cells: func(b Billed) []any {
			return []any{b.Line, b.UsageDay, b.RecordID, cli.Resource(b.Resource), b.Quantity, cli.Number(b.Amount)}
		},
		None: "no daily rows",
	}); err != nil {
		return err
	}
	if wrong != "" {
		defer fmt.Fprintf(q.env.Stderr, "DIFFERS %s\n", wrong)
	}
	if q.env.Tables() {
		fmt.Fprintf(q.env.Stdout, "%s\nexplain one of them: stackusage explain RECORD --day DAY\n", together(s, others, sum, rate))
	}
	if wrong != "" {
		return cli.ErrDifferences
	}
	return nil
}

// together says how the daily rows make the row of the statement.
func together(s details.Statement, others int, sum, rate usage.Quantity) string {
	switch {
	case others > 0:
		return fmt.Sprintf("%d rows of the statement share these daily rows, which add up to %s: the file does not say which is under which", others+1, sum)
	case s.Rate == "":
		return "no price is known"
	}
	return fmt.Sprintf("together %s at %s are %s, rounded once, half to even: %s %s", sum, rate, sum.Mul(rate), s.Value, s.Currency)
}

// misrounded says how a row of the statement has another amount than quantity times rate,
// rounded once, half to even; empty if it has that.
func misrounded(s details.Statement) (string, error) {
	if s.Rate == "" {
		if s.Value != "" {
			return fmt.Sprintf("the row has value %.40s, and no rate", s.Value), nil
		}
		return "", nil
	}
	rate, err := usage.ParseQuantity(s.Rate)
	if err != nil {
		return "", err
	}
	value, err := usage.ParseQuantity(s.Value)
	if err != nil {
		return "", fmt.Errorf("column Value %.40q: %w", s.Value, err)
	}
	exact := s.Quantity.Mul(rate)
	if cents := exact.Round(2); !cents.Equal(value) {
		return fmt.Sprintf("%s at %s are %s, rounded %s, and the row has value %s", s.Quantity, rate, exact, cents, s.Value), nil
	}
	return "", nil
}

// compare enters where the row of the bill differs from the record that it is of.
func (q *question) compare(r *explain.Report) {
	differs := func(what string, bill, here any) {
		r.Contradictions = append(r.Contradictions, fmt.Sprintf("line %d of %s has %s %s, the record %s", q.row.Line, q.prices.Bill(), what, bill, here))
	}
	for _, l := range r.Lines {
		for _, rev := range l.Revisions {
			if rev.RecordID != strings.ToLower(q.row.RecordID) {
				continue
			}
			if !q.row.Quantity.Equal(rev.Added) {
				differs("quantity", q.row.Quantity, rev.Added)
			}
			if q.row.Payer != usage.NormalGUID(l.BillingSubscriptionID) {
				differs("subscription", usage.DashedGUID(q.row.Payer), l.BillingSubscriptionID)
			}
			if q.row.MeterID != usage.NormalGUID(l.MeterID) {
				differs("meter", usage.DashedGUID(q.row.MeterID), usage.DashedGUID(l.MeterID))
			}
			if !strings.EqualFold(q.row.ResourceURI, l.ResourceURI) {
				differs("resource", q.row.ResourceURI, l.ResourceURI)
			}
		}
	}
}

var errStop = errors.New("nobody reads on")
