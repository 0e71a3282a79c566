package external

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

// site is devstack up with the scenario three-stacks.
type site struct {
	settings        map[string]string // what the tool reads from the environment
	commerce, sweep string
}

var (
	setting = regexp.MustCompile(`(\w+)='([^']*)'`)
	billAt  = regexp.MustCompile(`^bill +(http\S+)/v1/bill`)
	sweepAt = regexp.MustCompile(`^run Sweep now +curl -X POST (\S+)`)
)

// patience is what one step may take on a busy machine.
const patience = 5 * time.Minute

// threeStacks runs the scenario, until the test ends.
func threeStacks(t *testing.T) *site {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dist/bin/devstack", "up", "--scenario", "three-stacks", "--out", t.TempDir())
	cmd.Dir = "../.."
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	t.Cleanup(func() { cmd.Wait() }) // its context is done before
	s := &site{settings: map[string]string{}}
	lines, running := bufio.NewScanner(out), false
	for !running && lines.Scan() {
		line := lines.Text()
		if m := billAt.FindStringSubmatch(line); m != nil {
			s.commerce = m[1]
		}
		if m := sweepAt.FindStringSubmatch(line); m != nil {
			s.sweep = m[1]
		}
		if strings.HasPrefix(line, "  export ") {
			for _, m := range setting.FindAllStringSubmatch(line, -1) {
				s.settings[m[1]] = m[2]
			}
		}
		running = strings.HasPrefix(line, "running;")
	}
	if !running || s.commerce == "" || s.sweep == "" || s.settings["UsageStorage"] == "" {
		t.Fatalf("devstack up does not run: %v", lines.Err())
	}
	go io.Copy(io.Discard, out)
	return s
}

// environ is the environment of a program that uses the storage.
func (s *site) environ() []string {
	all := os.Environ()
	for name, value := range s.settings {
		all = append(all, name+"="+value)
	}
	return all
}

// tool runs the built stackusage; exit code 2 means that there is something to do.
func (s *site) tool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../dist/bin/stackusage", args...)
	cmd.Env = s.environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 2 {
		t.Fatalf("stackusage %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// decides runs a command that needs a reason.
func (s *site) decides(t *testing.T, args ...string) {
	t.Helper()
	s.tool(t, append(args, "--reason", "the queries need an answer", "--by", "operator")...)
}

// until sweeps until a command prints a text.
func (s *site) until(t *testing.T, text string, args ...string) {
	t.Helper()
	for began := time.Now(); !strings.Contains(s.tool(t, append(args, "--output", "json")...), text); time.Sleep(time.Second) {
		if time.Since(began) > patience {
			t.Fatalf("stackusage %s does not print %s:\n%s", strings.Join(args, " "), text, s.tool(t, args...))
		}
		s.post(t, s.sweep, `{"input":""}`)
	}
}

func (s *site) post(t *testing.T, address, body string) {
	t.Helper()
	resp, err := http.Post(address, "application/json", strings.NewReader(body))
	ok(t, err)
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("POST %s: HTTP %d", address, resp.StatusCode)
	}
}

// account is the storage that a setting names.
func (s *site) account(t *testing.T, name string) *azurestore.Account {
	t.Helper()
	account, err := azurestore.Connect(func(name string) string { return s.settings[name] }, name)
	ok(t, err)
	return account
}

// hourBlob names an hour blob.
type hourBlob struct{ CloudID, SHA16 string }

// hourBlob is the first file that hour list has of a reported hour.
func (s *site) hourBlob(t *testing.T, stack, hour string) (file hourBlob) {
	t.Helper()
	day := hour[:len(time.DateOnly)]
	out := json.NewDecoder(strings.NewReader(s.tool(t, "hour", "list", "--registration", stack, "--from", day, "--to", day, "--output", "json")))
	for {
		var row struct {
			hourBlob
			Hour time.Time
		}
		ok(t, out.Decode(&row))
		if usage.Point(row.Hour) == hour {
			return row.hourBlob
		}
	}
}

// moveTenants stores another file of an hour with the same rows, in which every
// subscription has another tenant, and has it accepted.
func (s *site) moveTenants(t *testing.T, stack, hour string) {
	t.Helper()
	at, err := usage.ParsePoint(hour)
	ok(t, err)
	blobs := s.account(t, "LandingStorage").Blobs
	old := s.hourBlob(t, stack, hour)
	name, err := landing.ParseName(landing.Container(old.CloudID), at.Format("2006/01/02/15-")+old.SHA16+".ndjson.gz")
	ok(t, err)
	body, _, err := blobs.Open(t.Context(), name.Container(), name.Blob())
	ok(t, err)
	defer body.Close()
	r, err := landing.NewReader(body, name, landing.Limits{})
	ok(t, err)
	defer r.Close()
	header := r.Header()
	header.CollectedAt = header.CollectedAt.Add(time.Hour)
	for id := range header.Tenants {
		header.Tenants[id] = "99999999-9999-4999-8999-999999999999"
	}
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, header)
	ok(t, err)
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		ok(t, w.Row(slices.Clone(line.Bytes)))
	}
	_, _, err = w.Close(1)
	ok(t, err)
	moved := landing.NameOf(name.CloudID, name.Hour, sha256.Sum256(file.Bytes()))
	ok(t, blobs.PutWhole(t.Context(), moved.Container(), moved.Blob(), nopCloser{bytes.NewReader(file.Bytes())}))
	s.until(t, "duplicate", "hour", "list", "--registration", stack, "--verdict", "duplicate")
	s.decides(t, "hour", "resolve", "--registration", stack, "--hour", hour, "--sha16", moved.SHA16, "--supersede")
	s.until(t, `"tenant"`, "finding", "list", "--registration", stack)
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// failTwice has a message fail, be sent again by an operator, and fail once more.
func (s *site) failTwice(t *testing.T, stack, day string) {
	t.Helper()
	d, err := usage.ParseDay(day)
	ok(t, err)
	text := queue.DayMessage(s.hourBlob(t, stack, day+"T05:00Z").CloudID, d)
	queues := s.account(t, "UsageStorage").Queues
	ok(t, queues.Enqueue(t.Context(), queue.Poison(queue.Days), text, 0))
	s.until(t, `"state":"failed"`, "message", "list")
	var failed struct{ ID string }
	ok(t, json.Unmarshal([]byte(s.tool(t, "message", "list", "--output", "json")), &failed))
	s.decides(t, "message", "resend", "--queue", queue.Days, "--id", failed.ID)
	ok(t, queues.Enqueue(t.Context(), queue.Poison(queue.Days), text, 0))
	s.until(t, `"times":2`, "message", "list", "--all")
}
