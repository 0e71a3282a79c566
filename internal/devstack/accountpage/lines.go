package accountpage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// lineView is a line of the bill.
type lineView struct {
	Meter, ID, Class, Quantity, Unit, Rate, Amount, Note string
	amount                                               *apd.Decimal // nil: no price is known
}

// charged reports whether the line adds to the total.
func (l lineView) charged() bool { return l.amount != nil && !l.amount.IsZero() }

// linesOf parts the lines of a statement: those that are charged, the dearest first, and the
// rest. A line that has no price stands before those that are free.
func linesOf(lines []billLine) (charged, rest []lineView, err error) {
	for _, l := range lines {
		v := lineView{Meter: meterText(l.MeterSubCategory, l.MeterName), ID: l.MeterID, Class: l.MeterClass, Quantity: l.Quantity, Unit: l.Unit,
			Rate: l.Rate, Amount: l.Amount, Note: l.Note}
		if l.Rate == "" {
			v.Rate, v.Amount = "not known", "not priced"
		} else if v.amount, err = number(l.Amount); err != nil {
			return nil, nil, err
		}
		if v.charged() {
			charged = append(charged, v)
		} else {
			rest = append(rest, v)
		}
	}
	slices.SortStableFunc(charged, func(a, b lineView) int { return cmp.Or(b.amount.Cmp(a.amount), strings.Compare(a.Meter, b.Meter)) })
	slices.SortStableFunc(rest, byClass)
	return charged, rest, nil
}

// byClass orders lines without an amount for reading.
func byClass(a, b lineView) int {
	priced := func(l lineView) int {
		if l.amount == nil {
			return 0
		}
		return 1
	}
	class := func(l lineView) int {
		return slices.Index([]string{"full", "unknown", "informational", "admin"}, l.Class)
	}
	return cmp.Or(cmp.Compare(priced(a), priced(b)), cmp.Compare(class(a), class(b)), strings.Compare(a.Meter, b.Meter))
}
