// Package npm installs tools from npm that are pinned by a package-lock.json in
// the checkout: Azurite, the grammar that checks the templates, markdownlint, and axe-core.
package npm

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

// Install makes sure that what folder (slashes, below the checkout's root) pins
// is in its node_modules, and returns the folder's path. Several test binaries
// may call it at once: the first one installs, the others wait.
func Install(ctx context.Context, folder string) (dir string, err error) {
	install.Lock()
	defer install.Unlock()
	if dir, err = find(filepath.FromSlash(folder)); err == nil {
		err = installIn(ctx, dir)
	}
	if err != nil {
		return "", fmt.Errorf("install %s: %w", folder, err)
	}
	return dir, nil
}

func installIn(ctx context.Context, dir string) error {
	lock, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return err
	}
	stamp := filepath.Join(dir, "node_modules", ".stackusage-installed")
	installed := func() bool {
		have, err := os.ReadFile(stamp)
		return err == nil && bytes.Equal(have, lock)
	}
	if installed() { // without the lock, which needs a folder that can be written
		return nil
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if installed() { // by whoever held the lock before
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-progress", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s(Node 20 or later with npm is needed)", dir, err, out)
	}
	return os.WriteFile(stamp, lock, 0o644)
}

const lockName = "package-lock.json"

// find looks for the folder above the working directory or, for a program that
// was built into the checkout, above the program.
func find(folder string) (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	starts := []string{wd}
	if program, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			found := filepath.Join(dir, folder)
			if _, err := os.Stat(filepath.Join(found, lockName)); err == nil {
				return found, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", errors.New("no checkout with its " + lockName + " above the working directory or the program: run inside a checkout")
}
