package reasoned

import (
	"fmt"
	"strings"
	"time"
)

// Named is a decision with its name.
type Named struct {
	What string
	Decision
}

// Keep adds a decision to the earlier ones of a thing that is decided again: a line each,
// oldest first.
func Keep(earlier, what string, d Decision) string {
	line := fmt.Sprintf("%s %s by %s: %s", d.At.UTC().Format(time.RFC3339), what, d.By, d.Reason)
	return strings.TrimPrefix(earlier+"\n"+line, "\n")
}

// Kept reads the lines that Keep wrote.
func Kept(earlier string) (all []Named, err error) {
	for line := range strings.SplitSeq(earlier, "\n") {
		if line == "" {
			continue
		}
		at, rest, _ := strings.Cut(line, " ")
		what, rest, named := strings.Cut(rest, " by ")
		by, reason, reasoned := strings.Cut(rest, ": ")
		d := Named{What: what, Decision: Decision{By: by, Reason: reason}}
		if d.At, err = time.Parse(time.RFC3339, at); err != nil || !named || !reasoned {
			return all, fmt.Errorf("earlier decision %.80q: not of the form TIME WHAT by WHO: WHY", line)
		}
		all = append(all, d)
	}
	return all, nil
}
