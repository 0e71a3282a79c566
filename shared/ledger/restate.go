package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Reasoned is who decided something, why and when. Every decision has one.
type Reasoned struct {
	By, Reason string
	At         time.Time
}

// Check keeps a decision's texts within what a row can hold, and fit for one
// line: they are read in tables and lists.
func (r Reasoned) Check() error {
	for name, text := range map[string]string{"reason": r.Reason, "name of who decides": r.By} {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("the %s is missing: it is recorded for the audit", name)
		}
		if len(text) > 1000 {
			return fmt.Errorf("the %s has %d bytes; at most 1000 are kept", name, len(text))
		}
		for _, r := range text {
			if r < ' ' || r == 0x7f {
				return fmt.Errorf("the %s holds a line break or another control character", name)
			}
		}
	}
	return nil
}

// What a request has settled anew of who pays and what is free.
const (
	SettleAll          = "all"          // everything, the catalogue of meters too: an operator's decision
	SettleRegistration = "registration" // what the registration says; tenants and catalogue stay
	SettleNothing      = ""
)

// settles orders what requests settle: who asks for more takes the place of who
// asked for less and has no answer yet.
var settles = []string{SettleNothing, SettleRegistration, SettleAll}

// AskRestate asks for the next revision of a day that was closed, even if its
// inputs are the same, and has everything settled anew: an operator's decision.
// While an earlier request of as much has no answer it stands, and is returned;
// ErrOtherRequest if it is one to carry the day forward or to settle it.
func (l *Ledger) AskRestate(ctx context.Context, cloudID string, day usage.Day, why Reasoned) (OpenDay, error) {
	asked, err := l.AskRevision(ctx, cloudID, day, SettleAll, why)
	if err == nil && (asked.CarryTo != "" || asked.Waive) {
		err = fmt.Errorf("restate day %s of %s: %w, of %s: %s; repeat it when that is carried out", day, cloudID, ErrOtherRequest, asked.RestateBy, asked.RestateReason)
	}
	return asked, err
}

// ErrOtherRequest means that a day is about to be carried forward or settled.
var ErrOtherRequest = errors.New("another request is open")

// AskRevision is AskRestate that settles anew as much as settle says.
func (l *Ledger) AskRevision(ctx context.Context, cloudID string, day usage.Day, settle string, why Reasoned) (OpenDay, error) {
	asked, err := l.askRestate(ctx, cloudID, day, settle, why)
	if err != nil {
		return asked, fmt.Errorf("restate day %s of %s: %w", day, cloudID, err)
	}
	return asked, nil
}

func (l *Ledger) askRestate(ctx context.Context, cloudID string, day usage.Day, settle string, why Reasoned) (OpenDay, error) {
	var asked OpenDay
	if err := why.Check(); err != nil {
		return asked, err
	}
	asks := request(why)
	if settle == SettleRegistration {
		asks = request(why, "settle "+settle)
	}
	asks.Settle = settle
	// The revisions are read anew before each try: a request that was answered
	// in between makes room for this one.
	var readErr error
	err := l.updateMark(ctx, cloudID, day, func(mark *OpenDay, exists bool) bool {
		var answered map[string]bool
		if answered, readErr = l.answered(ctx, cloudID, day); readErr != nil {
			return false
		}
		if mark.Restate != "" && !answered[mark.Restate] && !mark.widened(settle) {
			asked = *mark
			return false
		}
		mark.ask(asks, exists)
		asked = *mark
		return true
	})
	if readErr != nil {
		err = readErr
	}
	return asked, err
}

// request is what a decision leaves in a day's mark; more makes its name that of
// another request for the same reason.
func request(why Reasoned, more ...string) OpenDay {
	at := table.UTC(why.At)
	text := strings.Join(append([]string{at.Format(time.RFC3339), why.By, why.Reason}, more...), "\n")
	return OpenDay{Restate: fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16], RestateReason: why.Reason, RestateBy: why.By, RestateAt: at}
}

// widened reports whether a request that settles so much takes the place of the
// one in the mark. One that carries the day forward or settles it is never replaced.
func (m *OpenDay) widened(settle string) bool {
	return m.CarryTo == "" && !m.Waive && slices.Index(settles, settle) > slices.Index(settles, m.Settle)
}

// ask puts a request into a mark.
func (m *OpenDay) ask(request OpenDay, exists bool) {
	if !exists {
		m.Since, m.LastLanding = request.RestateAt, request.RestateAt
	}
	m.Restate, m.RestateReason, m.RestateBy, m.RestateAt = request.Restate, request.RestateReason, request.RestateBy, request.RestateAt
	m.CarryTo, m.Waive, m.Settle = request.CarryTo, request.Waive, request.Settle
}

// answered lists the requests that the day's revisions answer. It fails for a
// day that was never closed: there is nothing to state again.
func (l *Ledger) answered(ctx context.Context, cloudID string, day usage.Day) (map[string]bool, error) {
	answered, stated := map[string]bool{}, false
	for r, err := range l.RevisionsOf(ctx, cloudID, day) {
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
func (c *Closing) Answering() *OpenDay {
	if c.Request != nil && c.Request.Waive && !c.States() {
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
