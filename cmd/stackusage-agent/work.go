package main

import (
	"context"
	"errors"
	"io"

	"stackusage/agent/config"
)

// work is what the service does until ctx ends. It writes its log to log.
func work(_ context.Context, path string, getenv func(string) string, _ io.Writer) error {
	if _, err := config.Load(path, getenv); err != nil {
		return err
	}
	return errors.New("collecting by configuration is not part of this version: use stackusage-agent collect")
}
