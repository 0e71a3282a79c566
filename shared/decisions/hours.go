package decisions

import (
	"fmt"

	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/usage"
)

// fileKinds are the kinds of decisions about a file. A file that another one replaced has
// a decision too, which is the other one's.
var fileKinds = map[hourlog.Decision]Kind{
	hourlog.DecisionKeep: HourKeep, hourlog.DecisionSupersede: HourSupersede, hourlog.DecisionWithdrawn: HourWithdraw,
	hourlog.DecisionExclude: HourExclude, hourlog.DecisionReingest: HourReingest, hourlog.DecisionRedrive: QuarantineRedrive,
}

// files reads decisions about files of reported hours.
func (r *run) files() error {
	for h, err := range hourlog.Decided(r.ctx, r.tables, r.q.CloudID, r.q.Since) {
		if err != nil {
			return err
		}
		all, err := h.Decisions()
		if err != nil {
			return fmt.Errorf("hour %s: %w", h.ID, err)
		}
		for i, d := range all {
			kind, is := fileKinds[hourlog.Decision(d.What)]
			// A redrive of a row that was dismissed meanwhile is withdrawn in its own name.
			undone := kind == HourWithdraw && i > 0 && d.By == all[i-1].By && d.At.Equal(all[i-1].At)
			if !is || byApp(d.Decision) || undone {
				continue
			}
			last := i == len(all)-1 && h.Decision != ""
			r.add(Decision{Decision: d.Decision, Kind: kind, CloudID: h.ID.CloudID, Hours: &Hours{First: h.ID.Hour, Last: h.ID.Hour, SHA16: h.ID.SHA16},
				Open: last && (h.TakesOver() || h.Leaves() || h.AwaitsReingest())})
		}
	}
	return nil
}

// row is a rejected row, whichever corrected blobs have copies of it.
type row struct {
	cloudID string
	hour    usage.Hour
	line    int64
}

// dismissed reads dismissals. What one person dismissed of an hour for one reason at a
// moment is one decision.
func (r *run) dismissed() error {
	type about struct {
		cloudID    string
		hour       usage.Hour
		by, reason string
		at         int64
	}
	seen, groups := map[row]about{}, map[about]*Decision{}
	var order []*Decision
	for q, err := range hourlog.DismissedSince(r.ctx, r.tables, r.q.CloudID, r.q.Since) {
		if err != nil {
			return err
		}
		key := about{q.ID.CloudID, q.ID.Hour, q.DecidedBy, q.DecisionReason, q.DecidedAt.Unix()}
		one := row{q.ID.CloudID, q.ID.Hour, q.Line}
		if seen[one] == key { // a copy
			continue
		}
		seen[one] = key
		d := groups[key]
		if d == nil {
			d = &Decision{Kind: QuarantineDismiss, CloudID: key.cloudID, Hours: &Hours{First: key.hour, Last: key.hour, SHA16: q.ID.SHA16, Line: q.Line}}
			d.By, d.Reason, d.At = q.DecidedBy, q.DecisionReason, q.DecidedAt
			groups[key], order = d, append(order, d)
		}
		d.Hours.Rows++
		d.Hours.Line = min(d.Hours.Line, q.Line)
	}
	for _, d := range order {
		r.add(*d)
	}
	return nil
}

// acceptedMissing reads hours that will never come.
func (r *run) acceptedMissing() error {
	all, err := calendar.Acceptances(r.ctx, r.tables, r.q.CloudID)
	for _, a := range all {
		r.add(Decision{Decision: a.Decision, Kind: HourAcceptMissing, CloudID: a.CloudID, Hours: &Hours{First: a.First, Last: a.Last},
			Detail: fmt.Sprintf("%d missing", a.Missing)})
	}
	return err
}
