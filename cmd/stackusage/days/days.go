// Package days is stackusage day: usage days, their revisions, and the decisions
// about what commerce declines of them.
package days

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage day.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("day", "List, restate, settle and carry forward usage days", `
stackusage day list --from 2019-12-01 --to 2019-12-31
stackusage day restate --day 2019-12-10 --reason "tenant mapped late"`,
		list(e), restate(e), settle(e), listDeclined(e), carryForward(e))
}

// Request is what an operator asked for one usage day.
type Request struct {
	CloudID   string    `json:"cloudId"`
	Day       string    `json:"usageDay"`
	CarriedTo string    `json:"carriedTo,omitempty"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

func requestOf(cloudID string, day usage.Day, mark openday.Mark) Request {
	r := Request{CloudID: cloudID, Day: day.String(), Reason: mark.RestateReason, By: mark.RestateBy, At: mark.RestateAt.UTC()}
	if mark.CarryTo != "" {
		r.CarriedTo = usage.ShowDay(mark.CarryTo)
	}
	return r
}

// orClosed adds to the error of a decision about a usage day where to look next.
func orClosed(err error) error {
	switch {
	case errors.Is(err, table.ErrNotFound):
		return fmt.Errorf("%w; stackusage day list shows which usage days were closed", err)
	case errors.Is(err, daybook.ErrNotSettled), errors.Is(err, daybook.ErrNotCarried):
		return fmt.Errorf("%w; stackusage day list-declined shows the usage days of which commerce declined records", err)
	}
	return err
}

// announce has CloseDay look at a day. Should the message get lost, or commerce still
// owe outcomes, Sweep asks again.
func announce(ctx context.Context, s *cli.Storage, cloudID string, day usage.Day) error {
	if err := s.Usage.Queues.Enqueue(ctx, queue.Days, queue.DayMessage(cloudID, day), 0); err != nil {
		return fmt.Errorf("the request is recorded, and Sweep will find it: %w", err)
	}
	return nil
}
