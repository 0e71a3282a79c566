package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/shared/usage"
)

// maxDays bounds what one command reads: one partition for each day and stack.
const maxDays = 100

// UsageFilter chooses usage by whose it is and when it was.
type UsageFilter struct {
	Registration *Registration
	Range
	MeterID, Subscription string // without dashes
}

// Flags adds the flags of meter, subscription and days.
func (f *UsageFilter) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.MeterID, "meter", "", "only the meter with this `id`, in any form")
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
	for name, id := range map[string]*string{"--meter": &f.MeterID, "--subscription": &f.Subscription} {
		if *id == "" {
			continue
		}
		dashed, err := GUID(name, *id)
		if err != nil {
			return err
		}
		*id = usage.NormalGUID(dashed)
	}
	return nil
}
