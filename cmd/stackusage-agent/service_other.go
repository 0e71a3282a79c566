//go:build !windows

package main

import (
	"context"
	"errors"
	"io"
)

func service(context.Context, []string, func(string) string, io.Writer, io.Writer, func(context.Context, string, func(string) string, io.Writer) error) error {
	return errors.New("service: is for Windows; here systemd starts the agent: see stackusage-agent.service")
}
