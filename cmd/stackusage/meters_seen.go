package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/meter"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// maxSeenDays bounds what seen reads: one partition for each day and stack.
const maxSeenDays = 100

const aboutMetersSeen = `list which stacks and subscriptions used which meters, from table DailyUsage

QUANTITY is the exact sum of what commerce accepted, corrections included. FLAGS
are those of any line: an unknown meter, a deprecated one, a machine on the wrong
one of the base and the Windows meter.`

// seenKey is what is counted as one.
type seenKey struct{ cloudID, meterID, subscription, class string }

// seenMeter is one line of meters seen.
type seenMeter struct {
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

// usageFilter chooses usage by whose it is and when it was.
type usageFilter struct {
	cloudID, meterID, subscription string
	from, to                       usage.Day
}

// flags adds those of meter, subscription and days.
func (f *usageFilter) flags(fs *flag.FlagSet) {
	fs.StringVar(&f.meterID, "meter", "", "only the meter with this `id`, in any form")
	fs.StringVar(&f.subscription, "subscription", "", "only the stack's subscription with this `GUID`")
	dayVar(fs, &f.from, "from", "first `day`, 2019-12-10")
	dayVar(fs, &f.to, "to", fmt.Sprintf("last `day`, itself included; at most %d days at once", maxSeenDays))
}

func seenMeters(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "meters seen", aboutMetersSeen)
	var f usageFilter
	fs.StringVar(&f.cloudID, "cloud-id", "", "only the registration with this `GUID`")
	f.flags(fs)
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	stacks := []string{f.cloudID}
	if f.cloudID == "" {
		if stacks, err = app.stacks(ctx); err != nil {
			return err
		}
	}
	seen := make(map[seenKey]*seenMeter)
	for _, cloudID := range stacks {
		for day := f.from; day <= f.to; day = day.Next() {
			if err := app.see(ctx, cloudID, day, f, seen); err != nil {
				return err
			}
		}
	}
	return printSeen(env, seen, *asJSON)
}

func (f *usageFilter) check() error {
	switch {
	case f.from == 0 || f.to == 0:
		return errors.New("--from and --to are missing: the usage days to look at")
	case f.to < f.from:
		return fmt.Errorf("--to %s is before --from %s", f.to, f.from)
	case f.to-f.from >= maxSeenDays:
		return fmt.Errorf("--from %s --to %s: at most %d days at once", f.from, f.to, maxSeenDays)
	}
	f.meterID, f.subscription = usage.NormalGUID(f.meterID), usage.NormalGUID(f.subscription)
	for name, id := range map[string]string{"--meter": f.meterID, "--subscription": f.subscription} {
		if id != "" && len(id) != 32 {
			return fmt.Errorf("%s %q: not a GUID", name, id)
		}
	}
	if f.cloudID != "" {
		return checkCloudID(f.cloudID)
	}
	return nil
}

// stacks lists the registrations that there ever were.
func (a *app) stacks(ctx context.Context) ([]string, error) {
	books, err := a.registry().Books(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(books))
	for i, b := range books {
		ids[i] = b.CloudID
	}
	return ids, nil
}

// see counts the lines of one usage day of one stack.
func (a *app) see(ctx context.Context, cloudID string, day usage.Day, f usageFilter, seen map[seenKey]*seenMeter) error {
	from, to := "", ""
	if f.subscription != "" {
		from = usage.DashedGUID(f.subscription) + "_"
		to = usage.DashedGUID(f.subscription) + "`" // the character after "_"
	}
	lastDay := make(map[seenKey]bool)
	for row, err := range a.usage.Tables.List(ctx, table.DailyUsage, cloudID+"_"+day.Compact(), from, to) {
		if err != nil {
			return fmt.Errorf("read usage of %s: %w", day, err)
		}
		text := func(column string) string { s, _ := row.Props[column].(string); return s }
		if f.meterID != "" && usage.NormalGUID(text("meterId")) != f.meterID {
			continue
		}
		key := seenKey{cloudID, text("meterId"), text("subscriptionId"), text("meterClass")}
		s := seen[key]
		if s == nil {
			s = &seenMeter{CloudID: key.cloudID, MeterID: key.meterID, Name: text("meterName"), Class: key.class,
				Subscription: key.subscription, First: day.String(), Unit: text("unit")}
			seen[key] = s
		}
		s.Last = day.String()
		s.Lines++
		if !lastDay[key] {
			lastDay[key] = true
			s.Days++
		}
		if flags := text("flags"); flags != "" {
			s.Flags = append(s.Flags, strings.Split(flags, ",")...)
			slices.Sort(s.Flags)
			s.Flags = slices.Compact(s.Flags)
		}
		if answer := text("answer"); answer != "Accepted" && answer != "Duplicate" {
			continue
		}
		q, err := usage.ParseSum(text("quantity"))
		if err != nil {
			return fmt.Errorf("read DailyUsage %s/%s: quantity: %w", row.Partition, row.Key, err)
		}
		s.Quantity = s.Quantity.Add(q)
	}
	return nil
}

func printSeen(env environment, seen map[seenKey]*seenMeter, asJSON bool) error {
	lines := slices.SortedFunc(maps.Values(seen), func(a, b *seenMeter) int {
		return cmp.Or(strings.Compare(a.CloudID, b.CloudID), strings.Compare(a.Name, b.Name), strings.Compare(a.MeterID, b.MeterID),
			strings.Compare(a.Subscription, b.Subscription), strings.Compare(a.Class, b.Class))
	})
	if asJSON {
		return jsonLines(env.stdout, lines)
	}
	w := newListing(env, "CLOUD ID", "METER", "CLASS", "SUBSCRIPTION", "FIRST", "LAST", "DAYS", "LINES", "QUANTITY", "UNIT", "FLAGS")
	for _, l := range lines {
		name := l.Name
		if l.Class == string(meter.Unknown) || name == "" {
			name = l.MeterID
		}
		w.row(l.CloudID, name, l.Class, l.Subscription,
			l.First, l.Last, l.Days, l.Lines, l.Quantity, l.Unit, strings.Join(l.Flags, ","))
	}
	return w.flush("no such usage was billed on those days")
}
