package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"stackusage/agent/config"
	"stackusage/shared/usage"
)

func (p *program) configCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "config", Short: "Check a configuration, or print a sample",
		Example: `  stackusage-agent config check
  stackusage-agent config sample > config.yaml`,
	}, &cobra.Command{
		Use: "check", Short: "Check the configuration file",
		Long:    "Report every invalid or missing setting of the configuration file. It connects to nothing.",
		Example: "  stackusage-agent config check --config ./config.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.checkConfig(cmd.OutOrStdout()) },
	}, &cobra.Command{
		Use: "sample", Short: "Print a configuration with every key explained",
		Example: "  stackusage-agent config sample > config.yaml", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), config.Sample())
			return err
		},
	})
}

func (p *program) checkConfig(stdout io.Writer) error {
	c, err := config.Load(p.config, p.getenv)
	if err != nil {
		return err
	}
	storage := c.Storage.BlobServiceURI
	switch {
	case c.Storage.None:
		storage = "none: hours wait for stackusage-agent export"
	case storage == "":
		storage = "the emulator of " + c.Storage.ConnectionStringEnv
		fallthrough
	default:
		storage += ", container " + c.Storage.Container
	}
	first := c.FirstHour.Start()
	fmt.Fprintf(stdout, "%s is valid\nregistration %s from %s on\nstack %s by %s\nstorage %s\nspool %s\n",
		p.config, c.CloudID, usage.Point(first), c.Stack.Endpoint, c.Stack.SignIn.Method, storage, c.Spool.Dir)
	if first.After(time.Now()) {
		fmt.Fprintf(stdout, "warning: firstHour %s is in the future, and nothing is collected until then: set it to the hour in which the stack was registered\n", usage.Point(first))
	}
	return nil
}
