package front

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"stackusage/shared/activation"
)

// Agent runs the agent's program as an operator does.
type Agent struct {
	Program string
	Front   *Front
}

// Run runs one of its commands, and returns what it prints.
func (a Agent) Run(ctx context.Context, args ...string) (output string, err error) {
	program, err := filepath.Abs(a.Program)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), a.Front.Environment()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("stackusage-agent %s: %w\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Activate makes the configuration of an agent in a folder from an activation key, and fills
// in what an operator has to. One that is there already stays. The identity of the key is the
// managed one.
func (a Agent) Activate(ctx context.Context, folder string, key activation.Key, infrastructure []string) (config string, err error) {
	config = filepath.Join(folder, "config.yaml")
	if _, err := os.Stat(config); err == nil {
		return config, nil
	}
	key.Identity = activation.Identity{Method: activation.ManagedIdentity, ClientID: a.Front.Managed}
	text, err := activation.Encode(key)
	if err != nil {
		return "", err
	}
	if _, err := a.Run(ctx, "activate", text, "--config", config); err != nil {
		return "", err
	}
	if err := a.Front.FillIn(config, filepath.Join(folder, "spool"), infrastructure); err != nil {
		return "", err
	}
	_, err = a.Run(ctx, "config", "check", "--config", config)
	return config, err
}
