package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// ExpiredDay is what commerce let expire of one revision of a usage day. What
// the next revision stated again is none any more.
type ExpiredDay struct {
	CloudID  string
	Day      usage.Day
	Revision int
	Records  int64
	Meters   []ExpiredMeter // in order of name and id
	Asked    *OpenDay       // the request to carry it that no revision has answered; nil if there is none
	Carried  *Revision      // the revision that carried it; nil if none did
}

// ExpiredMeter is the part of one meter.
type ExpiredMeter struct {
	MeterID, MeterName, Unit string
	Records                  int64
	Quantity                 usage.Quantity // exact sum of the records
}

// ExpiredDays lists what expired and was not stated again, of one registration
// or of all (empty cloudID), in order of registration, day and revision.
func (l *Ledger) ExpiredDays(ctx context.Context, cloudID string) ([]ExpiredDay, error) {
	days, err := l.expiredDays(ctx, cloudID)
	if err != nil {
		return nil, fmt.Errorf("list what expired: %w", err)
	}
	return days, nil
}

func (l *Ledger) expiredDays(ctx context.Context, cloudID string) (days []ExpiredDay, err error) {
	expired, err := l.expiredBatches(ctx, cloudID)
	if err != nil {
		return nil, err
	}
	marks, err := l.OpenMarks(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(expired), func(a, b dayID) int {
		return cmp.Or(cmp.Compare(a.cloudID, b.cloudID), cmp.Compare(a.day, b.day))
	}) {
		var revisions []Revision
		answered := map[string]bool{}
		for r, err := range l.RevisionsOf(ctx, id.cloudID, id.day) {
			if err != nil {
				return nil, err
			}
			revisions, answered[r.Restate] = append(revisions, r), true
		}
		for i, r := range revisions {
			d := ExpiredDay{CloudID: id.cloudID, Day: id.day, Revision: int(r.Number), Records: expired[id][int(r.Number)]}
			if d.Records == 0 {
				continue
			}
			if i+1 < len(revisions) {
				if revisions[i+1].CarriedTo == "" {
					continue // stated again
				}
				d.Carried = &revisions[i+1]
			} else if m := slices.IndexFunc(marks, func(m OpenMark) bool {
				return m.CloudID == id.cloudID && m.Day == id.day && m.Revision == 0 && m.CarryTo != "" && !answered[m.Restate]
			}); m >= 0 {
				d.Asked = &marks[m].OpenDay
			}
			if d.Meters, err = l.expiredMeters(ctx, id, r.Number); err != nil {
				return nil, err
			}
			days = append(days, d)
		}
	}
	return days, nil
}

// expiredBatches counts the records that expired, by day and revision.
func (l *Ledger) expiredBatches(ctx context.Context, cloudID string) (map[dayID]map[int]int64, error) {
	found := map[dayID]map[int]int64{}
	for row, err := range l.Store.List(ctx, table.UsageBatches, "", "", "") {
		if err != nil {
			return nil, err
		}
		n, _ := row.Props["expired"].(int64)
		if n == 0 {
			continue
		}
		var id dayID
		if id.cloudID, id.day, err = splitDay(row.Partition); err != nil {
			return nil, err
		}
		if cloudID != "" && id.cloudID != cloudID {
			continue
		}
		text, _, _ := strings.Cut(row.Key, "_")
		revision, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("batch %s/%s: %w", row.Partition, row.Key, err)
		}
		if found[id] == nil {
			found[id] = map[int]int64{}
		}
		found[id][revision] += n
	}
	return found, nil
}

func (l *Ledger) expiredMeters(ctx context.Context, id dayID, revision int64) ([]ExpiredMeter, error) {
	byMeter := map[string]*ExpiredMeter{}
	for row, err := range l.Store.List(ctx, table.DailyUsage, id.partition(), "", "") {
		var have line
		if err == nil {
			err = table.Decode(row.Props, &have)
		}
		if err != nil {
			return nil, err
		}
		if have.Answer != "Expired" || have.Revision != revision {
			continue
		}
		quantity, err := usage.ParseSum(have.Quantity)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", have.RecordID, err)
		}
		m := byMeter[have.MeterID]
		if m == nil {
			m = &ExpiredMeter{MeterID: have.MeterID, MeterName: have.MeterName, Unit: have.Unit}
			byMeter[have.MeterID] = m
		}
		m.Records++
		m.Quantity = m.Quantity.Add(quantity)
	}
	var meters []ExpiredMeter
	for _, m := range byMeter {
		meters = append(meters, *m)
	}
	slices.SortFunc(meters, func(a, b ExpiredMeter) int {
		return cmp.Or(cmp.Compare(a.MeterName, b.MeterName), cmp.Compare(a.MeterID, b.MeterID))
	})
	return meters, nil
}
