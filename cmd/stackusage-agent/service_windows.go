package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"gopkg.in/natefinch/lumberjack.v2"

	"stackusage/cmd/stackusage-agent/service"
)

func (p *program) serviceCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "service", Short: "Install, remove or run the Windows service",
		Example: "  stackusage-agent service install",
	}, &cobra.Command{
		Use: "install", Short: "Install the service, to start with the machine",
		Example: "  stackusage-agent service install", Args: cobra.NoArgs,
		RunE: p.manage("installed", service.Install),
	}, &cobra.Command{
		Use: "uninstall", Short: "Stop and remove the service",
		Example: "  stackusage-agent service uninstall", Args: cobra.NoArgs,
		RunE: p.manage("uninstalled", func(string) error { return service.Uninstall() }),
	}, &cobra.Command{
		Use: "run", Short: "Run as the service; the service manager calls this",
		Example: "  sc start stackusage-agent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := filepath.Abs(p.config) // the service starts in another folder
			if err != nil {
				return err
			}
			return service.Run(cmd.Context(), func(ctx context.Context) error {
				log := &lumberjack.Logger{Filename: filepath.Join(filepath.Dir(path), "logs", "agent.log"), MaxSize: 20, MaxBackups: 5}
				defer log.Close()
				err := work(ctx, path, p.getenv, log)
				if err != nil && ctx.Err() == nil {
					fmt.Fprintln(log, "stackusage-agent:", err)
				}
				return err
			})
		},
	})
}

// manage does what the service manager is asked for, and says that it is done.
func (p *program) manage(done string, what func(path string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		path, err := filepath.Abs(p.config)
		if err == nil {
			err = what(path)
		}
		if err != nil {
			return fmt.Errorf("service: %w", err)
		}
		fmt.Fprintln(cmd.OutOrStdout(), "service", service.Name, done)
		return nil
	}
}

// toJournal: Windows has none.
func toJournal(func(string) string) bool { return false }
