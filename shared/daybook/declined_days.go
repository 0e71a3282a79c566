package daybook

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// DeclinedDay is what commerce declined of one revision of a usage day. What the
// next revision stated again is none any more.
type DeclinedDay struct {
	CloudID  string
	Day      usage.Day
	Revision int
	Records  int64
	Meters   []DeclinedMeter // in order of billing subscription, name, id and class
	Asked    *openday.Mark   // the request to carry it that no revision has answered; nil if there is none
	Carried  *Revision       // the revision that carried it; nil if none did
}

// DeclinedMeter is the part of one meter and class that one Azure subscription is
// charged: a move to another one is declined of both, and comes to nothing in all.
type DeclinedMeter struct {
	Payer                           string
	MeterID, MeterName, Unit, Class string
	Records                         int64
	Quantity                        usage.Quantity // exact sum of what was sent and does not stand
}

// DeclinedDays lists what commerce declined and was not stated again, of one
// registration or of all (empty cloudID), in order of registration, day and revision.
func DeclinedDays(ctx context.Context, store table.Store, cloudID string) ([]DeclinedDay, error) {
	days, err := declinedDays(ctx, store, cloudID)
	if err != nil {
		return nil, fmt.Errorf("list what commerce declined: %w", err)
	}
	return days, nil
}

func declinedDays(ctx context.Context, store table.Store, cloudID string) (days []DeclinedDay, err error) {
	declined, err := declinedBatches(ctx, store, cloudID)
	if err != nil {
		return nil, err
	}
	marks, err := openday.List(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(declined), func(a, b dayID) int {
		return cmp.Or(cmp.Compare(a.cloudID, b.cloudID), cmp.Compare(a.day, b.day))
	}) {
		var revisions []Revision
		answered := map[string]bool{}
		for r, err := range Revisions(ctx, store, id.cloudID, id.day) {
			if err != nil {
				return nil, err
			}
			revisions, answered[r.Restate] = append(revisions, r), true
		}
		for i, r := range revisions {
			d := DeclinedDay{CloudID: id.cloudID, Day: id.day, Revision: int(r.Number), Records: declined[id][int(r.Number)]}
			if d.Records == 0 {
				continue
			}
			if i+1 < len(revisions) {
				if revisions[i+1].CarriedTo == "" {
					continue // stated again
				}
				d.Carried = &revisions[i+1]
			} else if m := slices.IndexFunc(marks, func(m openday.Entry) bool {
				return m.CloudID == id.cloudID && m.Day == id.day && m.Revision == 0 && m.CarryTo != "" && !answered[m.Restate]
			}); m >= 0 {
				d.Asked = &marks[m].Mark
			}
			if d.Meters, err = declinedMeters(ctx, store, id, r.Number); err != nil {
				return nil, err
			}
			days = append(days, d)
		}
	}
	return days, nil
}

// declinedBatches counts the records that are declined, by day and revision.
func declinedBatches(ctx context.Context, store table.Store, cloudID string) (map[dayID]map[int]int64, error) {
	found := map[dayID]map[int]int64{}
	for b, err := range outbox.All(ctx, store, cloudID) {
		if err != nil {
			return nil, err
		}
		if b.Declined == 0 {
			continue
		}
		id := dayID{b.ID.CloudID, b.ID.Day}
		if found[id] == nil {
			found[id] = map[int]int64{}
		}
		found[id][b.ID.Revision] += b.Declined
	}
	return found, nil
}

func declinedMeters(ctx context.Context, store table.Store, id dayID, revision int64) ([]DeclinedMeter, error) {
	byMeter := map[string]*DeclinedMeter{}
	for have, err := range outbox.BilledLines(ctx, store, id.cloudID, id.day) {
		if err != nil {
			return nil, err
		}
		if have.Revision != revision || have.Stands.Equal(have.Quantity) || have.OutcomeCode == outbox.CodeDecided {
			continue
		}
		key := have.Payer + have.MeterID + have.MeterClass
		m := byMeter[key]
		if m == nil {
			m = &DeclinedMeter{Payer: have.Payer, MeterID: have.MeterID, MeterName: have.MeterName, Unit: have.Unit, Class: have.MeterClass}
			byMeter[key] = m
		}
		m.Records++
		m.Quantity = m.Quantity.Add(have.Quantity.Sub(have.Stands))
	}
	var meters []DeclinedMeter
	for _, m := range byMeter {
		meters = append(meters, *m)
	}
	slices.SortFunc(meters, func(a, b DeclinedMeter) int {
		return cmp.Or(cmp.Compare(a.Payer, b.Payer), cmp.Compare(a.MeterName, b.MeterName), cmp.Compare(a.MeterID, b.MeterID), cmp.Compare(a.Class, b.Class))
	})
	return meters, nil
}

// dayID is a usage day of one registration.
type dayID struct {
	cloudID string
	day     usage.Day
}
