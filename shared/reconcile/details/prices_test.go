package details_test

import (
	"strings"
	"testing"

	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

// commerces is commerce's own meter for the stack's table.
const commerces = "8a913f38-33b4-4772-9488-e89522fc09e5"

func TestPrices(t *testing.T) {
	free := statementRow("1", "0.00") + statementRow("17.75", "0.0000250")
	for name, c := range map[string]struct {
		text, day string
		class     meter.Class
		rate      string // empty: not known
		note      string
	}{
		"of the month":                        {file(), "2019-12-31", meter.Full, "0.000025", "usage details of 2019-12"},
		"of the month before":                 {file(), "2019-11-30", meter.Full, "", "not on the price list on that day"},
		"of the month after":                  {file(), "2020-01-01", meter.Full, "", "not on the price list on that day"},
		"of commerce's meter, by the stack's": {strings.ReplaceAll(strings.ReplaceAll(file(), "Azure Stack,"+table, "Azure Stack,"+commerces), "Hub,"+table, "Hub,"+commerces), "2019-12-10", meter.Full, "0.000025", "usage details of 2019-12"},
		"beside free usage":                   {statementHead + free + dailyHead + dailyRow("2019-12-10", "18.75", info, "usage/1"), "2019-12-10", meter.Full, "0.000025", "usage details of 2019-12"},
		"of free usage":                       {statementHead + free + dailyHead + dailyRow("2019-12-10", "18.75", info, "usage/1"), "2019-12-10", meter.Admin, "0", "admin meter: reported, price zero"},
		"of two rates":                        {statementHead + statementRow("1", "2") + statementRow("1", "3") + dailyHead + dailyRow("2019-12-10", "2", info, "usage/1"), "2019-12-10", meter.Full, "", "the file has several rates of it in the month"},
		"that the file does not have":         {statementHead + statementRow("1", "") + dailyHead + dailyRow("2019-12-10", "1", info, "usage/1"), "2019-12-10", meter.Full, "", "the file has no price of it"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := details.Prices(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			day, err := usage.ParseDay(c.day)
			if err != nil {
				t.Fatal(err)
			}
			p := l.Of(prices.Charge{Day: day, MeterID: table, Class: c.class})
			if p.Known != (c.rate != "") || p.Known && p.Rate.String() != c.rate || p.Note != c.note || l.Currency != "USD" {
				t.Errorf("known %v, rate %s, note %q, currency %s", p.Known, p.Rate, p.Note, l.Currency)
			}
			if c.day == "2019-12-10" && (p.MeterName != "TableCapacity" || p.Unit != "GB*hours") {
				t.Errorf("name %q, unit %q", p.MeterName, p.Unit)
			}
		})
	}
	euro := statementHead + statementRow("1", "2") + strings.Replace(statementRow("1", "3"), "USD", "EUR", 1)
	if _, err := details.Prices(strings.NewReader(euro)); err == nil || !strings.Contains(err.Error(), `amounts in "USD" and "EUR"`) {
		t.Errorf("two currencies: %v", err)
	}
}
