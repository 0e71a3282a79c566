package decisions

import (
	"fmt"
	"strings"

	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/reasoned"
	"stackusage/shared/review"
	"stackusage/shared/usage"
)

// days reads requests for a revision. The row of the revision that answers one does not
// say when it was made, so the decision is as old as the revision; while the day's mark
// has the request, too, it is as old as that.
func (r *run) days() error {
	marks, err := openday.List(r.ctx, r.tables)
	if err != nil {
		return err
	}
	open := map[string]openday.Entry{} // by cloudId, day and request
	for _, m := range marks {
		if m.Revision == 0 && m.Restate != "" && (r.q.CloudID == "" || m.CloudID == r.q.CloudID) {
			open[request(m.CloudID, m.Day, m.Restate)] = m
		}
	}
	for s, err := range daybook.Requested(r.ctx, r.tables, r.q.CloudID) {
		if err != nil {
			return err
		}
		d := Decision{Decision: reasoned.Decision{By: s.By, Reason: s.Reason, At: s.ClosedAt}, CloudID: s.CloudID, Day: s.Day, Revision: int(s.Number)}
		key := request(s.CloudID, s.Day, s.Restate)
		if m, is := open[key]; is {
			d.At = m.RestateAt
			delete(open, key)
		}
		r.addRequest(d, s.Settle, s.CarriedTo, s.Waived > 0)
	}
	for _, m := range open {
		d := Decision{Decision: reasoned.Decision{By: m.RestateBy, Reason: m.RestateReason, At: m.RestateAt}, CloudID: m.CloudID, Day: m.Day, Open: true}
		r.addRequest(d, m.Settle, m.CarryTo, m.Waive)
	}
	return nil
}

func request(cloudID string, day usage.Day, name string) string {
	return cloudID + " " + day.Compact() + " " + name
}

// addRequest adds a request of an operator. Sweep asks for less than a restatement, in the
// name of who changed the registration.
func (r *run) addRequest(d Decision, settle, carryTo string, waive bool) {
	switch {
	case carryTo != "":
		d.Kind, d.Detail = DayCarryForward, "to "+usage.ShowDay(carryTo)
	case settle == openday.SettleAll:
		d.Kind = DayRestate
	case settle == openday.SettleNothing && waive:
		d.Kind = DaySettle
	default:
		return
	}
	r.add(d)
}

// confirmed reads settlements that stay valid.
func (r *run) confirmed() error {
	all, err := review.Confirmations(r.ctx, r.tables, r.q.CloudID)
	var last *Decision
	observations := 0
	flush := func() {
		if last != nil {
			last.Detail = fmt.Sprintf("%d observations differ", observations)
			if observations == 1 {
				last.Detail = "1 observation differs"
			}
			r.add(*last)
		}
		last, observations = nil, 0
	}
	for _, c := range all {
		if last == nil || last.CloudID != c.CloudID || last.Day != c.Day || last.Decision != c.Decision {
			flush()
			last = &Decision{Decision: c.Decision, Kind: FindingConfirm, CloudID: c.CloudID, Day: c.Day}
		}
		observations += len(c.Observations)
	}
	flush()
	return err
}

// batches reads batches that were settled, or tried at once.
func (r *run) batches() error {
	for b, err := range outbox.Decided(r.ctx, r.tables, r.q.CloudID, r.q.Since) {
		if err != nil {
			return err
		}
		about := Decision{CloudID: b.ID.CloudID, Day: b.ID.Day, Revision: b.ID.Revision, Batch: b.ID.Number}
		all, err := b.Decisions()
		if err != nil {
			return fmt.Errorf("batch %s: %w", b.ID, err)
		}
		for i, d := range all {
			about.Kind, about.Decision, about.Detail = BatchSettle, d.Decision, strings.TrimPrefix(d.What, "settle ")
			about.Open = i == len(all)-1 && b.State != outbox.BatchDone
			r.add(about)
		}
		if b.RetriedBy != "" {
			about.Kind, about.Detail, about.Open = BatchRetry, "", false
			about.Decision = reasoned.Decision{By: b.RetriedBy, Reason: b.RetryReason, At: b.RetriedAt}
			r.add(about)
		}
	}
	return nil
}
