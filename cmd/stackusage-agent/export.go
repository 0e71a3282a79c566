package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"stackusage/agent/config"
	"stackusage/agent/export"
	"stackusage/cmd/stackusage-agent/statusview"
	"stackusage/shared/delivery"
	"stackusage/shared/usage"
)

func (p *program) exportCommand() *cobra.Command {
	var to, receipt string
	cmd := &cobra.Command{
		Use: "export", Short: "Write the hours that are not uploaded to a folder",
		Long: `Write the hours that are not uploaded to a folder, for a person who carries them to Azure,
or mark the hours that a receipt lists as uploaded.

  --to FOLDER        writes the hour files that are missing in the folder, then
                     manifest.json. The spool does not change. Run "stackusage import
                     FOLDER" where Azure can be reached; it writes a receipt.
  --confirm RECEIPT  marks each hour that the receipt lists as uploaded, if the spool has
                     the same file. Hours that are not confirmed are exported again.

Both may run beside the service.

Exit code: 0 done; 2 a file was left out or not marked, or the folder cannot be written: the
reason is printed; 1 it could not start.`,
		Example: `  stackusage-agent export --to /media/stick/usage
  stackusage-agent export --confirm /media/stick/usage/receipt.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := config.Read(p.config, p.getenv)
			switch {
			case err != nil:
				return err
			case receipt != "":
				return confirm(conf, receipt, cmd.OutOrStdout())
			}
			return exportTo(cmd.Context(), conf, to, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`folder` to write to; it is made if it does not exist")
	cmd.Flags().StringVar(&receipt, "confirm", "", "`receipt` of an import")
	cmd.MarkFlagsOneRequired("to", "confirm")
	cmd.MarkFlagsMutuallyExclusive("to", "confirm")
	return cmd
}

func exportTo(ctx context.Context, conf config.Config, to string, stdout io.Writer) error {
	if to == "" {
		return errors.New("read --to: the folder is missing")
	}
	w, err := export.Write(ctx, spoolDir(conf), conf.CloudID, to)
	switch n := len(w.Manifest.Files); {
	case err != nil:
	case w.Files+w.There == 0 && len(w.Problems) == 0:
		fmt.Fprintln(stdout, "nothing to export: no hour waits")
	default:
		fmt.Fprintf(stdout, "%s written with %s, %d were there\n", usage.Count(w.Files, "file"), usage.Count(w.Bytes, "byte"), w.There)
		if n > 0 {
			fmt.Fprintf(stdout, "%s lists %s, %s up to %s\n", filepath.Join(to, delivery.ManifestName), usage.Count(n, "file"), w.Manifest.From, w.Manifest.To)
		}
	}
	if err != nil {
		return openError{err}
	}
	return leftOut(stdout, w.Problems, "left out")
}

func confirm(conf config.Config, path string, stdout io.Writer) error {
	receipt, err := delivery.ReadReceipt(path)
	if err != nil {
		return err
	}
	c, err := export.Confirm(spoolDir(conf), conf.CloudID, receipt)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s marked as uploaded, %d were before; %d wait\n", usage.Count(c.Moved, "file"), c.Already, c.Waiting)
	return leftOut(stdout, c.Problems, "not marked")
}

// leftOut prints what was not done.
func leftOut(stdout io.Writer, problems []string, what string) error {
	for _, text := range problems {
		fmt.Fprintln(stdout, statusview.OneLine(text))
	}
	if n := len(problems); n > 0 {
		return openError{fmt.Errorf("%s %s", usage.Count(n, "file"), what)}
	}
	return nil
}
