// Command stackusage-agent collects usage on a stack and drops it into Azure
// Storage, one blob per reported hour. Run it with --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// version goes into every hour's header. The packages have that of their build:
// make package-agent.
var version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "stackusage-agent:", err)
		os.Exit(exitCode(err))
	}
}

// openError is the end of what could run and has not done all: exit code 2.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

func exitCode(err error) int {
	if errors.As(err, new(openError)) {
		return 2
	}
	return 1
}

const help = `stackusage-agent collects usage on an Azure Stack and drops it into Azure
Storage, one blob per reported hour.

  stackusage-agent activate KEY [--config FILE] [--force]
  stackusage-agent config check [--config FILE]
  stackusage-agent config sample
  stackusage-agent doctor [--config FILE] [--json] [--timeout 1m]
  stackusage-agent run [--config FILE]
  stackusage-agent once [--to 2019-12-11T06:00:00Z] [--config FILE]
  stackusage-agent backfill --from 2019-12-10T19:00:00Z --to 2019-12-11T06:00:00Z [--config FILE]
  stackusage-agent status [--json] [--config FILE]
  stackusage-agent service install|uninstall|run [--config FILE]    on Windows
  stackusage-agent version

activate writes the configuration from an activation key and says what is left
to fill in; --force replaces a file and keeps the old one beside it as .bak.
config check reports everything that is wrong with the configuration; config
sample prints one with every key explained.

doctor looks at every link between the stack's usage and Azure Storage, and says
of what is broken why and what to do; stackusage-agent doctor --help lists what
it looks at.

run is the service: each hour is collected when it is due and dropped, until the
program is told to stop (SIGTERM, or an interrupt). once collects and drops all
that is due now, and ends. backfill collects the reported hours from --from up to,
but not including, --to again, whether or not they were. status tells of the last
hour, the next one, what waits and what went wrong; it reads the files of the
spool, changes nothing and may be called at any time.

Exit codes:
  0  done
  1  could not run: a wrong call, the configuration, a spool that another agent
     uses (the message has its pid) or that belongs to another user
  2  could run, and something is open. doctor: a link is broken. once, backfill:
     an hour failed, the stack or storage was away, or it was interrupted. run: the
     end took longer than timeouts.shutdown. status: an hour is late, fails or is
     not stored, nothing can be collected or stored, the spool is over a limit, or
     no agent runs
`

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	switch args[0] {
	case "activate":
		return activate(args[1:], getenv, stdout, stderr)
	case "config":
		return configure(args[1:], getenv, stdout, stderr)
	case "doctor":
		return examine(ctx, args[1:], getenv, stdout, stderr)
	case "run":
		path, err := configOnly("run", args[1:], getenv, stderr)
		if err != nil {
			return err
		}
		return work(ctx, path, getenv, stderr)
	case "once":
		return once(ctx, args[1:], getenv, stdout, stderr)
	case "backfill":
		return backfill(ctx, args[1:], getenv, stdout, stderr)
	case "status":
		return status(args[1:], getenv, stdout, stderr)
	case "service":
		return service(ctx, args[1:], getenv, stdout, stderr, work)
	case "version":
		fmt.Fprintf(stdout, "stackusage-agent %s (%s)\n", version, build())
		return nil
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, help)
		return nil
	}
	return fmt.Errorf("command %q is not known; stackusage-agent --help lists them", args[0])
}

// build says what this program was made of, as the compiler noted it.
func build() string {
	text := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return text
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			text += " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			text += " with changes"
		}
	}
	return text
}
