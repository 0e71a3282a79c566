// Command stackusage is the operator's tool: it reads what the function app keeps in
// Azure Storage, and records decisions about it. Run it with --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"stackusage/cmd/stackusage/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	if text := cli.Message(err); text != "" {
		fmt.Fprintln(os.Stderr, "stackusage:", text)
	}
	os.Exit(cli.ExitCode(err))
}
