// Package external checks with tools of others what the programs make and the pages say: make check-external.
package external

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// python is a Python of 3.12 or later. Where pyenv chooses among several, its
// environment names one.
type python struct{ command, version string }

func (p python) cmd(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.command, args...)
	if p.version != "" {
		cmd.Env = append(os.Environ(), "PYENV_VERSION="+p.version)
	}
	return cmd
}

// findPython runs every Python that there is, the oldest first, until one is new enough:
// what is pinned has no wheels for all later ones.
func findPython(ctx context.Context) (python, error) {
	versions := []string{""}
	if out, err := exec.CommandContext(ctx, "pyenv", "versions", "--bare").Output(); err == nil {
		versions = append(versions, strings.Fields(string(out))...)
	}
	var commands []string
	for minor := 12; minor < 20; minor++ {
		commands = append(commands, fmt.Sprintf("python3.%d", minor))
	}
	for _, command := range append(commands, "python3") {
		for _, version := range versions {
			p := python{command, version}
			if p.cmd(ctx, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 12))").Run() == nil {
				return p, nil
			}
		}
	}
	return python{}, errors.New("no Python 3.12 or later with venv is there: neither python3.12 and later, nor python3, nor one of pyenv")
}

// environment is the folder of a virtual environment with what the requirements.txt of a
// folder beside this file pins. It is made once: dist is removed by make clean.
func environment(ctx context.Context, name string) (dir string, err error) {
	wanted := filepath.Join(name, "requirements.txt")
	pins, err := os.ReadFile(wanted)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(filepath.Join("..", "..", "dist", "external", name)); err != nil {
		return "", err
	}
	done := filepath.Join(dir, "requirements.txt")
	if have, err := os.ReadFile(done); err == nil && bytes.Equal(have, pins) {
		return dir, nil
	}
	p, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	for _, cmd := range []*exec.Cmd{
		p.cmd(ctx, "-m", "venv", "--clear", dir),
		exec.CommandContext(ctx, filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--no-compile", "--disable-pip-version-check", "--no-deps", "--requirement", wanted),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
		}
	}
	return dir, os.WriteFile(done, pins, 0o644)
}
