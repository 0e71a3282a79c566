package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/agent/doctor"
	"stackusage/agent/inspection"
	"stackusage/agent/signin"
)

const doctorHelp = `stackusage-agent doctor looks at every link between the stack's usage and Azure
Storage. Of a link that is broken it says why, and below it what to do. What
needs a broken link is skipped: mend what failed, and look again.

  configuration      the file, secrets and authorities that it names
  spool folder       a file is written, synced, renamed and removed
  disk space         against spool.minFree
  agent              what the agent says that uses the spool, as status does
  ... name           DNS, of the stack, its sign-in service, storage and its
                     sign-in service; of the proxy alone for what is behind one
  ... connection     to the port
  ... TLS            version, certificate, who signed it, how long it is valid
  stack endpoints    where the stack says that tokens are issued, and for whom
  clock              of this machine, against all that answered: a warning from
                     one minute on, a failure from five
  storage sign-in    a token for Azure Storage
  storage create     a blob of a few bytes is put below _probe/ in the landing
                     container, which everything downstream ignores
  create only        overwriting, reading, listing and deleting that blob must be
                     refused: an agent needs no such right
  stack sign-in      a token for the stack
  stack usage API    one hour of the past is asked for; no row is kept

Run it as the user that the agent runs as: root may write where the agent may not.
It changes nothing but for the blob. It prints no secrets.

Exit code: 0 nothing failed, 2 something failed, 1 the doctor itself could not run.
`

// examine is the command doctor.
func examine(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	fs := flagSet("doctor", stderr)
	path := configFlag(fs, getenv)
	asJSON := fs.Bool("json", false, `print {"ok","checks":[{"check","outcome","at","found","cause","advice"}]} instead of a table`)
	timeout := fs.Duration("timeout", doctor.DefaultTimeout, "how long all checks together may take")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if *timeout <= 0 {
		return fmt.Errorf("doctor: --timeout %s is no time", *timeout)
	}
	opts := doctor.Options{Path: *path, Timeout: *timeout, Load: func() (doctor.Parts, error) {
		p, err := load(*path, getenv)
		if err != nil {
			return doctor.Parts{}, err
		}
		return p.patient(), nil
	}}
	if !*asJSON {
		doctor.Header(stdout)
		opts.Report = func(r doctor.Result) { r.Print(stdout) }
	}
	results, err := doctor.Run(ctx, opts)
	if err != nil {
		return fmt.Errorf("doctor: not all was looked at: %w", err)
	}
	n := doctor.Count(results)
	if *asJSON {
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
	if p.storageCredential == nil {
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
