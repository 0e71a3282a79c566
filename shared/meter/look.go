package meter

import (
	"cmp"
	"slices"
	"strings"
)

// All is every meter, by service, name and id.
func (c *Catalogue) All() []Meter {
	all := make([]Meter, 0, len(c.byID))
	for _, m := range c.byID {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Meter) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return all
}

// Search finds the meters of which every word of text is part: of the name, the
// service, the unit, or an id (the stack's or commerce's, with or without
// dashes). Case does not matter. Text without words finds all.
func (c *Catalogue) Search(text string) []Meter {
	words := strings.Fields(strings.ToLower(text))
	return slices.DeleteFunc(c.All(), func(m Meter) bool {
		texts := []string{m.Name, m.Service, m.Unit, m.ID, m.CommerceID, m.AdminCommerceID,
			normal(m.ID), normal(m.CommerceID), normal(m.AdminCommerceID)}
		for _, word := range words {
			if !slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), word) }) {
				return true
			}
		}
		return false
	})
}

// traps by meter: what people get wrong about its numbers.
var traps = map[string]string{
	VMHours:                                "Comes beside Base VM Size Hours or Windows VM Size Hours with every machine: adding it to either counts the machine twice.",
	BaseVM:                                 "Windows machines that bring their licence are here, too. A machine counts until it is deallocated; stopping it is not enough.",
	WindowsVM:                              "Its rate includes the base machine: the two are alternatives and never add. Windows images of other publishers are here, too. A machine counts until it is deallocated.",
	"b5c15376-6c94-4fdd-b655-1a69d138aca3": "Unmanaged disks are page blobs: a stopped machine's disk goes on counting here.",
	"190c935e-9ada-48ff-9ab8-56ea1cf9adaa": "Custom worker tiers have meters of their own with generated ids, which no catalogue has.",
	"f271a8a3-88c4-4d93-956a-063e1d2fa80b": addressTrap,
	"9e2739ba-8674-4796-b465-f64674b822ba": addressTrap,
}

const addressTrap = "Stacks write the id without dashes. With the updates 1804 to 1811 all address rows carry one and the same hour."

// unitTraps hold for every other meter of a unit.
var unitTraps = map[string]string{
	"GB*hours":   "Gigabytes times hours, not gigabytes: divide by the hours of the time to get the mean that was stored.",
	"Byte*hours": "Bytes times hours: divide by 1073741824 (2^30) for GB*hours.",
	"MB*hours":   "The size at creation times hours, not what is filled.",
	"Disk*month": "One hour of a disk is one part in the hours of its month: 1/744 in December, 1/720 in November.",
	"GB*month":   "What is written on the disk; the disk itself is charged by the meter of its size beside it.",
	"Disk*hours": "One disk for one hour, whatever is written on it.",
	"Core*hours": "Clusters have multiples of ten cores.",
}

// Trap says what people get wrong about the meter's numbers; "" where nothing
// is known.
func (m Meter) Trap() string {
	trap := cmp.Or(traps[m.ID], unitTraps[m.Unit])
	switch {
	case trap == "" && m.Class == Informational:
		return "For charges of the provider to its tenants: Azure does not bill it."
	case m.Deprecated:
		return strings.TrimSpace("Newer stacks report another meter for the same thing; both at once would count twice. " + trap)
	}
	return trap
}

// Named are the ids, in normal form, that a text stands for: an id of the stack's or of
// commerce, in any form or its first eight digits, or the name of meters in any case.
// An id that is not in the catalogue stands for itself; nil: no meter has the name.
func (c *Catalogue) Named(text string) map[string]bool {
	id := normal(strings.TrimSpace(text))
	ids := map[string]bool{}
	for _, m := range c.byID {
		own := normal(m.ID)
		for _, known := range []string{own, normal(m.CommerceID), normal(m.AdminCommerceID)} {
			if known != "" && (known == id || len(id) >= 8 && strings.HasPrefix(known, id)) {
				ids[own] = true
			}
		}
		if strings.EqualFold(m.Name, strings.TrimSpace(text)) {
			ids[own] = true
		}
	}
	if len(ids) > 0 {
		return ids
	}
	if len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" {
		return map[string]bool{id: true}
	}
	return nil
}
