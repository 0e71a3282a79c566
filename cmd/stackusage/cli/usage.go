package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// maxDays bounds what one command reads: one partition for each day and stack.
const maxDays = 100

// UsageFilter chooses usage by whose it is and when it was.
type UsageFilter struct {
	Registration *Registration
	Range
	MeterID, Subscription string // in normal form, once checked; empty: any
}

// Flags adds the flags of meter, subscription and days.
func (f *UsageFilter) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.MeterID, "meter", "", "only this `meter`: the stack's or commerce's id, in any form, or a name")
	cmd.Flags().StringVar(&f.Subscription, "subscription", "", "only the stack's subscription with this `GUID`")
	DayVar(cmd, &f.First, "from", "first usage `day` to include (YYYY-MM-DD, UTC)")
	DayVar(cmd, &f.Last, "to", fmt.Sprintf("last usage `day` to include (YYYY-MM-DD, UTC; at most %d days at once)", maxDays))
}

// Check is called after the flags are parsed.
func (f *UsageFilter) Check() error {
	if f.First == 0 || f.Last == 0 {
		return errors.New("--from and --to are missing: the usage days to look at")
	}
	if err := f.Range.Check(); err != nil {
		return err
	}
	if f.Last-f.First >= maxDays {
		return fmt.Errorf("--from %s --to %s: at most %d days at once", f.First, f.Last, maxDays)
	}
	if f.Subscription != "" {
		dashed, err := GUID("--subscription", f.Subscription)
		if err != nil {
			return err
		}
		f.Subscription = usage.NormalGUID(dashed)
	}
	if f.MeterID == "" {
		return nil
	}
	ids, err := Meters(f.MeterID)
	if len(ids) > 1 {
		err = fmt.Errorf("--meter %q: %d meters have this name; stackusage meter list --search %q shows their ids", f.MeterID, len(ids), f.MeterID)
	}
	for id := range ids {
		f.MeterID = id
	}
	return err
}

// Meters are the ids of the stack's meters, in normal form, that --meter stands for.
func Meters(text string) (map[string]bool, error) {
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return nil, err
	}
	ids := catalogue.Named(text)
	if len(ids) == 0 {
		return nil, fmt.Errorf("--meter %q: no meter has this id or name; stackusage meter list --search %q", text, text)
	}
	return ids, nil
}
