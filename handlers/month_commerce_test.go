package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/commerce"
)

// moody is commerce that answers a request in any way that it may, while it is in
// the mood, and counts in which.
type moody struct {
	inner http.Handler
	mu    sync.Mutex
	rnd   *rand.Rand
	on    bool
	gave  map[string]int

	now     func() time.Time // the app's clock
	limit   time.Duration    // within which a request without an answer is taken
	pending []lateRequest
}

// lateRequest is a request that had no answer and is not taken yet.
type lateRequest struct {
	body []byte
	at   time.Time
}

// takeLate takes requests that had no answer: any of them, and each within the limit.
func (m *moody) takeLate() {
	m.pending = slices.DeleteFunc(m.pending, func(p lateRequest) bool {
		due := m.rnd.IntN(4) == 0 || m.now().Sub(p.at) >= m.limit
		if due {
			m.inner.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/records", bytes.NewReader(p.body)))
		}
		return due
	})
}

func newMoody(t *testing.T, r *rig, seed uint64) (*moody, billing) {
	t.Helper()
	server, err := standin.New(standin.Options{})
	ok(t, err)
	m := &moody{inner: server, rnd: rand.New(rand.NewPCG(seed, 99)), gave: map[string]int{}, now: r.Now, limit: r.Settings.SendLimit}
	web := httptest.NewServer(m)
	t.Cleanup(web.Close)
	r.Commerce = &commerce.Client{Endpoint: web.URL, HTTP: &http.Client{Timeout: time.Second}}
	r.Settings.ForwardRetry = time.Millisecond
	r.reroute(t)
	return m, billing{web.URL}
}

func (m *moody) mood(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.on = on
}

func (m *moody) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeLate()
	if !m.on || req.Method != http.MethodPost || req.URL.Path != "/v1/records" || m.rnd.IntN(4) == 0 {
		m.inner.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(err)
	}
	var batch struct {
		Records []json.RawMessage `json:"records"`
	}
	if json.Unmarshal(body, &batch) != nil || len(batch.Records) == 0 {
		panic("a batch that nobody can read")
	}
	answer := func(body []byte) *httptest.ResponseRecorder {
		again := req.Clone(req.Context())
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		rec := httptest.NewRecorder()
		m.inner.ServeHTTP(rec, again)
		return rec
	}
	one := m.rnd.IntN(len(batch.Records))
	do := []string{"status", "guilty", "rejected", "conflict", "cut", "unreadable", "left out", "slow", "later"}[m.rnd.IntN(9)]
	m.gave[do]++
	switch do {
	case "status":
		status := []int{400, 413, 422, 503, 429, 500, 504}[m.rnd.IntN(7)]
		m.gave[fmt.Sprint(status)]++
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":{"code":"Mood","message":"not now"}}`)
	case "guilty": // a request with this record is not taken; any other is
		if len(batch.Records) > 1 {
			w.WriteHeader(422)
			return
		}
		m.inner.ServeHTTP(w, withBody(req, body))
	case "rejected":
		kept := append(append([]json.RawMessage{}, batch.Records[:one]...), batch.Records[one+1:]...)
		var results struct {
			Results []json.RawMessage `json:"results"`
		}
		if len(kept) > 0 {
			_ = json.Unmarshal(answer(batchOf(kept)).Body.Bytes(), &results)
		}
		text, _ := json.Marshal(map[string]string{"recordId": idOf(batch.Records[one]), "status": "Rejected", "code": "Mood", "message": "no"})
		results.Results = append(results.Results, text)
		_ = json.NewEncoder(w).Encode(results)
	case "conflict": // one record is stored with another quantity; nobody learns it at once
		changed := append([]json.RawMessage{}, batch.Records...)
		changed[one] = withMore(changed[one])
		answer(batchOf(changed))
		w.WriteHeader(503)
	case "cut":
		answer(body)
		panic(http.ErrAbortHandler)
	case "unreadable":
		text := answer(body).Body.Bytes()
		_, _ = w.Write(text[:len(text)/2])
	case "left out":
		var results struct {
			Results []json.RawMessage `json:"results"`
		}
		_ = json.Unmarshal(answer(body).Body.Bytes(), &results)
		if len(results.Results) > 0 {
			results.Results = results.Results[1:]
		}
		_ = json.NewEncoder(w).Encode(results)
	case "later":
		m.pending = append(m.pending, lateRequest{body, m.now()})
		panic(http.ErrAbortHandler)
	case "slow":
		answer(body)
		time.Sleep(1100 * time.Millisecond)
	}
}

func withBody(req *http.Request, body []byte) *http.Request {
	again := req.Clone(req.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return again
}

func batchOf(records []json.RawMessage) []byte {
	text, _ := json.Marshal(map[string]any{"records": records})
	return text
}

func idOf(record json.RawMessage) string {
	var r struct {
		RecordID string `json:"recordId"`
	}
	_ = json.Unmarshal(record, &r)
	return r.RecordID
}

// withMore is a record of one unit more.
func withMore(record json.RawMessage) json.RawMessage {
	var r struct {
		Quantity string `json:"quantity"`
	}
	_ = json.Unmarshal(record, &r)
	q, _ := new(big.Rat).SetString(r.Quantity)
	more := q.Add(q, big.NewRat(1, 1)).FloatString(30)
	return bytes.Replace(record, []byte(`"quantity":"`+r.Quantity+`"`), []byte(`"quantity":"`+trimZeros(more)+`"`), 1)
}

func trimZeros(text string) string {
	for len(text) > 1 && text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	return text
}
