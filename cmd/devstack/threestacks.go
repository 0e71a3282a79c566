package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/cmd/devstack/story"
	"stackusage/internal/devstack/azurestack/scenarios"
	"stackusage/internal/devstack/loopback"
)

// tellStory makes the scenario three-stacks.
func (s *site) tellStory(ctx context.Context) error {
	landing, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		return err
	}
	of := story.Site{
		Declined: scenarios.DeclinedMeter, Dir: s.dir, Landing: landing, Tool: s.tool, Progress: s.progress, Decline: s.decline, Settle: s.settle,
		Agent: func(ctx context.Context, stack, folder string, first, end time.Time) error {
			for _, l := range s.stacks {
				if l.name == stack {
					return s.agent(ctx, l, "agent-"+folder, first, end)
				}
			}
			return fmt.Errorf("no stack %s", stack)
		},
	}
	for _, l := range s.stacks {
		of.Stacks = append(of.Stacks, story.Stack{Name: l.name, CloudID: l.cloudID, Billing: l.billing, Region: l.stack.Region(), Directory: l.customers()[0],
			First: l.stack.First(), End: l.stack.End(), Infrastructure: l.stack.InfrastructureSubscriptions()})
	}
	return story.Tell(ctx, of)
}

// tool runs the operator's tool.
func (s *site) tool(ctx context.Context, args ...string) (string, error) {
	program, err := filepath.Abs(s.o.tool)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "UsageStorage="+s.settings["UsageStorage"], "LandingStorage="+s.settings["LandingStorage"])
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("stackusage %s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// decline makes commerce decline a meter; with none it behaves again.
func (s *site) decline(ctx context.Context, meter string) error {
	method, body := http.MethodPost, fmt.Sprintf(`{"rejectMeter":%q}`, meter)
	if meter == "" {
		method, body = http.MethodDelete, ""
	}
	return loopback.Tell(ctx, method, s.commerce+"/_devstack/faults", body)
}

// settle sweeps until done says so and nothing has moved for some sweeps.
func (s *site) settle(ctx context.Context, done func(context.Context) (bool, error)) error {
	last, still, began := "", 0, time.Now()
	for still < 4 {
		if err := s.sweep(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
		st, err := s.status(ctx)
		if err != nil {
			return err
		}
		busy := len(st.OpenRevisions) > 0
		for _, n := range st.Queues {
			busy = busy || n > 0
		}
		ingested, counted, err := s.hours(ctx)
		if err != nil {
			return err
		}
		now := fmt.Sprintf("%d hours ingested, %d days open", ingested, len(st.OpenDays))
		if still++; busy || now != last {
			last, still = now, 0
		}
		if still == 3 {
			ok, err := done(ctx)
			if err != nil {
				return err
			}
			if !ok {
				still = 0
			}
		}
		if time.Since(began) > stuck+time.Minute {
			return fmt.Errorf("it does not settle: %s of them %d accepted, queues %v", now, counted, st.Queues)
		}
	}
	s.progress("%s", last)
	return nil
}
