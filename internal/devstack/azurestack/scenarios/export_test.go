package scenarios

// Amount writes units/per as a stack would.
func Amount(units, per int64) string { return amount{units, per}.String() }
