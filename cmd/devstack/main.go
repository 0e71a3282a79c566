// Command devstack runs the whole data flow on one machine: Azurite, a stand-in
// for the Functions host with the real handler, a simulated stack with the real
// agent, and a stand-in for commerce. Run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "devstack:", err)
	}
	os.Exit(exitCode(err))
}

func run(ctx context.Context, args []string, _ func(string) string, stdout, stderr io.Writer) error {
	root := rootCommand(stdout, stderr)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

var (
	// errUnbalanced: the run came to its end, and something is not accounted for.
	errUnbalanced = errors.New("the balance is not even")
	// errInterrupted: somebody pressed Ctrl-C; what broke because of it is noise.
	errInterrupted = errors.New("interrupted")
)

// exitCode is 0 for success, 2 for a run whose balance is not even and 1 for
// everything else.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUnbalanced):
		return 2
	}
	return 1
}
