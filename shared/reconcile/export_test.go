package reconcile

import (
	"stackusage/shared/usage"
)

// Account is the book of one meter, for tests that fill it by themselves.
type Account struct{ books books }

var theMeter = meterKey{meter: "b4438d5d453b4ee1b42adc72e377f1e4"}

// NewAccount is an empty one.
func NewAccount() Account { return Account{books{}} }

// Row is a row that counts, as readHours enters it.
func (a Account) Row(used, reported usage.Hour, q usage.Quantity) {
	add(a.books.of(theMeter).stack, reported, q)
	add(a.books.of(theMeter).counted, delay{used, reported}, q)
}

// Refused is a row that does not.
func (a Account) Refused(reported usage.Hour, q usage.Quantity) {
	add(a.books.of(theMeter).stack, reported, q)
	a.books.enter(theMeter, reported.Day(), Quarantined, "QuantityNegative", neg(q))
}

// Enter is any other cause.
func (a Account) Enter(day usage.Day, kind Kind, q usage.Quantity) {
	a.books.enter(theMeter, day, kind, "", q)
}

// Bill adds to what the bill says of a day.
func (a Account) Bill(day usage.Day, q usage.Quantity) { add(a.books.of(theMeter).bill, day, q) }

// BillAdmin is Bill of the stack's own usage.
func (a Account) BillAdmin(day usage.Day, q usage.Quantity) {
	add(a.books.of(meterKey{theMeter.meter, true}).bill, day, q)
}

// Draw makes the lines, those of the stack's own usage last.
func (a Account) Draw(from, to usage.Day) []Line {
	a.books.reclassify(from, to)
	lines := a.books.of(theMeter).draw(from, to)
	return append(lines, a.books.of(meterKey{theMeter.meter, true}).draw(from, to)...)
}

// Measure reads of a rejected row what the stack would count.
func Measure(line []byte) (meter, subscription string, q usage.Quantity, ok bool) {
	return measure(line)
}
