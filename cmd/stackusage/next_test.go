package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
)

// TestNextCommandsExist: the commands that findings of the status name are there, with
// their flags.
func TestNextCommandsExist(t *testing.T) {
	files, err := filepath.Glob("../../shared/status/*.go")
	ok(t, err)
	quoted := regexp.MustCompile(`s\.run\("([^"]+)"|"stackusage ([^"]+)"`)
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		ok(t, err)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(m[1] + m[2])
			if len(words) == 0 || strings.Contains(words[0], "%") {
				continue
			}
			seen++
			root := rootCommand(cli.New(unset, os.Stdout, os.Stderr))
			cmd, rest, err := root.Find(words)
			if err != nil || cmd.HasSubCommands() {
				t.Errorf("%s: stackusage %s: %v, %v", filepath.Base(file), strings.Join(words, " "), rest, err)
				continue
			}
			for _, word := range words {
				if flag, is := strings.CutPrefix(word, "--"); is && cmd.Flags().Lookup(flag) == nil {
					t.Errorf("%s has no flag --%s", cmd.CommandPath(), flag)
				}
			}
		}
	}
	if seen < 12 {
		t.Errorf("%d commands", seen)
	}
}
