package usagelines

import (
	"context"
	"fmt"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Coverage says how much of a range of usage days the lines of closed days are.
type Coverage struct {
	Days       int             // that the registration's calendar has; also those that have not begun
	Closed     int             // days with a revision
	Incomplete []usage.Day     // of these, whose last revision was closed with hours missing
	Never      []usage.Day     // that have begun, and have no revision: on the calendar, or something came for them
	Open       []openday.Entry // of days that have a revision: the next one is to come, or batches have no outcome
}

// Coverage compares a registration's calendar with its closed and open usage days from
// first to last.
func (r *Reader) Coverage(ctx context.Context, history registration.History, first, last usage.Day, now time.Time) (Coverage, error) {
	// Marks first: a day that is closed meanwhile is shown as open or as closed, never as neither.
	marks, err := openday.List(ctx, r.Tables)
	if err != nil {
		return Coverage{}, err
	}
	closed := map[usage.Day]bool{}
	complete := map[usage.Day]bool{}
	for st, err := range daybook.Entries(ctx, r.Tables, history.CloudID, first, last) {
		if err != nil {
			return Coverage{}, err
		}
		closed[st.Day], complete[st.Day] = true, st.Complete
	}
	c := Coverage{Closed: len(closed)}
	open := map[usage.Day]bool{}
	for _, m := range marks {
		if m.CloudID != history.CloudID || m.Day < first || m.Day > last {
			continue
		}
		open[m.Day] = true
		if closed[m.Day] {
			c.Open = append(c.Open, m)
		}
	}
	for day := first; day <= last; day = day.Next() {
		if closed[day] && !complete[day] {
			c.Incomplete = append(c.Incomplete, day)
		}
		expected := history.ExpectsDay(day.Start())
		if expected {
			c.Days++
		}
		if !closed[day] && (open[day] || expected && !day.Start().After(now)) {
			c.Never = append(c.Never, day)
		}
	}
	return c, nil
}

// WhyOpen says why a day or a revision is open.
func WhyOpen(m openday.Entry) string {
	switch {
	case m.Revision > 0:
		return fmt.Sprintf("records of revision %d have no outcome yet", m.Revision)
	case m.Waive:
		return "it is to be settled"
	case m.CarryTo != "":
		return "it is to be carried to " + usage.ShowDay(m.CarryTo)
	case m.Restate != "":
		return "it is to be restated"
	case m.Declined > 0:
		return fmt.Sprintf("commerce declined records of revision %d: %d", m.DeclinedRevision, m.Declined)
	}
	return "usage is to be added"
}
