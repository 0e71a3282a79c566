package main

import (
	"context"
	"time"

	"stackusage/cmd/devstack/front"
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
	folder, err := s.folder(name)
	if err != nil {
		return err
	}
	agent, hour := front.Agent{Program: s.o.agent, Front: s.front}, usage.HourOf(first)
	config, err := agent.Activate(ctx, folder, activation.Key{
		BlobServiceURI: l.landingURL, Container: landing.Container(l.cloudID), CloudID: l.cloudID,
		Stack: activation.Stack{
			Region: l.stack.Region(), Domain: l.stack.Domain(), Endpoint: l.stackTLS, ProviderSubscription: l.stack.Provider(),
		},
		Rules: &activation.Rules{FirstHour: &hour},
	}, l.stack.InfrastructureSubscriptions()[1:])
	if err != nil {
		return err
	}
	s.progress("agent collects %d reported hours, %s to %s", int(end.Sub(first)/time.Hour), first.Format(time.RFC3339), end.Format(time.RFC3339))
	out, err := agent.Run(ctx, "once", "--config", config, "--to", end.Format(time.RFC3339))
	if err == nil {
		s.progress("agent: %s", out)
	}
	return err
}
