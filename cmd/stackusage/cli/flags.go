package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// PointOr is usage.Point; empty for nil.
func PointOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return usage.Point(*t)
}

// Known is a time that a column holds; nil if it holds none.
func Known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// value is a flag of a type of our own.
type value struct {
	kind string
	text string
	set  func(text string) error
}

func (v *value) Type() string   { return v.kind }
func (v *value) String() string { return v.text }

func (v *value) Set(text string) error {
	err := v.set(text)
	if err == nil {
		v.text = text
	}
	return err
}

// DayVar adds a flag for a usage day.
func DayVar(cmd *cobra.Command, day *usage.Day, name, about string) {
	cmd.Flags().Var(&value{kind: "day", set: func(text string) (err error) {
		*day, err = usage.ParseDay(text)
		return err
	}}, name, about)
}

// MonthVar adds a flag for a month of usage days.
func MonthVar(cmd *cobra.Command, month *usage.Month, name, about string) {
	cmd.Flags().Var(&value{kind: "month", set: func(text string) (err error) {
		*month, err = usage.ParseMonth(text)
		return err
	}}, name, about)
}

// Today is the usage day that flags default to.
func Today() usage.Day { return usage.HourOf(time.Now()).Day() }

// Range is a range of days; a bound that is zero is open.
type Range struct{ First, Last usage.Day }

// Flags adds --from and --to.
func (r *Range) Flags(cmd *cobra.Command, day string) {
	DayVar(cmd, &r.First, "from", "first "+day+" to include (YYYY-MM-DD, UTC)")
	DayVar(cmd, &r.Last, "to", "last "+day+" to include (YYYY-MM-DD, UTC)")
}

// Check is called after the flags are parsed.
func (r *Range) Check() error {
	if r.Last != 0 && r.Last < r.First {
		return fmt.Errorf("--to %s is before --from %s", r.Last, r.First)
	}
	return nil
}

// Has reports whether a day is in the range.
func (r *Range) Has(day usage.Day) bool {
	return day >= r.First && (r.Last == 0 || day <= r.Last)
}

// HourVar adds a flag for a reported hour, or for a time at which one begins.
func HourVar(cmd *cobra.Command, hour *time.Time, name, about string) {
	cmd.Flags().Var(&value{kind: "hour", set: func(text string) (err error) {
		*hour, err = usage.ParsePoint(text)
		return err
	}}, name, about)
}

// Hour is the reported hour that a command is about.
type Hour struct{ flag usage.HourFlag }

// Flag adds --hour.
func (h *Hour) Flag(cmd *cobra.Command) {
	cmd.Flags().Var(&h.flag, "hour", "reported `hour`, for example 2019-12-10T19:00Z")
}

// Get is the hour, once the flags are parsed.
func (h *Hour) Get() (usage.Hour, error) {
	if h.flag.Hour == nil {
		return 0, errors.New("--hour is missing: the reported hour, for example 2019-12-10T19:00Z")
	}
	return *h.flag.Hour, nil
}

// EnumVar adds a flag that takes one of some values. A list that is empty because of
// a slip would read as all clear.
func EnumVar[T ~string](cmd *cobra.Command, into *T, name, about string, values ...T) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	cmd.Flags().Var(&value{kind: "string", text: string(*into), set: func(text string) error {
		if !slices.Contains(names, text) {
			return fmt.Errorf("want one of %s", strings.Join(names, ", "))
		}
		*into = T(text)
		return nil
	}}, name, about+": "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// ReasonFlags adds --reason and --by. The result is called after the flags are
// parsed.
func ReasonFlags(cmd *cobra.Command, why *reasoned.Decision) func() error {
	cmd.Flags().StringVar(&why.Reason, "reason", "", "`reason` recorded in the audit trail")
	by := ByFlag(cmd, &why.By)
	return func() error {
		if why.Reason == "" {
			return errors.New("--reason is missing: it is recorded for the audit")
		}
		why.At = time.Now()
		return by()
	}
}

// ByFlag adds --by. The result is called after the flags are parsed.
func ByFlag(cmd *cobra.Command, by *string) func() error {
	cmd.Flags().StringVar(by, "by", "", "`operator` recorded in the audit trail (default: the signed-in user)")
	return func() error {
		if *by != "" {
			return nil
		}
		var err error
		if *by, err = SignedIn(); err != nil {
			return fmt.Errorf("--by is missing, and the signed-in user is not known: %w", err)
		}
		return nil
	}
}

// SignedIn is the user who runs the command.
func SignedIn() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return cmp.Or(u.Username, u.Uid), nil
}

// NoteOf is why in the form that registrations keep.
func NoteOf(why reasoned.Decision) registration.Note {
	return registration.Note{By: why.By, Reason: why.Reason}
}

// ConfirmFlag adds --confirm.
func ConfirmFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("confirm", false, "change the registration although closed usage days are affected, and restate these")
}

// CompactOr is a day as rows name it; empty if there is none.
func CompactOr(day usage.Day) string {
	if day == 0 {
		return ""
	}
	return day.Compact()
}
