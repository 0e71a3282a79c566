package azurite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

var install sync.Mutex

// Install makes sure that the pinned Azurite is in test/azurite and returns
// its main script. Several test binaries may call it at once: the first one
// installs, the others wait.
func Install(ctx context.Context) (script string, err error) {
	install.Lock()
	defer install.Unlock()
	root, err := moduleRoot()
	if err != nil {
		return "", fmt.Errorf("install azurite: %w", err)
	}
	dir := filepath.Join(root, "test", "azurite")
	script = filepath.Join(dir, "node_modules", "azurite", "dist", "src", "azurite.js")
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("install azurite: %w", err)
	}
	stamp := filepath.Join(dir, "node_modules", ".stackusage-installed")
	installed := func() bool {
		have, err := os.ReadFile(stamp)
		return err == nil && bytes.Equal(have, lock)
	}
	if installed() { // without the lock, which needs a folder that can be written
		return script, nil
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", fmt.Errorf("install azurite: %w", err)
	}
	defer unlock()
	if installed() { // by whoever held the lock before
		return script, nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-progress", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install azurite: npm ci in %s: %w\n%s(Node 20 or later with npm is needed)", dir, err, out)
	}
	if err := os.WriteFile(stamp, lock, 0o644); err != nil {
		return "", fmt.Errorf("install azurite: %w", err)
	}
	return script, nil
}

// moduleRoot is the nearest folder with a go.mod above the working directory
// or, for a program that was built into the checkout, above the program.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if root, ok := rootAbove(dir); ok {
		return root, nil
	}
	if program, err := os.Executable(); err == nil {
		if root, ok := rootAbove(filepath.Dir(program)); ok {
			return root, nil
		}
	}
	return "", errors.New("no checkout (test/azurite/package-lock.json) above the working directory or the program: run inside a checkout")
}

func rootAbove(dir string) (string, bool) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "test", "azurite", "package-lock.json")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
