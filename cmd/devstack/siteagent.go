package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runAgent runs the real agent over all reported hours of the stack.
func (s *site) runAgent(ctx context.Context) error {
	spool, err := s.folder("spool")
	if err != nil {
		return err
	}
	return s.agent(ctx, spool)
}

func (s *site) agent(ctx context.Context, spool string) error {
	return s.agentUntil(ctx, spool, s.stack.End())
}

// agentUntil runs it over the reported hours before end.
func (s *site) agentUntil(ctx context.Context, spool string, end time.Time) error {
	first := s.stack.First()
	s.progress("agent collects %d reported hours, %s to %s", int(end.Sub(first)/time.Hour), first.Format(time.RFC3339), end.Format(time.RFC3339))
	program, err := filepath.Abs(s.o.agent)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, "collect",
		"--endpoint", s.stackURL, "--provider", s.stack.Provider(), "--cloud-id", cloudID,
		"--region", s.stack.Region(), "--domain", s.stack.Domain(),
		"--infrastructure", strings.Join(s.stack.InfrastructureSubscriptions(), ","),
		"--from", first.Format(time.RFC3339), "--to", end.Format(time.RFC3339),
		"--spool", spool, "--log-level", "warn")
	cmd.Env = append(os.Environ(), "STACK_TOKEN="+stackToken, "LandingStorage="+s.settings["LandingStorage"])
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run agent: %w\n%s", err, out)
	}
	s.progress("agent: %s", strings.TrimSpace(string(out)))
	return nil
}
