package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"stackusage/agent/config"
	"stackusage/agent/inspection"
	"stackusage/cmd/stackusage-agent/statusview"
)

func (p *program) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "status", Short: "Show the last hour, the next one, and what is open",
		Long: `Show the last hour, the next one, what waits and what failed. It reads the files of the
spool, changes nothing, and may run at any time.

Exit code: 0 nothing is open; 2 an hour is late, fails or is not uploaded, nothing can be
collected or uploaded, the spool is over a limit, or no agent runs; 1 it could not read the
spool.`,
		Example: `  stackusage-agent status
  stackusage-agent status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.status(asJSON, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func (p *program) status(asJSON bool, stdout io.Writer) error {
	conf, err := config.Read(p.config, p.getenv)
	if err != nil {
		return err
	}
	now := time.Now()
	view := statusview.View{CloudID: conf.CloudID, Spool: spoolDir(conf), Open: []string{}, ByHand: conf.Storage.None}
	found, err := inspection.Inspect(view.Spool, settings(conf), limits(conf), now)
	if err != nil {
		return err
	}
	view.NextDue, view.Behind, view.Status = found.Next, int64(found.Lag/time.Second), found.Status
	for _, what := range found.Open {
		view.Open = append(view.Open, statusview.OneLine(what))
	}
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		err = out.Encode(view)
	} else {
		err = view.Print(stdout, now)
	}
	if err == nil && len(view.Open) > 0 {
		err = openError{fmt.Errorf("%d open", len(view.Open))}
	}
	return err
}
