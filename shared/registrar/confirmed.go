package registrar

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/registration"
)

// confirmed refuses a change that reaches closed days until it is confirmed.
func (g *Registrar) confirmed(ctx context.Context, before, after registration.History) error {
	if g.Confirmed || g.Closed == nil {
		return nil
	}
	closed, err := g.Closed(ctx, before.CloudID)
	if err != nil {
		return err
	}
	var days []string
	for _, d := range closed {
		if d.Reached(before, after, g.Grace) {
			days = append(days, d.Day)
		}
	}
	if len(days) == 0 {
		return nil
	}
	slices.Sort(days)
	return &registration.Rejection{Code: "ClosedDaysAffected", Kind: registration.Clash, Message: fmt.Sprintf("the change reaches %d closed usage days: %s; they are restated, and what was billed for them is corrected. "+
		"Repeat the change with --confirm (in the API: confirm=true) to make it", len(days), ranges(days))}
}

// ranges writes ascending days, those that follow each other as one range.
func ranges(days []string) string {
	var texts []string
	for len(days) > 0 {
		n := 1
		for n < len(days) && registration.DayTime(days[n-1]).AddDate(0, 0, 1).Equal(registration.DayTime(days[n])) {
			n++
		}
		text := registration.DayTime(days[0]).Format(time.DateOnly)
		if n > 1 {
			text += " to " + registration.DayTime(days[n-1]).Format(time.DateOnly)
		}
		texts, days = append(texts, text), days[n:]
	}
	return strings.Join(texts, ", ")
}
