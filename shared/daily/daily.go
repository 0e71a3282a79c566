// Package daily adds usage up per UTC day and states it as daily records.
//
//	rows of an hour -> Aggregator -> partials, one per usage day   (sorted by key, spills to disk)
//	partials of a day -> Merge -> sums -> Rules.Record -> daily file, batches
//
// Everything is sorted by key, so that closing a day is a streaming merge whose
// memory does not grow with the day. Goroutines read partials ahead, a few lines of
// each; another compresses what is written, one block behind; a third stores batches,
// one behind. What is written depends on none of them. All sums are exact, hence independent of
// the order of rows and of how they were grouped.
package daily

import (
	"cmp"

	"stackusage/shared/usage"
)

// Sum is the exact total of the rows of one key in one hour of a usage day, or
// in several: who pays and what is free may change between two hours.
type Sum struct {
	usage.Shown
	Quantity usage.Quantity `json:"quantity"`
	Hours    usage.HourSet  `json:"hours"` // which hours of the day carried usage
	Rows     int64          `json:"rows"`  // how many rows of the usage API are in it

	Day usage.Day `json:"-"`
	key usage.Key
}

// FirstHour is the first hour of the day that carried usage.
func (s Sum) FirstHour() usage.Hour {
	if list := s.Hours.Hours(); len(list) > 0 {
		return s.Day.First() + usage.Hour(list[0])
	}
	return s.Day.First()
}

// Key is the normal form of what the sum is of.
func (s Sum) Key() usage.Key { return *s.normal() }

// normal is Key, which is made once.
func (s *Sum) normal() *usage.Key {
	if s.key == (usage.Key{}) {
		s.key = s.Shown.Key()
	}
	return &s.key
}

// add reads another sum of the same key and day.
func (s *Sum) add(t Sum) {
	s.Shown = s.Shown.Least(t.Shown)
	s.Quantity = s.Quantity.Add(t.Quantity)
	s.Hours |= t.Hours
	s.Rows += t.Rows
}

// compare orders sums by day, then by key, then by hour.
func compare(s, t *Sum) int {
	if order := compareKeys(s, t); order != 0 {
		return order
	}
	return cmp.Compare(s.Hours, t.Hours)
}

// compareKeys orders sums by day, then by key.
func compareKeys(s, t *Sum) int {
	if order := cmp.Compare(s.Day, t.Day); order != 0 {
		return order
	}
	return usage.CompareKeys(s.normal(), t.normal())
}
