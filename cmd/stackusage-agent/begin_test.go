package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stackusage/agent"
	"stackusage/agent/config"
	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

// configured writes the configuration of an agent whose stack and storage are on
// ports that nobody listens at, and returns it and its spool.
func configured(t *testing.T, more string) (path, dir string) {
	t.Helper()
	root := t.TempDir()
	path = filepath.Join(root, "config.yaml")
	text := fmt.Sprintf(`cloudId: %s
firstHour: %s
stack:
  endpoint: https://127.0.0.1:1
  region: local
  domain: azurestack.external
  providerSubscription: 39c82aed-b2b7-4a66-abdb-611de00bf11e
  infrastructureSubscriptions: [11111111-b2b7-4a66-abdb-611de00bf11e, 39C82AED-b2b7-4a66-abdb-611de00bf11e]
  signIn: {method: clientSecret, tenantId: contoso.invalid, clientId: 7d2d4bbe-0a4c-4a0e-9d4c-0d2d5f1c7a11, secretEnv: STACK_SECRET}
storage:
  blobServiceUri: https://127.0.0.1:1/account
  signIn: {method: managedIdentity}
spool: {dir: %q, minFree: 1MiB}
%s`, cloudID, usage.HourOf(time.Now().Add(-4*time.Hour)), filepath.Join(root, "spool"), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, filepath.Join(root, "spool", cloudID)
}

var stackSecret = map[string]string{"STACK_SECRET": "hidden-value"}

func TestTheSampleHasTheDefaultsOfTheAgent(t *testing.T) {
	conf := config.Default()
	first := usage.HourOf(time.Now())
	conf.FirstHour = &first
	const day = 24 * time.Hour
	mustEqual(t, agent.Settings{
		First: first, Delay: time.Hour, MaxCatchUp: 24, Interval: time.Hour, Jitter: 5 * time.Minute,
		KeepSent: 7 * day, MaxAge: 30 * day, CheckAfter: day,
	}, settings(conf))
	mustEqual(t, spool.Limits{MaxBytes: 10 << 30, MinFree: 1 << 30}, limits(conf))
	mustEqual(t, 30*time.Minute, conf.Timeouts.Upload)
}

func TestTheProviderIsTheFirstOfTheStacksOwn(t *testing.T) {
	path, _ := configured(t, "")
	conf, err := config.Read(path, os.Getenv)
	mustEqual(t, nil, err)
	mustEqual(t, []string{"39c82aed-b2b7-4a66-abdb-611de00bf11e", "11111111-b2b7-4a66-abdb-611de00bf11e"}, header(conf).ProviderSubscriptions)
}

func TestASpoolOfAnotherUserIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	mustEqual(t, nil, checkUser(dir, 1)) // nobody's yet
	s, err := spool.Open(dir)
	mustEqual(t, nil, err)
	s.Close()
	mustEqual(t, nil, checkUser(dir, os.Geteuid()))
	err = checkUser(dir, os.Geteuid()+1)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("belongs to user %d, and this is user %d", os.Geteuid(), os.Geteuid()+1)) {
		t.Errorf("got %v", err)
	}
	t.Run("by every command that would write", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("root alone can give a file away")
		}
		path, dir := configured(t, "")
		s, err := spool.Open(dir)
		mustEqual(t, nil, err)
		s.Close()
		mustEqual(t, nil, os.Chown(filepath.Join(dir, "lock"), 61234, 61234))
		for _, args := range [][]string{{"run"}, {"once"}, {"backfill", "--from", "2024-03-02T12:00:00Z", "--to", "2024-03-02T13:00:00Z"}} {
			got := call(t, stackSecret, append(args, "--config", path)...)
			if got.err == nil || exitCode(got.err) != 1 || !strings.Contains(got.err.Error(), "belongs to user 61234") || !strings.Contains(got.err.Error(), "Run as the user of the service") {
				t.Errorf("%v: %+v", args, got)
			}
		}
	})
}

func TestOnceWithoutAStack(t *testing.T) {
	path, _ := configured(t, "")
	got := call(t, stackSecret, "once", "--config", path)
	if got.err == nil || exitCode(got.err) != 2 || !strings.HasPrefix(got.stdout, "0 hours collected with 0 rows, 0 uploaded; 0 wait to be uploaded; next hour ") {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.err.Error(), "connection refused") || strings.Contains(got.text(), "hidden-value") {
		t.Errorf("got %v", got.err)
	}
	got = call(t, nil, "status", "--config", path) // which needs no secret
	if exitCode(got.err) != 2 || !strings.Contains(got.stdout, "\nopen                 collecting fails, last at ") || !strings.Contains(got.stdout, "connection refused") {
		t.Errorf("got %+v", got)
	}
}

