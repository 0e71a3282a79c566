package hours

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/calendar"
	"stackusage/shared/usage"
)

// Accepted is what hour accept-missing has recorded.
type Accepted struct {
	CloudID string           `json:"cloudId"`
	First   usage.Hour       `json:"from"`
	Last    usage.Hour       `json:"to"`
	Missing []calendar.Range `json:"missingHours"` // of the range
	Reason  string           `json:"reason"`
	By      string           `json:"by"`
}

func acceptMissing(e *cli.Env) *cobra.Command {
	var d cli.Decision
	var from, to usage.HourFlag
	cmd := cli.Command("accept-missing", "Record that missing hours will never come", `The hours stay missing: status, verify and reconcile count and name them, and they no
longer make exit code 2. No bill changes. A file that comes all the same is accepted.
Hours of the range that have landed, or that the registration does not expect, stay as
they are.`, `
stackusage hour accept-missing --from 2019-12-10T03:00Z --to 2019-12-10T05:00Z --reason "the stack was rebuilt"`, func(ctx context.Context) error {
		if from.Hour == nil || to.Hour == nil {
			return errors.New("--from or --to is missing: the first and the last reported hour, for example 2019-12-10T19:00Z")
		}
		storage, history, err := d.History(ctx)
		if err != nil {
			return err
		}
		r := calendar.Range{First: *from.Hour, Last: *to.Hour}
		missing, err := calendar.Accept(ctx, storage.Usage.Tables, history, r, d.Why)
		if err != nil {
			return err
		}
		var texts []string
		for _, m := range missing {
			texts = append(texts, m.String())
		}
		return cli.Result(e, Accepted{history.CloudID, r.First, r.Last, missing, d.Why.Reason, d.Why.By}, "%s of %s accepted as missing: %s (%s, %s).\nNo bill changes, and a file that comes all the same is accepted.\n",
			cli.Count(calendar.Total(missing), "hour"), history.Name(), strings.Join(texts, ", "), d.Why.Reason, fmt.Sprintf("%s, %s", d.Why.By, usage.Point(d.Why.At)))
	})
	d.Flags(e, cmd)
	cmd.Flags().Var(&from, "from", "first reported `hour` to accept as missing, for example 2019-12-10T03:00Z")
	cmd.Flags().Var(&to, "to", "last reported `hour` to accept as missing, included")
	return cmd
}
