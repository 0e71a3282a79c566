package registration

// RuleNames lists the rows of the table.
func RuleNames() (names []string) {
	for _, r := range append(append([]rule(nil), rules...), mappingRules...) {
		names = append(names, r.name)
	}
	return names
}