func TestBackfillRefusesRangesThatNoStackTells(t *testing.T) {
	path, _ := configured(t, "")
	hour := func(d time.Duration) string { return usage.HourOf(time.Now().Add(d)).String() }
	for says, args := range map[string][]string{
		"is not after --from": {"--from", hour(-2 * time.Hour), "--to", hour(-2 * time.Hour)},
		"is before":           {"--from", hour(-9 * time.Hour), "--to", hour(-2 * time.Hour)},
		"is in the future":    {"--from", hour(-2 * time.Hour), "--to", hour(2 * time.Hour)},
	} {
		got := call(t, stackSecret, append([]string{"backfill", "--config", path}, args...)...)
		if got.err == nil || exitCode(got.err) != 1 || !strings.Contains(got.err.Error(), says) || got.stdout != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestAPortThatIsTakenKeepsNothingFromRunning(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	mustEqual(t, nil, err)
	defer ln.Close()
	path, _ := configured(t, "metrics: {listen: '"+ln.Addr().String()+"'}\n")
	out := startRun(t, path)
	out.await(t, `"metrics.listen":"`+ln.Addr().String()+`"`)
	out.await(t, `"msg":"hours not collected"`)
	mustEqual(t, nil, out.end())
	out.await(t, `"msg":"agent stopped"`)
}

func TestMetricsEndWithTheAgent(t *testing.T) {
	path, _ := configured(t, "metrics: {listen: '127.0.0.1:0'}\n")
	out := startRun(t, path)
	_, rest, _ := strings.Cut(out.await(t, `"address":"http://`), `"address":"`)
	url, _, _ := strings.Cut(rest, `"`)
	for path, want := range map[string]int{"": http.StatusOK, "/..": http.StatusNotFound, "/../debug": http.StatusNotFound} {
		resp, err := http.Get(url + path)
		mustEqual(t, nil, err)
		resp.Body.Close()
		mustEqual(t, want, resp.StatusCode)
	}
	mustEqual(t, nil, out.end())
	if _, err := http.Get(url); err == nil {
		t.Error("metrics are still served")
	}
}

func TestLongWorkTellsHowFarItIs(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		sp, err := spool.Open(dir)
		mustEqual(t, nil, err)
		defer sp.Close()
		f, err := sp.Create(7)
		mustEqual(t, nil, err)
		mustEqual(t, nil, sp.Seal(f, spool.Entry{Hour: 7, SHA16: "0123456789abcdef"}.Name()))
		var out strings.Builder
		stop := tellProgress(&agent.Agent{Spool: sp, Now: time.Now, Settings: agent.Settings{First: 7}}, &out, 10*time.Second)
		time.Sleep(21 * time.Second)
		stop()
		mustEqual(t, strings.Repeat("stackusage-agent: working; next hour 1970-01-01T08:00Z, 1 wait to be uploaded\n", 2), out.String())
	})
}

func TestTheJournalIsToldPriorities(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, err := newLog(journal{&out}, "debug", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("a")
		log.Info(`level=ERROR "level":"ERROR"`)
		log.Warn("c")
		log.Error("d")
		lines := strings.Split(out.String(), "\n")
		for i, want := range []string{"<7>", "<6>", "<4>", "<3>"} {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: %q, want %s", format, lines[i], want)
			}
		}
	}
}

func TestConfigCheckWarnsOfAFirstHourToCome(t *testing.T) {
	path, _ := configured(t, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := regexp.MustCompile(`(?m)^firstHour: .*$`).ReplaceAll(text, []byte("firstHour: "+usage.HourOf(time.Now().Add(48*time.Hour)).String()))
	if err := os.WriteFile(path, later, 0o600); err != nil {
		t.Fatal(err)
	}
	got := call(t, stackSecret, "config", "check", "--config", path)
	if got.err != nil || !strings.Contains(got.stdout, "warning: firstHour ") {
		t.Errorf("%s%v", got.stdout, got.err)
	}
	if err := os.Chmod(path, 0o646); err != nil {
		t.Fatal(err)
	}
	if got := call(t, stackSecret, "config", "check", "--config", path); got.err == nil || !strings.Contains(got.err.Error(), "others can change it (mode 0646)") {
		t.Errorf("%v", got.err)
	}
}
