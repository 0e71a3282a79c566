package commerce

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"

	"stackusage/internal/devstack/commerce/record"
	"stackusage/internal/devstack/loopback"
)

// maxFaultBytes bounds the body of a fault order.
const maxFaultBytes = 4 << 10

// maxFaultCount bounds Next, DropResults and RetryAfter.
const maxFaultCount = 1_000_000

// fault is one order to misbehave on POST /v1/records. Orders that count
// requests (Next) are served one after another in the order they came; Shuffle
// and RejectMeter hold until the faults are cleared.
//
//	{"next":3,"status":503,"retryAfter":2}  answer so, take nothing
//	{"next":1,"cut":"before"}               take nothing, drop the connection
//	{"next":1,"cut":"after"}                take the batch, drop the connection
//	{"next":1,"cut":"middle"}               take the batch, drop it half-way through the reply
//	{"next":1,"dropResults":2}              take the batch, leave two results out of the reply
//	{"next":1,"wrongResult":"status"}       take the batch, answer one record with a status nobody knows
//	{"next":1,"wrongResult":"twice"}        take the batch, answer one record two times
//	{"next":1,"wrongResult":"stranger"}     take the batch, answer one record under an ID that was not sent
//	{"shuffle":true}                        answer results in random order
//	{"rejectMeter":"<guid>"}                Rejected for this local or commerce meter
type fault struct {
	Next        int    `json:"next"`
	Status      int    `json:"status"`
	RetryAfter  int    `json:"retryAfter"` // seconds
	Cut         string `json:"cut"`
	DropResults int    `json:"dropResults"`
	WrongResult string `json:"wrongResult"`
	Shuffle     bool   `json:"shuffle"`
	RejectMeter string `json:"rejectMeter"`
}

// kind names the fault in the stats.
func (f fault) kind() string {
	switch {
	case f.Status != 0:
		return fmt.Sprintf("status%d", f.Status)
	case f.Cut != "":
		return "cut:" + f.Cut
	case f.WrongResult != "":
		return "wrongResult:" + f.WrongResult
	default:
		return "dropResults"
	}
}

func decodeFault(body []byte) (fault, error) {
	var f fault
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return fault{}, fmt.Errorf("read fault: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fault{}, fmt.Errorf("read fault: something follows it")
	}
	f.RejectMeter = strings.ToLower(f.RejectMeter)
	orders := 0
	for _, given := range []bool{f.Status != 0, f.Cut != "", f.DropResults != 0, f.WrongResult != "", f.Shuffle, f.RejectMeter != ""} {
		if given {
			orders++
		}
	}
	counted := f.Status != 0 || f.Cut != "" || f.DropResults != 0 || f.WrongResult != ""
	switch {
	case orders != 1:
		return fault{}, fmt.Errorf("read fault: one of status, cut, dropResults, wrongResult, shuffle, rejectMeter is needed")
	case counted != (f.Next != 0) || f.Next < 0 || f.Next > maxFaultCount:
		return fault{}, fmt.Errorf("read fault: next goes with status, cut, dropResults and wrongResult, from 1 to %d", maxFaultCount)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fault{}, fmt.Errorf("read fault: status %d is not an error", f.Status)
	case f.RetryAfter < 0 || f.RetryAfter > maxFaultCount || f.RetryAfter != 0 && f.Status == 0:
		return fault{}, fmt.Errorf("read fault: retryAfter goes with status, from 1 to %d", maxFaultCount)
	case f.DropResults < 0 || f.DropResults > maxFaultCount:
		return fault{}, fmt.Errorf("read fault: dropResults is from 1 to %d", maxFaultCount)
	case f.Cut != "" && f.Cut != "before" && f.Cut != "after" && f.Cut != "middle":
		return fault{}, fmt.Errorf("read fault: cut %s is not before, after or middle", record.Quote(f.Cut))
	case f.WrongResult != "" && f.WrongResult != "status" && f.WrongResult != "twice" && f.WrongResult != "stranger":
		return fault{}, fmt.Errorf("read fault: wrongResult %s is not status, twice or stranger", record.Quote(f.WrongResult))
	case f.RejectMeter != "" && !record.IsGUID(f.RejectMeter):
		return fault{}, fmt.Errorf("read fault: rejectMeter is not a GUID with dashes")
	}
	return f, nil
}

// stats counts since the server was opened.
type stats struct {
	Requests int            `json:"requests"` // batches that passed authorization, faulted ones too
	Records  map[string]int `json:"records"`  // by status; what was rolled back is not counted
	Faults   map[string]int `json:"faults"`   // given, by kind
}

// hooks holds the faults that are ordered and the counters.
type hooks struct {
	mu      sync.Mutex
	queue   []fault
	shuffle bool
	reject  map[string]bool
	stats   stats
}

func (h *hooks) reset() {
	h.clear()
	h.stats = stats{Records: make(map[string]int), Faults: make(map[string]int)}
}

func (h *hooks) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue, h.shuffle, h.reject = nil, false, make(map[string]bool)
}

func (h *hooks) add(f fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case f.Shuffle:
		h.shuffle = true
	case f.RejectMeter != "":
		h.reject[f.RejectMeter] = true
	default:
		h.queue = append(h.queue, f)
	}
}

// nextFault takes the fault for the request in hand; the zero fault is none.
func (h *hooks) nextFault() fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return fault{}
	}
	f := h.queue[0]
	h.stats.Faults[f.kind()]++
	if h.queue[0].Next--; h.queue[0].Next == 0 {
		h.queue = h.queue[1:]
	}
	return f
}

// garble makes one of the results wrong in the way that the fault asks for.
func (f fault) garble(results []result) []result {
	if f.WrongResult == "" || len(results) == 0 {
		return results
	}
	i := rand.IntN(len(results))
	switch f.WrongResult {
	case "status":
		results[i].Status = "Perhaps"
	case "twice":
		results = append(results, results[i])
	case "stranger":
		results[i].RecordID = "00000000-0000-5000-8000-000000000000"
	}
	return results
}

func (h *hooks) shuffles() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shuffle {
		h.stats.Faults["shuffle"]++
	}
	return h.shuffle
}

func (h *hooks) rejectsMeter(ids ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if h.reject[id] {
			h.stats.Faults["rejectMeter"]++
			return true
		}
	}
	return false
}

func (h *hooks) countRequest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Requests++
}

func (h *hooks) countResults(results []result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range results {
		h.stats.Records[r.Status]++
	}
}

func (h *hooks) snapshot() stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return stats{h.stats.Requests, maps.Clone(h.stats.Records), maps.Clone(h.stats.Faults)}
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaultBytes))
	var f fault
	if err == nil {
		f, err = decodeFault(body)
	}
	if err != nil {
		return &problem{http.StatusBadRequest, "InvalidFault", err.Error()}
	}
	s.hooks.add(f)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	s.hooks.clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) showStats(w http.ResponseWriter, _ *http.Request) error {
	loopback.JSON(w, http.StatusOK, s.hooks.snapshot())
	return nil
}
