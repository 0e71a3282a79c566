package daybook

import (
	"context"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// ClosedDays lists the usage days of a registration whose last revision was made
// with reporting on.
func ClosedDays(ctx context.Context, store table.Store, cloudID string) (closed []registration.ClosedDay, err error) {
	last, err := LastRevisions(ctx, store, cloudID)
	if err != nil {
		return nil, err
	}
	for day, revision := range last {
		if revision.Reporting == daily.ReportingOff {
			continue
		}
		hours, err := reportedHours(ctx, store, cloudID, day, revision)
		if err != nil {
			return nil, err
		}
		closed = append(closed, registration.ClosedDay{Day: day.Compact(), Change: revision.SettledBy(), Hours: hours})
	}
	return closed, nil
}

// LastRevisions is the last revision of each usage day of a registration.
func LastRevisions(ctx context.Context, store table.Store, cloudID string) (map[usage.Day]Revision, error) {
	last := map[usage.Day]Revision{}
	for st, err := range Entries(ctx, store, cloudID, 0, 0) {
		if err != nil {
			return nil, err
		}
		last[st.Day] = st.Revision
	}
	return last, nil
}

// SettledBy is the number of the change of the registration that a revision was
// settled by; -1 if it was settled by none.
func (r Revision) SettledBy() int {
	if r.Settlement == "" {
		return -1
	}
	return int(r.Change)
}

// reportedHours are the reported hours of a revision's inputs. Of a list that was too
// long for its column they are those of all inputs of the day, also of such as do not
// count any more: an hour may be reported at any time after its usage.
func reportedHours(ctx context.Context, store table.Store, cloudID string, day usage.Day, r Revision) (hours []time.Time, err error) {
	if strings.HasPrefix(r.Inputs, "sha256:") {
		inputs, err := openday.Inputs(ctx, store, cloudID, day)
		for _, in := range inputs {
			hours = append(hours, in.Hour.Start())
		}
		return hours, err
	}
	for input := range strings.SplitSeq(r.Inputs, ",") {
		text, _, _ := strings.Cut(input, "_")
		if h, err := usage.ParseCompactHour(text); err == nil { // else: carried from another day
			hours = append(hours, h.Start())
		}
	}
	return hours, nil
}
