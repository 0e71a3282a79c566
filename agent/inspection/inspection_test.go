package inspection

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// TestConcern: whether hours are missing follows from the files, and what was said
// last explains it.
func TestConcern(t *testing.T) {
	now := time.Date(2024, 3, 12, 12, 0, 0, 0, time.UTC)
	next := func(ago time.Duration) usage.Hour { return usage.HourOf(now.Add(-ago - 2*time.Hour)) } // due so long ago
	failure := &status.Failure{Step: "collect", Text: "sign in: the secret is wrong", Time: now}
	failing := func(h usage.Hour, waiting bool) []status.FailingHour {
		return []status.FailingHour{{Hour: h, Trouble: status.Trouble{Tries: 7, Text: "504 GatewayTimeout", Waiting: waiting}}}
	}
	day := 24 * time.Hour
	for name, tt := range map[string]struct {
		status *status.Status
		lag    time.Duration
		first  usage.Hour
		full   error
		want   string // how it begins, or what is in it; empty for no concern
	}{
		"in time":                               {&status.Status{Updated: now}, time.Hour, 0, nil, ""},
		"a few hours":                           {&status.Status{Updated: now}, 5 * time.Hour, 0, nil, ""},
		"never run":                             {nil, 0, 0, nil, "no agent has run"},
		"dead":                                  {&status.Status{Updated: now.Add(-7 * time.Hour), NextRound: now.Add(-6 * time.Hour)}, 7 * time.Hour, 0, nil, "the agent has reported nothing since 2024-03-12T05:00Z"},
		"dead, and its clock was set back":      {&status.Status{Updated: now.Add(30 * day), NextRound: now.Add(30 * day)}, 7 * time.Hour, 0, nil, "the agent has reported nothing since"},
		"stopped cleanly ten days ago":          {&status.Status{Updated: now.Add(-10 * day)}, 10 * day, 0, nil, "10 d after it was due, as the agent has reported nothing since"},
		"crash-looping, with an old error":      {&status.Status{Updated: now.Add(-9 * time.Hour), NextRound: now.Add(-9 * time.Hour), CollectError: failure}, 9 * time.Hour, 0, nil, "see whether it runs, and its log"},
		"refused":                               {&status.Status{Updated: now, CollectError: failure}, 9 * time.Hour, 0, nil, "collecting fails: sign in: the secret is wrong: see which link stackusage-agent doctor finds broken"},
		"one hour that fails":                   {&status.Status{Updated: now, FailingHours: failing(next(9*time.Hour), false)}, 9 * time.Hour, 0, nil, "7 tries failed: 504 GatewayTimeout: look at the stack's health"},
		"a day that is not told yet":            {&status.Status{Updated: now, FailingHours: failing(next(25*time.Hour), true)}, 25 * time.Hour, 0, nil, ""},
		"stalled on not yet":                    {&status.Status{Updated: now, FailingHours: failing(next(31*time.Hour), true)}, 31 * time.Hour, 0, nil, "7 tries failed"},
		"full":                                  {&status.Status{Updated: now}, 9 * time.Hour, 0, errors.New("x"), "the spool is full: x"},
		"catching up":                           {&status.Status{Updated: now}, 9 * time.Hour, 0, nil, "the agent catches up"},
		"firstHour in the future":               {&status.Status{Updated: now}, 0, usage.HourOf(now.Add(400 * day)), nil, "firstHour 2025-04-16T12:00Z is in the future"},
		"firstHour in the future, before a run": {nil, 0, usage.HourOf(now.Add(day)), nil, "firstHour"},
	} {
		t.Run(name, func(t *testing.T) {
			i := Inspection{Status: tt.status, Lag: tt.lag, Next: next(tt.lag)}
			got := i.concern(agent.Settings{First: tt.first, Delay: time.Hour}, tt.full, now)
			if (got == nil) != (tt.want == "") || got != nil && (!strings.Contains(got.String(), tt.want) || got.Advice == "") {
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}

func TestOpenPoints(t *testing.T) {
	now := time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC)
	hour := usage.HourOf(now)
	failure := &status.Failure{Step: "upload", Text: "a", Time: now}
	for name, tt := range map[string]struct {
		status status.Status
		full   error
		want   []string
	}{
		"nothing":                         {status.Status{LastError: failure}, nil, nil},
		"collecting fails":                {status.Status{CollectError: failure}, nil, []string{"collecting fails, last at 2024-03-02T12:00Z: a"}},
		"both fail":                       {status.Status{CollectError: failure, UploadError: failure}, nil, []string{"collecting fails, last at 2024-03-02T12:00Z: a", "uploading fails, last at 2024-03-02T12:00Z: a"}},
		"an hour":                         {status.Status{FailingHours: []status.FailingHour{{Hour: hour, Trouble: status.Trouble{Tries: 2, Since: now, Next: now, Text: "b"}}}}, nil, []string{"hour 2024-03-02T12:00Z is not collected after 2 tries since 2024-03-02T12:00Z, next at 2024-03-02T12:00Z: b"}},
		"an hour that is young":           {status.Status{FailingHours: []status.FailingHour{{Hour: hour, Trouble: status.Trouble{Waiting: true}}}}, nil, nil},
		"a file":                          {status.Status{FailingFiles: []status.FailingFile{{Hour: hour, File: "f", Rejected: true, Trouble: status.Trouble{Text: "b"}}}}, nil, []string{"hour 2024-03-02T12:00Z is rejected by storage and set aside as rejected/f, offered again once a day and by once: b"}},
		"a limit":                         {status.Status{}, errors.New("full\nx"), []string{"full; x"}},
		"an old one":                      {status.Status{Old: true, OldestSpooled: &hour}, nil, []string{"hour 2024-03-02T12:00Z has waited for upload for longer than spool.maxAge: fix what prevents it"}},
		"an old one, by hand":             {status.Status{Old: true, OldestSpooled: &hour}, nil, []string{"hour 2024-03-02T12:00Z has waited for upload for longer than spool.maxAge: " + spool.ByHand}},
		"a service that is late":          {status.Status{NextRound: now.Add(-time.Hour)}, nil, nil},
		"a service that is overdue":       {status.Status{NextRound: now.Add(-3 * time.Hour)}, nil, []string{"the service is overdue since 2024-03-02T09:00Z: see whether it runs, and its log"}},
		"a service that is at long work":  {status.Status{NextRound: now.Add(-3 * time.Hour), Updated: now.Add(-time.Hour)}, nil, nil},
		"a service that was told to stop": {status.Status{Updated: now.Add(-30 * time.Hour)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Inspection{}).openOf(tt.status, agent.Settings{ByHand: strings.HasSuffix(name, "by hand")}, tt.full, now); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAKilledServiceIsNotAlive(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(exe, "-test.run", "^$")
	if err := other.Run(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tt := range []struct {
		name  string
		pid   int
		next  time.Time
		ended bool
	}{
		{"its process runs", os.Getpid(), now.Add(time.Hour), false},
		{"its process is gone", other.Process.Pid, now.Add(time.Hour), true},
		{"its process is gone as it was stopped", other.Process.Pid, time.Time{}, false},
		{"its process is unknown", 0, now.Add(time.Hour), false},
	} {
		s := status.Status{PID: tt.pid, Updated: now, NextRound: tt.next}
		got := strings.Join((Inspection{}).openOf(s, agent.Settings{}, nil, now), "\n")
		if strings.Contains(got, "ended without being stopped") != tt.ended || alive(s, now) == tt.ended {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// TestFilesAreCounted: what waits is read from the files, whatever was said last.
func TestFilesAreCounted(t *testing.T) {
	dir := t.TempDir()
	first := usage.HourOf(time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC))
	sp, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	name := func(n int) string { return spool.Entry{Hour: first + usage.Hour(n), SHA16: "0123456789abcdef"}.Name() }
	for n := range 3 {
		f, err := sp.Create(first)
		if err == nil {
			_, err = f.WriteString("text")
		}
		if err == nil {
			err = sp.Seal(f, name(n))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(status.Status{
		Format: "stackusage-agent-status/1", Updated: first.End(), BacklogHours: 3, BacklogBytes: 12, OldestSpooled: &first, Old: true,
		FailingFiles: []status.FailingFile{{Hour: first, File: name(0)}, {Hour: first + 1, File: name(1)}, {Hour: first + 2, File: name(2)}},
	})
	if err == nil {
		err = sp.Keep("status.json", text)
	}
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		change              func(string) error
		file                int
		backlog, open, said int // hours, points, failing files
	}{{sp.MarkSent, 0, 2, 3, 2}, {sp.MarkRejected, 2, 1, 3, 2}, {sp.MarkSent, 1, 0, 1, 1}, {sp.MarkSent, 2, 0, 0, 0}}
	for n, step := range steps {
		if err := step.change(name(step.file)); err != nil {
			t.Fatal(err)
		}
		i, err := Inspect(dir, agent.Settings{First: first, Delay: time.Hour}, spool.Limits{MinFree: -1}, first.End())
		if err != nil {
			t.Fatal(err)
		}
		if s := i.Status; s.BacklogHours != step.backlog || s.BacklogBytes != int64(4*step.backlog) || len(i.Open) != step.open ||
			len(s.FailingFiles) != step.said || (s.OldestSpooled == nil) != (step.backlog == 0) {
			t.Errorf("step %d: %+v", n, i)
		}
	}
}

// TestDamagedStatus: whether hours are missing is known without what was said.
func TestDamagedStatus(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "status.json"), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	first := usage.HourOf(time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC))
	for lag, want := range map[time.Duration]string{
		time.Hour:     "read status of " + dir,
		9 * time.Hour: "hour 2024-03-02T12:00Z is not collected, 9 h after it was due, as read status of ",
	} {
		settings := agent.Settings{First: first, Delay: time.Hour}
		i, err := Inspect(dir, settings, spool.Limits{MinFree: -1}, settings.Due(first).Add(lag))
		if err != nil || len(i.Open) != 1 || !strings.HasPrefix(i.Open[0], want) || i.Lag != lag {
			t.Errorf("%+v, %v, want %s", i, err, want)
		}
	}
}
