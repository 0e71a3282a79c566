package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// TestTheAgentByItsConfiguration runs the program as an operator does, command by
// command.
func TestTheAgentByItsConfiguration(t *testing.T) {
	t.Parallel()
	const hours = 30
	s := newAgentSite(t, hours, "  maxCatchUp: 7", "")
	expect := func(t *testing.T, code int, stdout, stderr string, name string, args ...string) (out string) {
		t.Helper()
		got, out, errs := s.agent(t, name, args...)
		if got != code || !match(stdout, out) || !match(stderr, errs) {
			t.Fatalf("%s: exit code %d, want %d\nstdout, want %s\n%sstderr, want %s\n%s", name, got, code, stdout, out, stderr, errs)
		}
		return out
	}
	at := func(n int) string { return usage.Point(s.first.Add(time.Duration(n) * time.Hour)) }
	rfc := func(n int) string { return s.first.Add(time.Duration(n) * time.Hour).Format(time.RFC3339) } // as JSON has it
	once := map[time.Time]int{}
	for n := range hours {
		once[s.first.Add(time.Duration(n)*time.Hour)] = 1
	}

	t.Run("status before anything says so", func(t *testing.T) {
		expect(t, 2, `^registration +`+cloudID+`\nspool +\S+\nopen +no agent has run: .*\n$`, `^stackusage-agent: 1 open\n$`, "status")
	})
	t.Run("once collects all that is due, in as many rounds as it takes", func(t *testing.T) {
		expect(t, 0, fmt.Sprintf(`^%d hours collected with %d rows, %[1]d uploaded; 0 wait to be uploaded; next hour %[3]s\n$`, hours, 3*hours, at(hours)), `^(.* working; .*\n)*$`, "once")
		if diff := cmp.Diff(once, s.landed(t)); diff != "" {
			t.Errorf("landed (-want +got)\n%s", diff)
		}
	})
	t.Run("status tells what is there", func(t *testing.T) {
		expect(t, 0, `(?s)\nlast hour uploaded +`+at(hours-1)+`, at \d{4}-\d\d-\d\dT\d\d:\d\dZ\nnext hour +`+at(hours)+
			`\nwaiting for upload +0 hours, 0 bytes\nlast error +none\nopen +nothing\n$`, `^$`, "status")
		var got struct {
			CloudID, NextHour, LastUploadedHour string
			BacklogHours                        int
			Open                                []string
		}
		must(t, json.Unmarshal([]byte(expect(t, 0, ``, `^$`, "status", "--json")), &got))
		if got.CloudID != cloudID || got.NextHour != rfc(hours) || got.LastUploadedHour != rfc(hours-1) || got.BacklogHours != 0 || got.Open == nil || len(got.Open) > 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("backfill collects a range again, and says what that means in Azure", func(t *testing.T) {
		expect(t, 0, `^collecting 3 hours from `+at(4)+` up to `+at(7)+`\n3 hours collected with 9 rows: 0 for the first time, 3 again; 3 uploaded\n(?s).*\n  stackusage hour list --verdict conflict\n$`,
			`^$`, "backfill", "--from", at(4), "--to", at(7))
		want := map[time.Time]int{}
		for n := range hours {
			want[s.first.Add(time.Duration(n)*time.Hour)] = 1
			if n >= 4 && n < 7 {
				want[s.first.Add(time.Duration(n)*time.Hour)] = 2
			}
		}
		if diff := cmp.Diff(want, s.landed(t)); diff != "" {
			t.Errorf("landed (-want +got)\n%s", diff)
		}
	})
	t.Run("what cannot be uploaded is open until it is", func(t *testing.T) {
		_, err := s.blobs.DeleteContainer(t.Context(), landing.Container(cloudID), nil)
		must(t, err)
		expect(t, 2, `1 hour collected .* 0 uploaded`, `ContainerNotFound`, "backfill", "--from", at(0), "--to", at(1))
		expect(t, 2, `waiting for upload +1 hour, [1-9]\d* bytes\noldest of these +`+at(0)+`\nopen +uploading fails, last at .*Z: upload landing-\S+: 404 ContainerNotFound \(.*\)\n$`, `^stackusage-agent: 1 open\n$`, "status")
		expect(t, 2, `^0 hours collected with 0 rows, 0 uploaded; 1 wait to be uploaded; `, `ContainerNotFound`, "once")
		_, err = s.blobs.CreateContainer(t.Context(), landing.Container(cloudID), nil)
		must(t, err)
		expect(t, 0, `^0 hours collected with 0 rows, 1 uploaded; 0 wait to be uploaded; `, `^$`, "once")
		expect(t, 0, `\nlast error .*\(fixed since\)\nopen +nothing\n$`, `^$`, "status")
	})
	t.Run("run keeps others from its spool, and ends when it is told to", func(t *testing.T) {
		agent := s.start(t)
		expect(t, 1, `^$`, fmt.Sprintf(`is used by the agent with pid %d: stop that one first`, agent.cmd.Process.Pid), "once")
		expect(t, 1, `^$`, fmt.Sprintf(`with pid %d: `, agent.cmd.Process.Pid), "backfill", "--from", at(0), "--to", at(1))
		expect(t, 1, `^$`, fmt.Sprintf(`with pid %d: `, agent.cmd.Process.Pid), "run")
		resp, err := http.Get(agent.metrics)
		must(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		must(t, err)
		for _, want := range []string{"\nstackusage_agent_backlog_hours 0\n", "\nstackusage_agent_hours_collected_total 0\n", "\nstackusage_agent_retries_total 0\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %q in the metrics", want)
			}
		}
		agent.terminate(t)
		expect(t, 0, `open +nothing`, `^$`, "status")
	})
	t.Run("one that is killed is followed by the next", func(t *testing.T) {
		agent := s.start(t)
		must(t, agent.cmd.Process.Kill())
		agent.cmd.Wait()
		s.start(t).terminate(t)
	})
}

func match(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// service is a program that was started by run.
type service struct {
	cmd     *exec.Cmd
	metrics string // URL
	log     io.ReadCloser
}

// start starts run and waits until it serves metrics.
func (s *agentSite) start(t *testing.T) service {
	t.Helper()
	agent := service{cmd: s.command("run")}
	var err error
	agent.log, err = agent.cmd.StderrPipe()
	must(t, err)
	must(t, agent.cmd.Start())
	t.Cleanup(func() { agent.cmd.Process.Kill() }) // no more than an error if it has ended
	lines := bufio.NewScanner(agent.log)
	for lines.Scan() {
		if m := regexp.MustCompile(`msg="metrics served" address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			agent.metrics = m[1]
			go io.Copy(io.Discard, agent.log) // or it would wait for who reads
			return agent
		}
		fmt.Fprintln(os.Stderr, lines.Text())
	}
	t.Fatalf("run has ended: %v", agent.cmd.Wait())
	return agent
}

// terminate is what systemd does.
func (a service) terminate(t *testing.T) {
	t.Helper()
	must(t, a.cmd.Process.Signal(syscall.SIGTERM))
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("run ended with %v", err)
	}
}
