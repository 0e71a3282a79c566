package closeddays

import (
	"context"
	"fmt"
	"os"
	"slices"

	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// CloseMany closes the first days of a month with so many resources of 200 subscriptions,
// for benchmarks: each resource has three or four meters a day, 1,000,020 lines for 10,000
// resources and 30 days. The days cannot be closed again.
func (s *Stack) CloseMany(ctx context.Context, m usage.Month, days, resources int) error {
	for day := m.First(); day < m.First()+usage.Day(days); day++ {
		if err := s.closeMany(ctx, day, resources); err != nil {
			return err
		}
		s.rows, s.files, s.into = nil, nil, nil // they would keep all days in memory
	}
	return nil
}

func (s *Stack) closeMany(ctx context.Context, day usage.Day, resources int) error {
	file, err := os.CreateTemp(s.TempDir, "partial")
	if err != nil {
		return err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }() // of a test
	if _, err := daily.WritePartial(file, daily.PartialHeader{CloudID: s.CloudID, UsageDay: day}, many(day, resources)); err != nil {
		return err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return err
	}
	partial, err := daily.OpenPartial(file)
	if err != nil {
		return err
	}
	return s.Close(ctx, day, Revision{Sums: partial.Sums(), FewRows: true})
}

func many(day usage.Day, resources int) func(yield func(daily.Sum, error) bool) {
	meters := []string{"b4438d5d-453b-4ee1-b42a-dc72e377f1e4", meter.BaseVM, meter.WindowsVM, "f271a8a3-88c4-4d93-956a-063e1d2fa80b"} // and table transactions, static addresses
	slices.Sort(meters)
	return func(yield func(daily.Sum, error) bool) {
		for i := range resources {
			sub := fmt.Sprintf("%08x-1111-4111-8111-111111111111", i/max(resources/200, 1))
			uri := fmt.Sprintf("/subscriptions/%s/resourceGroups/group-%04d/providers/Microsoft.Compute/virtualMachines/Machine-%07d", sub, i/20, i)
			for k, id := range meters {
				if k == 3 && i%3 > 0 {
					continue
				}
				quantity, err := usage.ParseQuantity(fmt.Sprintf("%d.%015d", 1+i%24, int64(i)*int64(day)*7919%999_999_999_999_999))
				if err != nil || !yield(daily.Sum{Shown: usage.Shown{SubscriptionID: sub, MeterID: id, ResourceURI: uri, Tags: fmt.Sprintf(`{"dept":"d%02d","env":"prod"}`, i%40)}, Quantity: quantity, Rows: 24, Hours: 1}, err) {
					return
				}
			}
		}
	}
}
