package results

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/internal/devstack/loopback"
)

// Bill is what is read of commerce's bill.
type Bill struct {
	Rounding   string
	Statements []Statement
}

// Statement is the bill of a month and a billing subscription.
type Statement struct {
	Month                 string
	BillingSubscriptionID string
	Total, Currency       string
	Unpriced              int
	Lines                 []struct {
		MeterName, MeterSubCategory, MeterID, Unit, MeterClass, Quantity, Rate, Amount, Currency, Note string
	}
}

// ReadBill asks the commerce of a URL for its bill.
func ReadBill(ctx context.Context, commerce string) (b Bill, err error) {
	body, err := loopback.Ask(ctx, http.MethodGet, commerce+"/v1/bill?format=json", "")
	if err != nil {
		return b, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&b); err != nil {
		return b, fmt.Errorf("read bill: %w", err)
	}
	return b, nil
}

// Print prints it per meter.
func (b Bill) Print(out io.Writer) error {
	for _, st := range b.Statements {
		fmt.Fprintf(out, "\nBill of %s for subscription %s, region Azure Stack\n\n", st.Month, st.BillingSubscriptionID)
		grid := cli.Grid{Head: []string{"METER", "CLASS", "QUANTITY", "UNIT", "RATE", "AMOUNT", "CURRENCY"}}
		for _, l := range st.Lines {
			name := l.MeterName
			switch {
			case name == "":
				name = l.MeterID
			case !strings.Contains(strings.ReplaceAll(name, " ", ""), strings.ReplaceAll(l.MeterSubCategory, " ", "")):
				name = l.MeterSubCategory + ", " + name
			}
			amount, currency := l.Amount, l.Currency
			if l.Rate == "" {
				amount, currency = "", "not priced"
			}
			grid.Row(name, l.MeterClass, cli.Number(short(l.Quantity)), l.Unit, cli.Number(l.Rate), cli.Number(amount), currency)
		}
		grid.Row("total", "", cli.Number(""), "", cli.Number(""), cli.Number(st.Total), st.Currency)
		if err := grid.Print(out); err != nil {
			return err
		}
		if st.Unpriced > 0 {
			fmt.Fprintf(out, "\nLines without a published price, not in the total: %d (docs/bill.md)\n", st.Unpriced)
		}
	}
	return nil
}

// short shows at most eight decimals of a quantity; the files have them all.
func short(quantity string) string {
	whole, fraction, _ := strings.Cut(quantity, ".")
	if len(fraction) <= 8 {
		return quantity
	}
	return whole + "." + fraction[:8] + "..."
}
