package reasoned

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Decision is who decided something, why and when. Every decision has one.
type Decision struct {
	By, Reason string
	At         time.Time
}

// ErrDecided means that the decision cannot be taken: what it is about is not
// in that state, or another decision came first.
var ErrDecided = errors.New("this decision is not possible")

// Tries bounds how often a decision is looked at again because somebody
// wrote the same row meanwhile.
const Tries = 5

// MaxEarlier keeps the history of decisions about one thing within a table property: a
// file's place changes hands a few times at most.
const MaxEarlier = 24 << 10

// Check keeps a decision's texts within what a row can hold, and fit for one
// line: they are read in tables and lists.
func (r Decision) Check() error {
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
