package console

import (
	"stackusage/cmd/stackusage/console/calendar"
	"stackusage/cmd/stackusage/console/days"
	"stackusage/cmd/stackusage/console/hours"
	"stackusage/cmd/stackusage/console/lists"
	"stackusage/cmd/stackusage/console/overview"
	"stackusage/cmd/stackusage/console/usages"
)

// pages by their addresses.
var pages = func() map[string]show {
	all := map[string]show{
		"/":         overview.Show,
		"/usage":    usages.Show,
		"/days":     days.Show,
		"/day":      days.ShowDay,
		"/calendar": calendar.Show,
		"/hour":     hours.Hour,
		"/row":      hours.Row,
		"/explain":  days.ShowExplain,
	}
	for _, l := range lists.All {
		all[l.Path] = l.Show
	}
	return all
}()
