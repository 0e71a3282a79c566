package registration

import "slices"

// RuleNames lists the rows of the table.
func RuleNames() (names []string) {
	for _, r := range slices.Concat(rules, mappingRules, infrastructureRules, providerRules) {
		names = append(names, r.name)
	}
	return names
}
