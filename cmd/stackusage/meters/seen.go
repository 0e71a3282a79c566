package meters

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/meter"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// key is what is counted as one.
type key struct{ cloudID, meterID, subscription, class string }

// Seen is one line of meter seen.
type Seen struct {
	CloudID      string         `json:"cloudId"`
	MeterID      string         `json:"meterId"`
	Name         string         `json:"name"`
	Class        string         `json:"class"`
	Subscription string         `json:"subscriptionId"`
	First        string         `json:"firstUsageDay"`
	Last         string         `json:"lastUsageDay"`
	Days         int            `json:"days"`
	Lines        int            `json:"lines"`
	Quantity     usage.Quantity `json:"quantity"`
	Unit         string         `json:"unit"`
	Flags        []string       `json:"flags,omitempty"`
}

func seen(e *cli.Env) *cobra.Command {
	var f cli.UsageFilter
	cmd := cli.Command("seen", "Sum billed usage by stack, meter and subscription", `Reads table DailyUsage. QUANTITY is the exact sum of what stands in the bill,
corrections included: what commerce accepted and, of a record in conflict, what
commerce stored before. FLAGS are those of any line: an unknown meter, a deprecated
one, a machine on the wrong one of the base and the Windows meter.`, `
stackusage meter seen --from 2019-12-01 --to 2019-12-31
stackusage meter seen --from 2019-12-01 --to 2019-12-31 --meter 9cd92d4c-bafd-4492-b278-bedc2de8232a`, func(ctx context.Context) error {
		if err := f.Check(); err != nil {
			return err
		}
		storage, cloudID, err := f.Registration.Filter(ctx)
		if err != nil {
			return err
		}
		stacks := []string{cloudID}
		if cloudID == "" {
			if stacks, err = allStacks(ctx, storage); err != nil {
				return err
			}
		}
		sums := make(map[key]*Seen)
		for _, cloudID := range stacks {
			for day := f.First; day <= f.Last; day = day.Next() {
				if err := see(ctx, storage.Tables, cloudID, day, f, sums); err != nil {
					return err
				}
			}
		}
		return print(ctx, e, storage, sums)
	})
	f.Registration = e.AnyRegistration(cmd)
	f.Flags(cmd)
	return cmd
}

// allStacks lists the registrations that there ever were.
func allStacks(ctx context.Context, s *cli.Storage) ([]string, error) {
	histories, err := s.Registry().Histories(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(histories))
	for i, b := range histories {
		ids[i] = b.CloudID
	}
	return ids, nil
}

// see counts the lines of one usage day of one stack.
func see(ctx context.Context, tables table.Store, cloudID string, day usage.Day, f cli.UsageFilter, sums map[key]*Seen) error {
	today := make(map[key]bool)
	for b, err := range outbox.BilledLines(ctx, tables, cloudID, day) {
		if err != nil {
			return err
		}
		if f.MeterID != "" && usage.NormalGUID(b.MeterID) != f.MeterID || f.Subscription != "" && usage.NormalGUID(b.SubscriptionID) != f.Subscription {
			continue
		}
		k := key{cloudID, b.MeterID, b.SubscriptionID, b.MeterClass}
		s := sums[k]
		if s == nil {
			s = &Seen{CloudID: k.cloudID, MeterID: k.meterID, Name: b.MeterName, Class: k.class, Subscription: k.subscription, First: day.String(), Unit: b.Unit}
			sums[k] = s
		}
		s.Last = day.String()
		s.Lines++
		if !today[k] {
			today[k] = true
			s.Days++
		}
		s.Quantity = s.Quantity.Add(b.Stands)
		if b.Flags != "" {
			s.Flags = append(s.Flags, strings.Split(b.Flags, ",")...)
			slices.Sort(s.Flags)
			s.Flags = slices.Compact(s.Flags)
		}
	}
	return nil
}

func print(ctx context.Context, e *cli.Env, storage *cli.Storage, sums map[key]*Seen) error {
	lines := slices.SortedFunc(maps.Values(sums), func(a, b *Seen) int {
		return cmp.Or(strings.Compare(a.CloudID, b.CloudID), strings.Compare(a.Name, b.Name), strings.Compare(a.MeterID, b.MeterID),
			strings.Compare(a.Subscription, b.Subscription), strings.Compare(a.Class, b.Class))
	})
	return cli.List(e, cli.Each(lines), cli.Table[*Seen]{
		Head: []string{"REGISTRATION", "METER", "CLASS", "SUBSCRIPTION", "FIRST", "LAST", "DAYS", "LINES", "QUANTITY", "UNIT", "FLAGS"},
		Cells: func(l *Seen) []any {
			name := l.Name
			if l.Class == string(meter.Unknown) || name == "" {
				name = l.MeterID
			}
			return []any{storage.Name(ctx, l.CloudID), name, l.Class, l.Subscription, l.First, l.Last, l.Days, l.Lines, l.Quantity, l.Unit, strings.Join(l.Flags, ",")}
		},
		None: "no such usage was billed on those days",
	})
}
