package openday

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// What a request has settled anew of who pays and what is free.
const (
	SettleAll          = "all"          // everything, the catalogue of meters too: an operator's decision
	SettleRegistration = "registration" // what the registration says; tenants and catalogue stay
	SettleNothing      = ""
)

// settles orders what requests settle: who asks for more takes the place of who
// asked for less and has no answer yet.
var settles = []string{SettleNothing, SettleRegistration, SettleAll}

// Request is what a decision leaves in a day's mark; more makes its name that of
// another request for the same reason.
func Request(why reasoned.Decision, more ...string) Mark {
	at := table.UTC(why.At)
	text := strings.Join(append([]string{at.Format(time.RFC3339), why.By, why.Reason}, more...), "\n")
	return Mark{Restate: fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16], RestateReason: why.Reason, RestateBy: why.By, RestateAt: at}
}

// Widened reports whether a request that settles so much takes the place of the
// one in the mark. One that carries the day forward or settles it is never replaced.
func (m *Mark) Widened(settle string) bool {
	return m.CarryTo == "" && !m.Waive && slices.Index(settles, settle) > slices.Index(settles, m.Settle)
}

// Ask puts a request into a mark.
func (m *Mark) Ask(request Mark, exists bool) {
	if !exists {
		m.Since, m.LastLanding = request.RestateAt, request.RestateAt
	}
	m.Restate, m.RestateReason, m.RestateBy, m.RestateAt = request.Restate, request.RestateReason, request.RestateBy, request.RestateAt
	m.CarryTo, m.Waive, m.Settle = request.CarryTo, request.Waive, request.Settle
}
