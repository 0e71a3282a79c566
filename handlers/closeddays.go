package handlers

import (
	"context"
	"strings"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// ClosedDays lists the usage days of a registration whose last revision was made
// with reporting on.
func ClosedDays(l *ledger.Ledger) func(ctx context.Context, cloudID string) ([]registration.ClosedDay, error) {
	return func(ctx context.Context, cloudID string) (closed []registration.ClosedDay, err error) {
		last, err := lastRevisions(ctx, l, cloudID)
		for day, revision := range last {
			if revision.Reporting != ledger.ReportingOff {
				closed = append(closed, registration.ClosedDay{Day: day.Compact(), Change: settledBy(revision), Hours: reportedHours(day, revision)})
			}
		}
		return closed, err
	}
}

// lastRevisions is the last revision of each usage day of a registration.
func lastRevisions(ctx context.Context, l *ledger.Ledger, cloudID string) (map[usage.Day]ledger.Revision, error) {
	last := map[usage.Day]ledger.Revision{}
	for st, err := range l.Statements(ctx, cloudID, 0, 0) {
		if err != nil {
			return nil, err
		}
		last[st.Day] = st.Revision
	}
	return last, nil
}

// settledBy is the number of the change of the registration that a revision was
// settled by; -1 if it was settled by none.
func settledBy(r ledger.Revision) int {
	if r.Settlement == "" {
		return -1
	}
	return int(r.Change)
}

// reportedHours are the reported hours of a revision's inputs. Of a list that was
// too long for its column they are all hours of the day and of the next one.
func reportedHours(day usage.Day, r ledger.Revision) (hours []time.Time) {
	if strings.HasPrefix(r.Inputs, "sha256:") {
		for h := day.First(); h < day.Next().Next().First(); h++ {
			hours = append(hours, h.Start())
		}
		return hours
	}
	for input := range strings.SplitSeq(r.Inputs, ",") {
		text, _, _ := strings.Cut(input, "_")
		if h, err := usage.ParseCompactHour(text); err == nil { // else: carried from another day
			hours = append(hours, h.Start())
		}
	}
	return hours
}
