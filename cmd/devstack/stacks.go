package main

import (
	"time"

	"stackusage/cmd/devstack/front"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
)

// local is a simulated stack and its registration.
type local struct {
	name    string // of the registration; empty: the registration has none of its own
	cloudID string
	billing string // the Azure subscription that is charged

	stack                          *azurestack.Stack
	stackURL, stackTLS, landingURL string // stackURL is without TLS, for its doors: /_devstack
}

// startStacks starts what the agents meet.
func (s *site) startStacks() (err error) {
	if s.front, err = front.Start(s.dir); err != nil {
		return err
	}
	s.closers = append(s.closers, s.front.Stop)
	names := scenarios.Stacks(s.o.scenario)
	if names == nil || s.o.recordings != "" {
		s.stacks = []*local{{cloudID: cloudID, billing: billingSubscription}}
	}
	for _, name := range names {
		s.stacks = append(s.stacks, &local{name: name, cloudID: azurestack.GUID("registration", name), billing: azurestack.GUID("billing", name)})
	}
	s.local = s.stacks[0]
	for i, l := range s.stacks {
		if err := s.startStack(l, s.o.ports.Stack(i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) startStack(l *local, port int) error {
	scenario := s.o.scenario
	if l.name != "" {
		scenario += "/" + l.name
	}
	source, err := scenarios.Generate(scenario, s.o.seed)
	if s.o.recordings != "" {
		source, err = azurestack.Recordings(s.o.recordings)
	}
	if err != nil {
		return err
	}
	l.stack, err = azurestack.New(source, azurestack.Options{
		KeysURL: s.front.Issuer.KeysURL(), KeysClient: s.front.Client, LoginEndpoint: s.front.Issuer.LoginEndpoint(), Audience: front.StackAudience, Now: l.time,
	})
	if err != nil {
		return err
	}
	if l.stackTLS, err = s.front.Serve(port, l.stack); err != nil {
		return err
	}
	l.stackURL, err = s.serve(0, l.stack)
	return err
}

// time is the stack's clock: never before the end of what it serves, so that a
// recording of the last hours can be played to its end.
func (l *local) time() time.Time {
	now := time.Now()
	if end := l.stack.End(); now.Before(end) {
		return end
	}
	return now
}
