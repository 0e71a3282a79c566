// Package console is stackusage console: pages in a browser that show what the commands
// of stackusage answer.
//
//	console.go   the command, and the browser that it opens
//	server.go    who may look, and what a response may do
//	page         what pages are made of
//	overview, hours, days, usages, lists   the pages
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
)

const about = `Serves pages that show what status, hour, day, explain, usage, quarantine, batch,
decision and message know, to a browser on this machine. They are read with your
rights, and nothing is changed. Each page names the command that gives the same answer.

The printed address has a token that works once: the browser that uses it first may look,
nobody else. --open starts the browser with a file that only you can read.

--prices, --bill and --names are those of stackusage usage; with them pages show amounts
and names.`

// defaultPort is where the console listens, so that addresses can be kept.
const defaultPort = 7468

// Command is stackusage console. root makes the commands whose results the pages show.
func Command(e *cli.Env, root func(*cli.Env) *cobra.Command) *cobra.Command {
	var port int
	var open bool
	var prices cli.Prices
	var names cli.Names
	cmd := cli.Command("console", "Serve pages to look at, on this machine", about, `
stackusage console --open
stackusage console --port 0 --prices prices.csv`, func(ctx context.Context) error {
		if port < 0 || port > 65535 {
			return fmt.Errorf("--port %d: want a port, or 0 for one that is free", port)
		}
		if _, err := prices.Open(e.Getenv); err != nil { // wrong files are an error now, not on each page
			return err
		}
		if _, err := names.Read(); err != nil {
			return err
		}
		if _, err := e.Storage(); err != nil { // settings that are missing, too
			return err
		}
		return run(ctx, e, root, port, open, append(prices.Args(), names.Args()...))
	})
	cmd.Flags().IntVar(&port, "port", defaultPort, "`port` on 127.0.0.1; 0: one that is free")
	cmd.Flags().BoolVar(&open, "open", false, "open the console in the browser")
	prices.Flags(cmd)
	names.Flag(cmd)
	return cmd
}

func run(ctx context.Context, e *cli.Env, root func(*cli.Env) *cobra.Command, port int, open bool, prices []string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is taken: a console may run already; --port names another one, and --port 0 takes one that is free", port)
	}
	if err != nil {
		return err
	}
	_, at, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	session, token := newSession(at)
	jobs, end := context.WithCancel(ctx)
	defer end()
	s := &server{env: e, root: root, prices: prices, port: at, session: session, jobs: page.NewJobs(jobs), pages: pages, log: slog.New(slog.NewTextHandler(e.Stderr, nil))}
	defer s.jobs.Wait()
	defer end()
	address := "http://127.0.0.1:" + at + "/enter?token=" + token
	fmt.Fprintf(e.Stdout, "The console is at %s\nThe address works once. Press Ctrl+C to end the console.\n", address)
	if open {
		if !signal.Ignored(syscall.SIGHUP) { // the terminal is closed: the browser's file goes, too
			var stop func()
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
			defer stop()
		}
		remove, err := openBrowser(address)
		if err != nil {
			fmt.Fprintf(e.Stderr, "console: the browser cannot be opened (%v); open the address above\n", err)
		}
		defer remove()
		session.entered = remove
	}
	return s.serve(ctx, listener)
}
