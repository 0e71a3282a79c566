package storagefaults_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/storagefaults"
)

// stand is a storage that counts the writes it took, behind a proxy.
type stand struct {
	faults *storagefaults.Faults
	proxy  *storagefaults.Proxy
	url    string // of the storage, through the proxy
	stored atomic.Int64
	status atomic.Int64 // of its answers
	kills  atomic.Int64
	alive  atomic.Bool
}

func start(t *testing.T, seed uint64) *stand {
	t.Helper()
	s := &stand{faults: storagefaults.New(seed)}
	s.alive.Store(true)
	s.status.Store(http.StatusNoContent)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			s.stored.Add(1)
		}
		w.Header().Set("x-ms-host", r.Host)
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(server.Close)
	target := strings.TrimPrefix(server.URL, "http://")
	var err error
	s.proxy, err = storagefaults.Start(s.faults, storagefaults.Endpoints{Blob: target, Queue: target, Table: target}, func() bool {
		if s.alive.Load() {
			s.kills.Add(1)
		}
		return s.alive.Load()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Close)
	// The three services have one target here, so the first replacement takes all.
	through := s.proxy.Through("BlobEndpoint=" + server.URL + "/acc;")
	s.url = strings.TrimSuffix(strings.TrimPrefix(through, "BlobEndpoint="), ";")
	return s
}

// write sends one write; ok is false if it was reported as failed.
func (s *stand) write(t *testing.T, method, path, body string) (ok bool) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode < 400
}

func TestEveryFaultOnce(t *testing.T) {
	s := start(t, 1)
	var reported, hidden, lost int
	for n := range 60 {
		before := s.stored.Load()
		ok := s.write(t, http.MethodPut, "/box/"+string(rune('a'+n%26)), strings.Repeat("x", n))
		switch taken := s.stored.Load() > before; {
		case ok && taken:
			reported++
		case taken:
			hidden++
		case ok:
			t.Errorf("write %d was reported as stored and is not", n)
		default:
			lost++
		}
	}
	given := s.faults.Counts()["blob box put"].Given
	for _, a := range storagefaults.Actions() {
		if given[a] == 0 {
			t.Errorf("%q was never given: %v", a, given)
		}
	}
	if want := given[storagefaults.Unreported] + given[storagefaults.UnreportedEver] + given[storagefaults.KillAfter]; hidden != want {
		t.Errorf("%d writes were stored and reported as failed, want %d", hidden, want)
	}
	if want := given[storagefaults.NotStored] + given[storagefaults.NotStoredEver] + given[storagefaults.KillBefore]; lost != want {
		t.Errorf("%d writes were not stored, want %d", lost, want)
	}
	if want := int64(given[storagefaults.KillBefore] + given[storagefaults.KillAfter]); s.kills.Load() != want {
		t.Errorf("%d kills, want %d", s.kills.Load(), want)
	}
	if reported == 0 {
		t.Error("no write passed")
	}
}

// TestEver: a fault for ever outlasts the four retries of a storage client and
// then ends; a fault that comes once does not.
func TestEver(t *testing.T) {
	s := start(t, 1)
	longest := 0
	for n := range 12 {
		failures := 0
		for !s.write(t, http.MethodPost, "/queue/messages", strings.Repeat("y", n)) {
			failures++
		}
		longest = max(longest, failures)
	}
	if longest < 5 {
		t.Errorf("a write failed %d times at most, want 5 and more", longest)
	}
}

func TestSameSeedSameFaults(t *testing.T) {
	play := func(seed uint64) (log string) {
		s := start(t, seed)
		for n := range 40 {
			if s.write(t, http.MethodPut, "/box/b", strings.Repeat("z", n)) {
				log += "+"
			} else {
				log += "-"
			}
		}
		return log
	}
	first := play(7)
	if diff := cmp.Diff(first, play(7)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if play(8) == first && play(9) == first {
		t.Error("other seeds gave the same faults")
	}
}

func TestPasses(t *testing.T) {
	t.Run("reads are left alone", func(t *testing.T) {
		s := start(t, 1)
		for range 30 {
			if !s.write(t, http.MethodGet, "/box/b", "") {
				t.Fatal("a read failed")
			}
		}
		if got := s.faults.Counts(); len(got) != 0 {
			t.Errorf("reads were counted: %v", got)
		}
	})
	t.Run("all passes after the end of faults", func(t *testing.T) {
		s := start(t, 1)
		s.faults.Outage(true)
		if s.write(t, http.MethodPut, "/box/b", "") {
			t.Error("a write passed in an outage")
		}
		s.faults.Stop()
		for range 30 {
			if !s.write(t, http.MethodPut, "/box/b", "") {
				t.Fatal("a write failed")
			}
		}
	})
	t.Run("a kill that meets no process is due again", func(t *testing.T) {
		s := start(t, 1)
		s.alive.Store(false)
		for n := range 30 {
			s.write(t, http.MethodPut, "/box/b", strings.Repeat("x", n))
		}
		s.alive.Store(true)
		for n := range 10 {
			s.write(t, http.MethodPut, "/box/b", strings.Repeat("v", n))
		}
		given := s.faults.Counts()["blob box put"].Given
		if given[storagefaults.KillBefore] == 0 || given[storagefaults.KillAfter] == 0 {
			t.Errorf("given %v, want both kills once there is a process", given)
		}
	})
	t.Run("what storage refuses stays refused", func(t *testing.T) {
		s := start(t, 1)
		s.status.Store(http.StatusConflict)
		for n := range 40 {
			if s.write(t, http.MethodPut, "/box/b", strings.Repeat("w", n)) {
				t.Fatal("a refusal was turned into a success")
			}
		}
		given := s.faults.Counts()["blob box put"].Given
		if given[storagefaults.Unreported]+given[storagefaults.UnreportedEver] != 0 {
			t.Errorf("a write that was refused counts as stored: %v", given)
		}
	})
}
