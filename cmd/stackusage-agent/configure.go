package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"stackusage/agent/config"
)

// configFlag is --config, which every command has that reads the file.
func configFlag(fs *flag.FlagSet, getenv func(string) string) *string {
	return fs.String("config", config.DefaultPath(getenv), "configuration `file`")
}

// configOnly reads the flags of a command that has no other than --config.
func configOnly(name string, args []string, getenv func(string) string, stderr io.Writer) (path string, err error) {
	fs := flagSet(name, stderr)
	p := configFlag(fs, getenv)
	_, err = parse(fs, args)
	return *p, err
}

// parse reads flags before and after arguments, of which there must be want.
func parse(fs *flag.FlagSet, args []string, want ...string) (values []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			break
		}
		values, args = append(values, fs.Arg(0)), fs.Args()[1:]
	}
	switch {
	case len(values) < len(want):
		return nil, fmt.Errorf("%s: %s is missing", fs.Name(), want[len(values)])
	case len(values) > len(want):
		return nil, fmt.Errorf("%s: argument %.40q is not known", fs.Name(), values[len(want)])
	}
	return values, nil
}

func configure(args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("config: a command is missing: check or sample")
	}
	fs := flagSet("config "+args[0], stderr)
	switch args[0] {
	case "-h", "-help", "--help":
		fmt.Fprint(stderr, about["config"])
		return flag.ErrHelp
	case "sample":
		if _, err := parse(fs, args[1:]); err != nil {
			return err
		}
		_, err := io.WriteString(stdout, config.Sample())
		return err
	case "check":
		path := configFlag(fs, getenv)
		if _, err := parse(fs, args[1:]); err != nil {
			return err
		}
		c, err := config.Load(*path, getenv)
		if err != nil {
			return err
		}
		storage := c.Storage.BlobServiceURI
		if storage == "" {
			storage = "the emulator of " + c.Storage.ConnectionStringEnv
		}
		fmt.Fprintf(stdout, "%s: nothing is wrong\nregistration %s from %s on\nstack %s by %s\nstorage %s, container %s\nspool %s\n",
			*path, c.CloudID, c.FirstHour, c.Stack.Endpoint, c.Stack.SignIn.Method, storage, c.Storage.Container, c.Spool.Dir)
		if c.FirstHour.Start().After(time.Now()) {
			fmt.Fprintf(stdout, "warning: firstHour %s is in the future, nothing is collected until then: set it to the hour in which the stack was registered\n", c.FirstHour)
		}
		return nil
	}
	return fmt.Errorf("config: command %.40q is not known: check or sample", args[0])
}
