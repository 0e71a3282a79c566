package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// runAgent runs the real agent over all reported hours of the stack.
func (s *site) runAgent(ctx context.Context) error { return s.agentUntil(ctx, s.stack.End()) }

// agentUntil runs it over the reported hours before end.
func (s *site) agentUntil(ctx context.Context, end time.Time) error {
	return s.agent(ctx, s.local, firstAgent, s.stack.First(), end)
}

// firstAgent is the folder of the agent's configuration and spool.
const firstAgent = "agent"

// agent runs the agent of a folder, made for the reported hours from first on.
func (s *site) agent(ctx context.Context, l *local, name string, first, end time.Time) error {
	config, err := s.activateAgent(ctx, l, name, first)
	if err != nil {
		return err
	}
	s.progress("agent collects %d reported hours, %s to %s", int(end.Sub(first)/time.Hour), first.Format(time.RFC3339), end.Format(time.RFC3339))
	out, err := s.command(ctx, "once", "--config", config, "--to", end.Format(time.RFC3339))
	if err == nil {
		s.progress("agent: %s", out)
	}
	return err
}

// command runs one of the agent's commands as an operator does.
func (s *site) command(ctx context.Context, args ...string) (output string, err error) {
	program, err := filepath.Abs(s.o.agent)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), s.front.Environment()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("stackusage-agent %s: %w\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// activateAgent makes the configuration of an agent from an activation key, and fills
// in what an operator has to. One that is there already stays.
func (s *site) activateAgent(ctx context.Context, l *local, name string, first time.Time) (config string, err error) {
	folder, err := s.folder(name)
	if err != nil {
		return "", err
	}
	config = filepath.Join(folder, "config.yaml")
	if _, err := os.Stat(config); err == nil {
		return config, nil
	}
	key, err := s.activationKey(l, usage.HourOf(first))
	if err != nil {
		return "", err
	}
	if _, err := s.command(ctx, "activate", key, "--config", config); err != nil {
		return "", err
	}
	if err := s.front.FillIn(config, filepath.Join(folder, "spool"), l.stack.InfrastructureSubscriptions()[1:]); err != nil {
		return "", err
	}
	_, err = s.command(ctx, "config", "check", "--config", config)
	return config, err
}

// activationKey is the key of a registration.
func (s *site) activationKey(l *local, first usage.Hour) (string, error) {
	return activation.Encode(activation.Key{
		BlobServiceURI: l.landingURL, Container: landing.Container(l.cloudID), CloudID: l.cloudID,
		Identity: activation.Identity{Method: activation.ManagedIdentity, ClientID: s.front.Managed},
		Stack: activation.Stack{
			Region: l.stack.Region(), Domain: l.stack.Domain(), Endpoint: l.stackTLS, ProviderSubscription: l.stack.Provider(),
		},
		Rules: &activation.Rules{FirstHour: &first},
	})
}
