// Package cli is what the commands of stackusage share: storage, flags, the choice
// of a registration, and printing.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"stackusage/shared/azurestore"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

var (
	// ErrDifferences: a check came to its end and found differences, which are
	// printed already.
	ErrDifferences = errors.New("differences were found")
	// ErrCheckFailed: a step of a check failed, and is printed already.
	ErrCheckFailed = errors.New("the deployment does not work yet")
)

// ExitCode is 0 for success, 2 for a check that found something and 1 for
// everything else.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrDifferences), errors.Is(err, ErrCheckFailed):
		return 2
	}
	return 1
}

// Env is what a command may use.
type Env struct {
	Getenv         func(string) string
	Stdout, Stderr io.Writer
	// Storage connects at the first call: help needs no settings.
	Storage func() (*Storage, error)
	// View takes the result of a command in place of printing it; nil: it is printed. The
	// console sets it: what it shows is what the command has.
	View func(result any) error

	output string // of --output
}

// New returns what commands use.
func New(getenv func(string) string, stdout, stderr io.Writer) *Env {
	return &Env{Getenv: getenv, Stdout: stdout, Stderr: stderr,
		Storage: sync.OnceValues(func() (*Storage, error) { return connect(getenv) })}
}

// Apart is an environment like this one for another command of a process that goes on:
// names of registrations are read anew.
func (e *Env) Apart(stdout io.Writer, view func(result any) error) *Env {
	return &Env{Getenv: e.Getenv, Stdout: stdout, Stderr: io.Discard, View: view, Storage: func() (*Storage, error) {
		storage, err := e.Storage()
		if err != nil {
			return nil, err
		}
		again := *storage
		again.names = again.readNames()
		return &again, nil
	}}
}

// Storage is the storage of the function app and of the stacks.
type Storage struct {
	Usage, Landing *azurestore.Account
	Tables         table.Store
	Settling       time.Duration // how long after an end reported hours are accepted, as the function app has it

	names func(context.Context) map[string]string
}

func connect(getenv func(string) string) (*Storage, error) {
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
	s := &Storage{Usage: usage, Landing: landed, Tables: usage.Tables, Settling: time.Duration(hours) * time.Hour}
	s.names = s.readNames()
	return s, nil
}

// Registry is where the registrations are.
func (s *Storage) Registry() registry.Registry { return registry.Registry{Tables: s.Usage.Tables} }

// Command is a command without arguments. Its example is shown by --help.
func Command(name, synopsis, about, example string, run func(ctx context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: synopsis, Long: synopsis + "\n\n" + about, Example: indent(example),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 { // a flag that lost its dashes must not go unheard
				return fmt.Errorf("unexpected argument %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return WithHint(run(cmd.Context())) },
	}
}

// Group is a noun with its verbs.
func Group(name, synopsis, example string, verbs ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{Use: name, Short: synopsis, Example: indent(example), Args: cobra.ArbitraryArgs, RunE: Choose}
	group.AddCommand(verbs...)
	return group
}

// Choose is the error of a command that is called without one of its subcommands.
func Choose(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if !cmd.HasSubCommands() {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	if len(args) == 0 {
		return fmt.Errorf("%s needs a subcommand: %s", cmd.CommandPath(), strings.Join(names, ", "))
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %q?", args[0], near[0])
	}
	return fmt.Errorf("unknown command %q; %s has: %s", args[0], cmd.CommandPath(), strings.Join(names, ", "))
}

func indent(example string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(example), "\n", "\n  ")
}

// WithHint adds what to do about an error of storage.
func WithHint(err error) error {
	if hint := azurestore.WhatToDo(err); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// WhyOf shows who made a change, and why.
func WhyOf(n registration.Note) string {
	if n.By == "" && n.Reason == "" {
		return ""
	}
	return n.By + ": " + n.Reason
}

// Message is what to tell of an error; empty if everything is printed already.
func Message(err error) string {
	if err == nil || errors.Is(err, ErrDifferences) {
		return ""
	}
	return err.Error()
}
