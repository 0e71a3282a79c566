package usages

import (
	"fmt"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// Values of parameters that are not those of a flag.
const (
	compareNone = "none"
	byChange    = "change"   // of sort
	quantities  = "quantity" // of measure: also where there are amounts
	reloadOff   = "off"
	readAll     = "all" // of open: days without all outcomes are read, however many they are
)

// filters are the parameters that the page is narrowed by.
var filters = []string{"subscription", "tenant", "resource", "meter"}

// question is what the address asks.
type question struct {
	month   usage.Month
	compare usage.Month // 0: none
	by      string      // as the address has it
	dims    []string
}

// parse reads the address. Without a month it is that of the last closed day.
func parse(r *page.Request) (q question, err error) {
	q.by = r.Get("by")
	if q.by == "" {
		q.by = usagereport.Meter
	}
	if q.dims, err = usagereport.ParseDimensions(q.by); err != nil {
		return q, fmt.Errorf("by: %w", err)
	}
	if slices.Contains(q.dims, usagereport.Day) {
		return q, fmt.Errorf("by=%s: the picture has days already; choose another dimension", q.by)
	}
	if text := r.Get("month"); text != "" {
		q.month, err = usage.ParseMonth(text)
	} else {
		q.month, err = lastClosed(r)
	}
	if err != nil {
		return q, err
	}
	switch text := r.Get("compare"); text {
	case "":
		q.compare = before(q.month)
	case compareNone:
	default:
		if q.compare, err = usage.ParseMonth(text); err != nil {
			return q, err
		}
		if q.compare == q.month { // compares nothing
			q.compare = 0
		}
	}
	return q, nil
}

func before(m usage.Month) usage.Month { return usage.MonthOf(m.First() - 1) }

func after(m usage.Month) usage.Month { return usage.MonthOf(m.Last() + 1) }

// lookBack is how many days the last closed day is looked for at first.
const lookBack = 62

// lastClosed is the month of the last closed day; this month, if no day was ever closed.
func lastClosed(r *page.Request) (usage.Month, error) {
	today := usage.HourOf(r.Now).Day()
	args := append([]string{"day", "list"}, r.Flags("registration")...)
	for _, more := range [][]string{{"--from", (today - lookBack).String()}, nil} {
		var last usage.Day
		err := page.Ask(r, func(rows cli.Rows) error {
			for v, err := range rows.All {
				if err != nil {
					return err
				}
				row := v.Row.(days.Row)
				if day, err := usage.ParseDay(row.Day); err == nil && !row.Closed.IsZero() {
					last = max(last, day)
				}
			}
			return nil
		}, append(slices.Clone(args), more...)...)
		if err != nil {
			return 0, err
		}
		if last != 0 {
			return usage.MonthOf(last), nil
		}
	}
	return usage.MonthOf(today), nil
}

// args is the command that answers the question. Of one meter it has the quantities, too.
func (q question) args(r *page.Request) []string {
	by := q.by
	if r.Get("meter") != "" && !slices.Contains(q.dims, usagereport.Meter) {
		by += "," + usagereport.Meter
	}
	return q.command(r, by, q.compare)
}

func (q question) command(r *page.Request, by string, compare usage.Month) []string {
	args := []string{"usage", "--month", q.month.String(), "--by", by}
	if compare != 0 {
		args = append(args, "--compare", compare.String())
		if r.Get("sort") != byChange {
			args = append(args, "--sort", "amount")
		}
	}
	args = append(args, r.Flags(append([]string{"registration"}, filters...)...)...)
	return append(args, r.Prices...)
}

// dimension is a choice of what groups are.
type dimension struct {
	Text, Href string
	Chosen     bool
}

func (q question) dimensions(r *page.Request, registrations int) (all []dimension) {
	names := []string{usagereport.Meter, usagereport.Subscription, usagereport.Resource, usagereport.Tenant}
	if registrations > 1 || q.by == usagereport.Registration {
		names = append(names, usagereport.Registration)
	}
	if !slices.Contains(names, q.by) { // an address that somebody wrote
		names = append(names, q.by)
	}
	for _, name := range names {
		text := strings.ToUpper(name[:1]) + name[1:]
		all = append(all, dimension{text, r.With("by", name, "skip-usage", "", "skip-beside", ""), name == q.by})
	}
	return all
}
