package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const tempPrefix = "stackusage-handler-"

// staleAfter is when a folder of temporary files is nobody's any more: well
// after the longest invocation.
const staleAfter = 2 * time.Hour

// makeTemp makes this process's folder for temporary files and removes those
// of processes that were killed: the host ends a handler without asking, and
// the disk of an instance is small.
func makeTemp(base string, now time.Time) (string, error) {
	left, err := filepath.Glob(filepath.Join(base, tempPrefix+"*"))
	if err != nil {
		return "", fmt.Errorf("look for temporary folders: %w", err)
	}
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && now.Sub(info.ModTime()) > staleAfter {
			os.RemoveAll(dir) // another process may be at it
		}
	}
	dir, err := os.MkdirTemp(base, tempPrefix)
	if err != nil {
		return "", fmt.Errorf("make temporary folder: %w", err)
	}
	return dir, nil
}
