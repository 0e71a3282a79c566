package daybook

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// AskRestate asks for the next revision of a day that was closed, even if its
// inputs are the same, and has everything settled anew: an operator's decision.
// While an earlier request of as much has no answer it stands, and is returned;
// ErrOtherRequest if it is one to carry the day forward or to settle it.
func AskRestate(ctx context.Context, store table.Store, cloudID string, day usage.Day, why reasoned.Decision) (openday.Mark, error) {
	asked, err := AskRevision(ctx, store, cloudID, day, openday.SettleAll, why)
	if err == nil && (asked.CarryTo != "" || asked.Waive) {
		err = fmt.Errorf("restate day %s of %s: %w, of %s: %s; repeat it when that is carried out", day, cloudID, ErrOtherRequest, asked.RestateBy, asked.RestateReason)
	}
	return asked, err
}

// ErrOtherRequest means that a day is about to be carried forward or settled.
var ErrOtherRequest = errors.New("another request is open")

// AskRevision is AskRestate that settles anew as much as settle says.
func AskRevision(ctx context.Context, store table.Store, cloudID string, day usage.Day, settle string, why reasoned.Decision) (openday.Mark, error) {
	asked, err := askRestate(ctx, store, cloudID, day, settle, why)
	if err != nil {
		return asked, fmt.Errorf("restate day %s of %s: %w", day, cloudID, err)
	}
	return asked, nil
}

func askRestate(ctx context.Context, store table.Store, cloudID string, day usage.Day, settle string, why reasoned.Decision) (openday.Mark, error) {
	var asked openday.Mark
	if err := why.Check(); err != nil {
		return asked, err
	}
	asks := openday.Request(why)
	if settle == openday.SettleRegistration {
		asks = openday.Request(why, "settle "+settle)
	}
	asks.Settle = settle
	// The revisions are read anew before each try: a request that was answered
	// in between makes room for this one.
	var readErr error
	err := openday.Update(ctx, store, cloudID, day, func(mark *openday.Mark, exists bool) bool {
		var answered map[string]bool
		if answered, readErr = answeredRequests(ctx, store, cloudID, day); readErr != nil {
			return false
		}
		if mark.Restate != "" && !answered[mark.Restate] && !mark.Widened(settle) {
			asked = *mark
			return false
		}
		mark.Ask(asks, exists)
		asked = *mark
		return true
	})
	if readErr != nil {
		err = readErr
	}
	return asked, err
}

// answeredRequests lists the requests that the day's revisions answer. It fails for a
// day that was never closed: there is nothing to state again.
func answeredRequests(ctx context.Context, store table.Store, cloudID string, day usage.Day) (map[string]bool, error) {
	answered, stated := map[string]bool{}, false
	for r, err := range Revisions(ctx, store, cloudID, day) {
		if err != nil {
			return nil, err
		}
		answered[r.Restate], stated = true, true
	}
	if !stated {
		return nil, fmt.Errorf("it was never closed: %w", table.ErrNotFound)
	}
	return answered, nil
}

// Answering is the request that the next revision answers; nil if it answers
// none. What an operator decided not to bill was stated before: a revision of
// other inputs states it once more, with what is new, and the next one waives what
// is declined of that.
func (c *Closing) Answering() *openday.Mark {
	if c.Request != nil && c.Request.Waive && !c.UpToDate() {
		return nil
	}
	return c.Request
}

// Answer makes a revision the answer to what an operator asked for.
func (c *Closing) Answer(r Revision) Revision {
	if asked := c.Answering(); asked != nil {
		r.Restate, r.Reason, r.By = asked.Restate, asked.RestateReason, asked.RestateBy
		r.CarriedTo, r.Settle = asked.CarryTo, asked.Settle
	}
	return r
}
