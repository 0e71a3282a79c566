// Package subscribers is what the agent knows of the subscriptions on a stack: from the
// stack's list and from the rows that pass. It is asked where the stack must be asked one
// by one.
package subscribers

import (
	"maps"
	"slices"
	"time"

	"stackusage/shared/usage"
)

// maxSubscriptions bounds what is remembered: rows could name any number.
const maxSubscriptions = 100_000

// goneAfter is how many days after it left the stack's list and had its last row a
// subscription is not asked for any more: usage of deleted ones comes late.
const goneAfter = 60

// Known is what the agent remembers of subscriptions between hours and runs.
type Known struct {
	ReadAt  time.Time             `json:"readAt,omitzero"` // when the stack was asked for the tenants
	Tenants map[string]string     `json:"tenants"`         // directory tenants, last known
	Seen    map[string]usage.Hour `json:"seen"`            // the last day in the list or with a row, by its first hour; lower case with dashes

	Fresh bool `json:"-"` // there is more than the note has
}

// Add notes that a subscription was in the list, or had a row, at that time.
func (s *Known) Add(id string, at usage.Hour) {
	day := at.Day().First()
	if usage.CheckGUID(id) != nil { // it would be refused, and with it the hour that it is asked for
		return
	}
	if was, ok := s.Seen[id]; !ok && len(s.Seen) >= maxSubscriptions || ok && was >= day {
		return
	}
	s.Seen[id], s.Fresh = day, true
}

// List is every subscription to ask for where the whole stack cannot be: seen up to
// 60 days before the hour, or given as the stack's own. Each is in it once, however
// it was spelled, or its rows would come twice.
func (s *Known) List(h usage.Hour, own []string) []string {
	all := map[string]bool{}
	for id, day := range s.Seen {
		if day+goneAfter*24 >= h {
			all[id] = true
		}
	}
	for _, id := range own {
		if usage.CheckGUID(id) == nil {
			all[usage.DashedGUID(id)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Leave forgets those that are not listed and were seen too long before an hour.
func (s *Known) Leave(listed map[string]string, h usage.Hour) {
	maps.DeleteFunc(s.Seen, func(id string, day usage.Hour) bool {
		_, is := listed[id]
		return !is && day+goneAfter*24 < h
	})
}
