package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/agent/config"
)

// program is what every command has.
type program struct {
	getenv func(string) string
	config string // the configuration file
}

func rootCommand(getenv func(string) string) *cobra.Command {
	p := &program{getenv: getenv}
	root := &cobra.Command{
		Use:   "stackusage-agent",
		Short: "Collect usage on an Azure Stack for Azure",
		Long: `stackusage-agent collects usage on an Azure Stack and uploads it to Azure Storage, one
blob per reported hour.

Exit code:
  0  done
  1  could not run: a wrong call, an invalid configuration, a spool that another agent
     uses or that belongs to another user
  2  ran, and something is open: the help of each command says what`,
		Example: `  stackusage-agent activate KEY
  stackusage-agent doctor
  stackusage-agent once`,
		Version:                    version,
		SilenceErrors:              true, // main prints them
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.PersistentFlags().StringVar(&p.config, "config", config.DefaultPath(getenv), "configuration `file`")
	root.AddCommand(p.activateCommand(), p.configCommand(), p.doctorCommand(), p.runCommand(), p.onceCommand(), p.backfillCommand(), p.exportCommand(),
		p.statusCommand(), p.serviceCommand(), &cobra.Command{
			Use: "version", Short: "Print the version", Example: "  stackusage-agent version", Args: cobra.NoArgs,
			Run: func(cmd *cobra.Command, _ []string) {
				fmt.Fprintf(cmd.OutOrStdout(), "stackusage-agent %s (%s)\n", version, build())
			},
		})
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // it is there
	help.Example = "  stackusage-agent help run"
	help.Run, help.RunE = nil, func(_ *cobra.Command, args []string) error {
		target, rest, err := root.Find(args)
		switch {
		case err != nil || len(rest) == 0:
		case target.HasSubCommands():
			err = target.RunE(target, rest)
		default: // cobra's own prints the usage, and succeeds
			err = cobra.NoArgs(target, rest)
		}
		if err != nil {
			return err
		}
		return target.Help()
	}
	return root
}

// group makes a command that only has commands below it.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, sub := range below {
			names = append(names, sub.Name())
		}
		if len(args) == 0 {
			return fmt.Errorf("%q needs a command: %s", cmd.CommandPath(), strings.Join(names, ", "))
		}
		text := fmt.Sprintf("unknown command %.40q for %q: want %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += "\n\nDid you mean this?\n\t" + strings.Join(near, "\n\t")
		}
		return fmt.Errorf("%s", text)
	}
	return cmd
}

// one wants the one argument of that name.
func one(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s is missing", name)
		case len(args) > 1:
			return fmt.Errorf("unknown argument %.40q: want one %s", args[1], name)
		}
		return nil
	}
}
