package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurite"
	"stackusage/shared/landing"
)

// TestTheAgentProgramIsKilled kills the program itself; what agent's own test
// kills is the package in a process of the test, which also prunes.
func TestTheAgentProgramIsKilled(t *testing.T) {
	const trials, cloudID = 100, "b31316d4-de02-43a4-903d-eb74f8258b01"
	recorded := t.TempDir()
	first := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	for n := range 1500 {
		text := fmt.Sprintf(`{"value":[{"n":%d},{"n":%d,"of":3},{"n":%d.0000000000000001}]}`, n, n, n)
		file := filepath.Join(recorded, first.Add(time.Duration(n)*time.Hour).Format("2006-01-02T15")+".json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := azurestack.Recordings(recorded)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := azurestack.New(src, azurestack.Options{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(stack)
	defer server.Close()
	storage, err := azurite.Start(context.Background(), azurite.Options{Dir: t.TempDir(), Accounts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer storage.Kill()
	connection := storage.ConnectionString(0)
	blobs, err := azblob.NewClientFromConnectionString(connection, nil)
	if err != nil {
		t.Fatal(err)
	}
	container := landing.Container(cloudID)
	if _, err := blobs.CreateContainer(t.Context(), container, nil); err != nil {
		t.Fatal(err)
	}
	spool := t.TempDir()
	start := func() *exec.Cmd {
		cmd := exec.Command(filepath.Join(built, "bin", "stackusage-agent"), "collect",
			"--endpoint", server.URL, "--provider", stack.Provider(), "--cloud-id", cloudID, "--region", "local",
			"--from", stack.First().Format(time.RFC3339), "--to", stack.End().Format(time.RFC3339), "--spool", spool, "--log-level", "error")
		cmd.Env = append(os.Environ(), "STACK_TOKEN=none", "LandingStorage="+connection)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	rng := rand.New(rand.NewPCG(1, 3))
	killed := 0
	for range trials {
		cmd := start()
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond) // the moment is what is random
		cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
	}
	if err := start().Wait(); err != nil {
		t.Fatal(err)
	}

	hours := map[time.Time]bool{}
	pager := blobs.NewListBlobsFlatPager(container, nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			name, err := landing.ParseName(container, *item.Name)
			if err != nil {
				t.Fatal(err)
			}
			if hours[name.Hour.Start()] {
				t.Errorf("hour %s landed twice", name.Hour)
			}
			hours[name.Hour.Start()] = true
			w := httptest.NewRecorder()
			stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+name.Hour.String(), nil))
			if got := rowsOf(t, blobs, name); !bytes.Equal(got, w.Body.Bytes()) {
				t.Errorf("hour %s landed with other rows than served", name.Hour)
			}
		}
	}
	if want := int(stack.End().Sub(stack.First()) / time.Hour); len(hours) != want {
		t.Errorf("%d hours landed, want %d", len(hours), want)
	}
	if killed < trials/4 {
		t.Errorf("only %d of %d kills met an agent at work", killed, trials)
	}
	t.Logf("%d kills that met the agent at work; %d hours landed, each once and whole", killed, len(hours))
}

// rowsOf reads a blob as the Azure side does, its hashes included.
func rowsOf(t *testing.T, blobs *azblob.Client, name landing.Name) []byte {
	t.Helper()
	resp, err := blobs.DownloadStream(t.Context(), name.Container(), name.Blob(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r, err := landing.NewReader(resp.Body, name, landing.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var rows bytes.Buffer
	for {
		line, err := r.Next()
		if err == io.EOF {
			return rows.Bytes()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows.Write(append(line.Bytes, '\n'))
	}
}
