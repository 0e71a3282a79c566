package agent_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/internal/benchproc"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// killTrials are few in make test, which kills the program itself, too; make soak has more.
var killTrials = flag.Int("kill-trials", 40, "how often an agent is killed with SIGKILL")

// victim is the order to a process that is to be killed.
type victim struct {
	Endpoint, Provider, Storage, CloudID, Dir string
	Until                                     usage.Hour // the clock shows when this one is due
}

const victimEnv = "AGENT_TEST_VICTIM"

func TestMain(m *testing.M) {
	benchproc.Child(map[string]benchproc.Step{"agent": agentStep})
	if order := os.Getenv(victimEnv); order != "" {
		if err := runVictim(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	azuritetest.Main(m)
}

// runVictim is an agent as the service runs it: real API client, real storage
// client, real spool. It says so when it begins.
func runVictim(order string) error {
	var v victim
	if err := json.Unmarshal([]byte(order), &v); err != nil {
		return err
	}
	source, err := stackapi.New(stackapi.Config{Endpoint: v.Endpoint, ProviderSubscription: v.Provider})
	if err != nil {
		return err
	}
	client, err := azblob.NewClientFromConnectionString(v.Storage, nil)
	if err != nil {
		return err
	}
	fmt.Println("begun")
	sp, err := spool.Open(v.Dir)
	if err != nil {
		return err
	}
	a := &agent.Agent{
		Source: source, Storage: blobs.Storage{Client: client}, Spool: sp, Log: slog.New(slog.DiscardHandler), Now: at(v.Until.End()),
		Stack:    agent.Stack{CloudID: v.CloudID, Region: "local"},
		Settings: defaults(smallFirst),
	}
	a.Settings.Delay, a.Settings.MaxCatchUp, a.Settings.KeepSent = 0, 1000, 0
	return a.Run(context.Background())
}

// lane is one registration whose agent is killed again and again.
type lane struct {
	victim
	stack *azurestack.Stack
	rng   *rand.Rand
	found map[string]int // what kills left behind
	next  usage.Hour     // after the last hour that it had at the last kill
	most  int            // milliseconds that an agent may work; more where it comes to nothing
}

// kill starts an agent, lets it work for a moment, and kills it.
func (l *lane) kill() error {
	next, err := l.progress()
	if err != nil {
		return err
	}
	l.Until = next + 40 // more than it can do before it is killed
	order, err := json.Marshal(l.victim)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+string(order))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "begun\n" {
		cmd.Process.Kill()
		return fmt.Errorf("the agent says %q, %v", line, err)
	}
	if next == l.next {
		l.most *= 2
	} else {
		l.most = max(120, l.most/2)
	}
	l.next = next
	most := l.most
	if l.rng.IntN(4) == 0 {
		most *= 5 // for one in four, so that there is something to prune
	}
	time.Sleep(time.Duration(l.rng.IntN(most)) * time.Millisecond) // the moment is what is random
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		return fmt.Errorf("the agent was not killed, it ended: %v", err)
	}
	return nil
}

// progress looks at the folder as the kill left it, counts that, and returns the
// hour after the last one there.
func (l *lane) progress() (usage.Hour, error) {
	next, torn := smallFirst, 0
	for _, sub := range []string{"tmp", "sealed", "sent", "damaged"} {
		files, err := os.ReadDir(filepath.Join(l.Dir, sub))
		if err != nil && !os.IsNotExist(err) {
			return 0, err
		}
		if len(files) > 0 {
			l.found[sub]++
		}
		if sub == "damaged" {
			torn += len(files)
		}
		for _, f := range files {
			if e, err := spool.ParseName(f.Name()); err == nil {
				next = max(next, e.Hour+1)
			}
		}
	}
	if torn > 0 {
		return 0, fmt.Errorf("%d sealed files were torn", torn)
	}
	text, err := spool.ReadNote(l.Dir, "done.json")
	if err != nil || text == nil {
		return next, err
	}
	l.found["done.json"]++
	var done struct {
		Done [][2]usage.Hour `json:"done"`
	}
	if err := json.Unmarshal(text, &done); err != nil {
		return 0, fmt.Errorf("done.json is torn: %w", err)
	}
	for _, run := range done.Done {
		next = max(next, run[1]+1)
	}
	return next, nil
}

