package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/spf13/cobra"

	"stackusage/agent/doctor"
	"stackusage/agent/inspection"
	"stackusage/agent/signin"
)

const doctorHelp = `Test each link between the stack's usage and Azure Storage. For each link that fails, print
the cause and what to do. Checks that need a failed link are skipped: fix what failed, then
run it again.

  configuration      the file, and the secrets and authorities that it names
  spool folder       write, sync, rename and remove a file
  disk space         free space against spool.minFree
  agent              what is open of the agent that uses the spool, as status shows
  ... name           DNS name of the stack, its token issuer, storage and storage's token
                     issuer; behind a proxy, of the proxy only
  ... connection     TCP connection to the port
  ... TLS            version, certificate, its authority and its end
  stack endpoints    token issuer and audience that the stack announces
  clock              this machine against every server: warning from one minute, failure
                     from five
  storage sign-in    a token for Azure Storage
  storage create     create a small blob below _probe/ in the landing container; nothing
                     ingests it
  create only        overwrite, read, list and delete that blob: each must be denied
  stack sign-in      a token for the stack
  stack usage API    read one past hour; no row is kept

With storage: none, checks of storage are left out.

Run it as the agent's user: root may write where the agent may not. It changes nothing
but that blob, and prints no secrets.

Exit code: 0 nothing failed, 2 a check failed, 1 the doctor itself could not run.`

func (p *program) doctorCommand() *cobra.Command {
	asJSON, timeout := false, doctor.DefaultTimeout
	cmd := &cobra.Command{
		Use: "doctor", Short: "Test each link from the stack to Azure Storage", Long: doctorHelp,
		Example: `  stackusage-agent doctor
  stackusage-agent doctor --json --timeout 20s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.examine(cmd.Context(), asJSON, timeout, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"ok","checks":[{"check","outcome","at","found","cause","advice"}]} instead of a table`)
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "longest `time` of all checks together")
	return cmd
}

func (p *program) examine(ctx context.Context, asJSON bool, timeout time.Duration, stdout io.Writer) error {
	if timeout <= 0 {
		return fmt.Errorf("read --timeout %s: want more than 0", timeout)
	}
	opts := doctor.Options{Path: p.config, Timeout: timeout, Load: func() (doctor.Parts, error) {
		all, err := load(p.config, p.getenv)
		if err != nil {
			return doctor.Parts{}, err
		}
		return all.patient(), nil
	}}
	if !asJSON {
		doctor.Header(stdout)
		opts.Report = func(r doctor.Result) { r.Print(stdout) }
	}
	results, err := doctor.Run(ctx, opts)
	if err != nil {
		return fmt.Errorf("doctor: not every check ran: %w", err)
	}
	n := doctor.Count(results)
	if asJSON {
		if err := doctor.WriteJSON(stdout, results); err != nil {
			return fmt.Errorf("doctor: %w", err)
		}
	} else {
		fmt.Fprintf(stdout, "\n%d ok, %d warnings, %d failed, %d skipped\n", n[doctor.OK], n[doctor.Warning], n[doctor.Failed], n[doctor.Skipped])
	}
	if n[doctor.Failed] > 0 {
		return openError{fmt.Errorf("doctor: %d of %d checks failed", n[doctor.Failed], len(results))}
	}
	return nil
}

// storageScope is what azblob asks tokens for.
const storageScope = "https://storage.azure.com/.default"

// patient is what the doctor looks at.
func (p *parts) patient() doctor.Parts {
	d := doctor.Parts{
		Inspect: func() (inspection.Inspection, error) {
			return inspection.Inspect(spoolDir(p.conf), settings(p.conf), limits(p.conf), time.Now())
		},
		Config: p.conf, Proxy: p.proxy, Stack: p.stack, StackHTTP: p.stackHTTP, StorageHTTP: p.storageHTTP, Storage: p.storage,
	}
	if p.storageCredential == nil { // an account's key, or no storage
		return d
	}
	d.StorageSignIn = func(ctx context.Context) error {
		_, err := p.storageCredential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{storageScope}})
		return err
	}
	if p.conf.Storage.SignIn.Method != signin.ManagedIdentity {
		d.StorageLogin = signin.DefaultLoginEndpoint
	}
	return d
}
