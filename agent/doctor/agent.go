package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/usage"
)

// agent asks what the agent says that uses the spool, which may hold a secret, or a
// proxy, from before: a sign-in of the doctor's own shows what a new one would get.
func (e *examination) agent(context.Context) Result {
	found, err := e.parts.Inspect()
	switch {
	case err != nil:
		return failed("the status of the agent cannot be read: "+brief(err), "Check the folder and its owner; run this as root or as the agent's user.")
	case found.Status == nil && found.Unread == nil && found.Next.Start().Before(time.Now()):
		return ok("none has run yet")
	case found.Behind != nil:
		return failed(found.Behind.Cause, found.Behind.Advice)
	case found.Unread != nil:
		return warning(brief(found.Unread), "A running agent replaces it within the hour.")
	case len(found.Open) > 0:
		again := "Look below whether what it needs is well now; the agent tries again by itself"
		if at := found.Status.NextRound; !at.IsZero() {
			again += ", next at " + usage.Point(at)
		}
		more := found.Open[1:]
		if n := len(more) - shownOpen; n > 0 {
			more = append(more[:shownOpen:shownOpen], fmt.Sprintf("%d more are open: stackusage-agent status names them.", n))
		}
		return failed(brief1(found.Open[0]), strings.Join(append(more, again+"."), "\n"))
	}
	if soon := found.Status.Ending(time.Now()); len(soon) > 0 {
		return warning(soon[0], strings.Join(append(soon[1:], "Put the new one where the old one is, and secretEnds right."), "\n"))
	}
	return ok("has collected all up to " + found.Next.String())
}

// shownOpen is how many more of the agent's points are shown: hundreds of hours that
// fail for one reason would hide the check that tells the reason.
const shownOpen = 3

func brief1(text string) string { return strings.Join(strings.Fields(text), " ") }