// finish lets an agent end the work, and checks what landed.
func (l *lane) finish(t *testing.T, client *azblob.Client) (hours int, rows int) {
	t.Helper()
	next, err := l.progress()
	if err != nil {
		t.Fatal(err)
	}
	source, err := stackapi.New(stackapi.Config{Endpoint: l.Endpoint, ProviderSubscription: l.Provider})
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, l.Dir, source, blobs.Storage{Client: client})
	a.Stack.CloudID = l.CloudID
	a.Now = at(next.End())
	a.Settings = defaults(smallFirst)
	a.Settings.Delay, a.Settings.MaxCatchUp, a.Settings.KeepSent = 0, 10_000, 0
	report, err := a.Once(t.Context())
	if err != nil || report.Damaged > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	s := &stand{stack: l.stack, blobs: client}
	landed := s.landedOf(t, l.CloudID) // ends the test on two blobs of one hour and on a torn one
	for h := smallFirst; h <= next; h++ {
		got, ok := landed[h]
		if diff := cmp.Diff(s.served(h), got.Rows); !ok || diff != "" {
			t.Errorf("hour %s: landed %v (-served +landed)\n%.1000s", h, ok, diff)
		}
		rows += strings.Count(got.Rows, "\n")
	}
	if len(landed) != int(next-smallFirst)+1 {
		t.Errorf("%d hours landed, want %d", len(landed), next-smallFirst+1)
	}
	return len(landed), rows
}

func TestKilledAtAnyMoment(t *testing.T) {
	const lanes = 4
	trials := (*killTrials + lanes - 1) / lanes
	src := smallStack(t, 42*(trials+1), func(n int) int { return n % 8 })
	storage := azuritetest.Account(t)
	blobs := connect(t, storage, nil)
	all := make([]*lane, lanes)
	for i := range all {
		stack, err := azurestack.New(src, azurestack.Options{PageSize: 3})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(stack)
		t.Cleanup(server.Close)
		all[i] = &lane{stack: stack, rng: rand.New(rand.NewPCG(uint64(i), 2)), found: map[string]int{}, most: 120, victim: victim{
			Endpoint: server.URL, Provider: stack.Provider(), Storage: storage, Dir: t.TempDir(),
			CloudID: fmt.Sprintf("b31316d4-de02-43a4-903d-eb74f825%04d", i),
		}}
		if _, err := blobs.CreateContainer(t.Context(), landing.Container(all[i].CloudID), nil); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var done sync.WaitGroup
	for _, l := range all {
		done.Go(func() {
			for n := range trials {
				if err := l.kill(); err != nil {
					t.Errorf("trial %d of %s: %v", n, l.CloudID, err)
					return
				}
			}
		})
	}
	done.Wait()
	if t.Failed() {
		return
	}
	took, hours, rows, found := time.Since(began), 0, 0, map[string]int{}
	for _, l := range all {
		h, r := l.finish(t, blobs)
		hours, rows = hours+h, rows+r
		for what, n := range l.found {
			found[what] += n
		}
	}
	if found["tmp"] == 0 || found["sealed"] == 0 {
		t.Errorf("the kills hit too little: %v", found)
	}
	t.Logf("%d kills in %s; they left an unsealed file %d times, hours to upload %d times, hours to prune %d times, a memory of pruned ones %d times; %d hours with %d rows landed, each once and whole",
		lanes*trials, took.Round(time.Second), found["tmp"], found["sealed"], found["sent"], found["done.json"], hours, rows)
}
