// Command stackusage is the operator's tool: it reads what the function app
// keeps in Azure Storage, and records decisions about it. Run it with help.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/ledger"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errDifferences):
		os.Exit(2)
	case errors.Is(err, errCheckFailed):
		fmt.Fprintln(os.Stderr, "stackusage:", err)
		os.Exit(2)
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "stackusage:", err)
		os.Exit(1)
	}
}

// errDifferences: a check came to its end and found differences, which are
// printed already.
var errDifferences = errors.New("differences were found")

// command is one verb of the tool; each has a file of its own.
type command struct {
	name, synopsis string
	run            func(ctx context.Context, env environment, args []string) error
}

var commands = []command{
	{"hours", "list hour blobs and decide which of them count", hours},
	{"days", "list, restate, settle and confirm usage days", days},
	{"quarantine", "list, show, redrive and dismiss rejected rows", quarantine},
	{"meters", "list and explain the stack's meters", meters},
	{"batches", "list, retry and settle batches that are sent to commerce", batches},
	{"carry-forward", "bill declined usage on a later, open day", carryForward},
	{"register", "register a stack or change its registration", register},
	{"registrations", "list, show and end registrations; make activation keys", registrations},
	{"tenants", "map directory tenants to Azure subscriptions (CSP)", tenants},
	{"reconcile", "explain how the stack's usage and the bill differ", reconcileCommand},
	{"verify", "check the bill against the rows that landed", verifyCommand},
	{"check-deployment", "smoke-test a deployment with a synthetic usage hour", checkDeployment},
}

// environment is what a command may use.
type environment struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	app            func() (*app, error) // connects at the first call: help needs no settings
}

// app is the storage of the function app and of the stacks.
type app struct {
	usage, landing *azurestore.Account
	ledger         *ledger.Ledger
	settling       time.Duration // how long after an end reported hours are accepted, as the function app has it
}

// registry is where the registrations are.
func (a *app) registry() registry.Registry { return registry.Registry{Tables: a.usage.Tables} }

func connect(getenv func(string) string) (*app, error) {
	usage, err := azurestore.Connect(getenv, "UsageStorage")
	if err != nil {
		return nil, err
	}
	landed, err := azurestore.Connect(getenv, "LandingStorage")
	if err != nil {
		return nil, err
	}
	hours, err := strconv.Atoi(cmp.Or(getenv("SETTLING_HOURS"), "6"))
	if err != nil || hours < 0 {
		return nil, fmt.Errorf("setting SETTLING_HOURS %q: must be a number of hours, as the function app has it", getenv("SETTLING_HOURS"))
	}
	return &app{usage: usage, landing: landed, ledger: &ledger.Ledger{Store: usage.Tables}, settling: time.Duration(hours) * time.Hour}, nil
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	env := environment{getenv: getenv, stdout: stdout, stderr: stderr}
	env.app = sync.OnceValues(func() (*app, error) { return connect(getenv) })
	if len(args) == 0 {
		args = []string{"help"}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printHelp(stdout)
		return nil
	}
	for _, c := range commands {
		if c.name == args[0] {
			return withHint(c.run(ctx, env, args[1:]))
		}
	}
	return fmt.Errorf("command %q is not known; stackusage help lists them", args[0])
}

// withHint says what to do where nothing answers: the SDK's error has the
// address, and not whose it is.
func withHint(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("%w: nothing answers there; check that UsageStorage and LandingStorage name the right storage, and that it runs", err)
	}
	return err
}

// orListed says of a batch that is not there where to see those that are.
func orListed(err error) error {
	if errors.Is(err, table.ErrNotFound) {
		return fmt.Errorf("%w: stackusage batches list --all shows which there are", err)
	}
	return err
}

func printHelp(out io.Writer) {
	fmt.Fprint(out, "stackusage shows and checks what the function app keeps in Azure Storage, and records\nwhat operators decide about it.\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(w, "  stackusage %s\t%s\n", c.name, c.synopsis)
	}
	w.Flush()
	fmt.Fprint(out, `
stackusage COMMAND --help lists the flags of a command.

Connections come by environment, never by flag, and are those of the function app:
  UsageStorage     tables, partials, daily files, outbox, receipts, quarantine, corrected hour blobs
  LandingStorage   hour blobs
Each is a connection string, or NAME__accountName (or NAME__blobServiceUri,
__queueServiceUri and __tableServiceUri) with NAME__credential=managedidentity;
without it the default chain of azidentity signs in.

SETTLING_HOURS, as the function app has it (default: 6), is how long after the end
of a registration reported hours are accepted: changes list closed days by it.
`)
}

// newFlags is a command's set of flags; what the command is for comes first in
// its help.
func newFlags(env environment, name, about string) *flag.FlagSet {
	fs := flag.NewFlagSet("stackusage "+name, flag.ContinueOnError)
	fs.SetOutput(env.stderr)
	fs.Usage = func() {
		fmt.Fprintf(env.stderr, "stackusage %s: %s\n\nFlags:\n", name, about)
		fs.PrintDefaults()
	}
	return fs
}

// parseFlags refuses what is left over: a flag that lost its dashes must not
// go unheard.
func parseFlags(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("argument %q is not known", fs.Arg(0))
	}
	return nil
}

// printJSON prints v as JSON that is also read by people.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// jsonLines prints each of them as one line of JSON.
func jsonLines[T any](out io.Writer, lines []T) error {
	enc := json.NewEncoder(out)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}
