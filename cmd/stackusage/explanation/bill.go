package explanation

import (
	"errors"
	"fmt"
	"io"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

// ofBill finds the row of the usage details file: a daily row, or nil after the rows of
// a statement were listed.
func (q *question) ofBill() (*details.Row, error) {
	if q.prices.Bill() == "" {
		return nil, errors.New("--line names a row of a usage details file: --bill is missing")
	}
	var statements []details.Statement
	var statement *details.Statement
	var daily *details.Row
	err := q.readBill(func(s details.Statement) error {
		if statements = append(statements, s); s.Line == q.row {
			statement = &s
		}
		return nil
	}, func(r details.Row) error {
		if r.Line == q.row {
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
	return nil, fmt.Errorf("%s: line %d is no row of usage in region Azure Stack", q.prices.Bill(), q.row)
}

func (q *question) readBill(statement func(details.Statement) error, row func(details.Row) error) error {
	_, err := cli.ReadFile(q.prices.Bill(), func(in io.Reader) (none struct{}, err error) {
		return none, details.Read(in, statement, row)
	})
	return err
}

// billed is a daily row of the file as it is listed.
type billed struct {
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
		if rate, err = usage.ParseSum(s.Rate); err != nil {
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
	rows := func(yield func(billed, error) bool) {
		err := q.readBill(func(details.Statement) error { return nil }, func(r details.Row) error {
			if r.Payer != s.Payer || r.SKU != s.SKU || details.Month(r.Day) != s.Month {
				return nil
			}
			sum = sum.Add(r.Quantity)
			b := billed{Line: r.Line, UsageDay: r.Day, RecordID: r.RecordID, Resource: r.ResourceURI, Quantity: r.Quantity}
			if known && others == 0 {
				b.Amount = r.Quantity.Mul(rate).String()
			}
			if !yield(b, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(billed{}, err)
		}
	}
	if q.env.Tables() {
		fmt.Fprintf(q.env.Stdout, "%s   %s   charged to %s: %s %s\n", s.MeterName, s.Month, usage.DashedGUID(s.Payer), s.Quantity, s.Unit)
	}
	if err := cli.List(q.env, rows, cli.Table[billed]{
		Head: []string{"LINE", "USAGE DAY", "RECORD", "RESOURCE", "QUANTITY", "EXACT AMOUNT"},
		Cells: func(b billed) []any {
			return []any{b.Line, b.UsageDay, b.RecordID, cli.Resource(b.Resource), b.Quantity, cli.Number(b.Amount)}
		},
		None: "no daily rows",
	}); err != nil || !q.env.Tables() {
		return err
	}
	switch {
	case others > 0:
		fmt.Fprintf(q.env.Stdout, "%d rows of the statement share these daily rows, which add up to %s: the file does not say which is under which\n", others+1, sum)
	case !known:
		fmt.Fprintln(q.env.Stdout, "no price is known")
	default:
		fmt.Fprintf(q.env.Stdout, "together %s at %s are %s, rounded once, half to even: %s %s\n", sum, rate, sum.Mul(rate), s.Value, s.Currency)
	}
	fmt.Fprintf(q.env.Stdout, "explain one of them: stackusage explain RECORD --day DAY\n")
	return nil
}

var errStop = errors.New("nobody reads on")
