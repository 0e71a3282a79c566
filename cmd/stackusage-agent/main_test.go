package main

import (
	"bytes"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// result is what a run leaves behind.
type result struct {
	stdout, stderr string
	err            error
}

// text is all that a run shows to anybody.
func (r result) text() string { return fmt.Sprintln(r.stdout, r.stderr, r.err) }

func call(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, func(key string) string { return env[key] }, &stdout, &stderr)
	return result{stdout.String(), stderr.String(), err}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"-h"}, {"-help"}, {"--help"}} {
		got := call(t, nil, args...)
		if got.err != nil || got.stderr != "" || !strings.HasPrefix(got.stdout, "stackusage-agent collects usage") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	t.Run("of a command says what it does, and is told apart from a failure", func(t *testing.T) {
		for _, command := range []string{"activate", "config", "config check", "config sample", "doctor", "run", "once", "backfill", "status"} {
			got := call(t, nil, append(strings.Fields(command), "--help")...)
			if got.err != flag.ErrHelp || !strings.HasPrefix(got.stderr, "stackusage-agent "+strings.Fields(command)[0]+" ") || strings.Count(got.stderr, "\n") < 3 {
				t.Errorf("%s --help: %+v", command, got)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	if got := call(t, nil, "version"); got.err != nil || !strings.HasPrefix(got.stdout, "stackusage-agent "+version+" ("+runtime.Version()+" "+runtime.GOOS) || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestACommandThatIsNotKnownIsNamed(t *testing.T) {
	if got := call(t, nil, "colect"); got.err == nil || got.err.Error() != `command "colect" is not known; stackusage-agent --help lists them` {
		t.Errorf("got %v", got.err)
	}
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
