package handlers_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
)

const queryPath = "/v1/records/query"

// gate stands in front of commerce and does what networks and gateways do.
type gate struct {
	billing
	inner http.Handler
	lock  sync.Mutex // held for a whole request to send: they are taken one by one
	posts []string   // bodies
	gets  int
	// answer takes a request to send over when it returns true.
	answer func(w http.ResponseWriter, req *http.Request, body []byte) bool
}

func newGate(t *testing.T, r *rig, options standin.Options) *gate {
	t.Helper()
	server, err := standin.New(options)
	ok(t, err)
	g := &gate{inner: server}
	web := httptest.NewServer(g)
	t.Cleanup(web.Close)
	g.billing = billing{web.URL}
	r.Commerce = &commerce.Client{Endpoint: web.URL, HTTP: &http.Client{Timeout: 5 * time.Second}}
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/v1/records" || req.Method != http.MethodPost {
		if req.URL.Path == queryPath {
			g.lock.Lock()
			g.gets++
			g.lock.Unlock()
		}
		g.inner.ServeHTTP(w, req)
		return
	}
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	g.lock.Lock()
	defer g.lock.Unlock()
	g.posts = append(g.posts, string(body))
	if g.answer == nil || !g.answer(w, req, body) {
		g.inner.ServeHTTP(w, req)
	}
}

var gates sync.Map // by rig

func keepGate(r *rig, g *gate) { gates.Store(r, g) }

func gateOf(r *rig) *gate {
	g, _ := gates.Load(r)
	return g.(*gate)
}

// set changes how requests are answered, while one may still hang.
func (g *gate) set(answer func(http.ResponseWriter, *http.Request, []byte) bool) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.answer = answer
}

// taken lets commerce take a request and returns what it answers.
func (g *gate) taken(req *http.Request) []outcome.Result {
	w := httptest.NewRecorder()
	g.inner.ServeHTTP(w, req)
	var body struct{ Results []outcome.Result }
	_ = json.Unmarshal(w.Body.Bytes(), &body) // a stand-in of ours
	return body.Results
}

// refuseAs answers as a gateway that finds a request bad.
func refuseAs(w http.ResponseWriter, status int) bool {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":{"code":"BadRecord","message":"a gateway does not like it"}}`)
	return true
}

// poison refuses each request with a record of one of these resources.
func poison(numbers ...int) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		for _, n := range numbers {
			if bytes.Contains(body, fmt.Appendf(nil, "/sa%03d\"", n)) {
				return refuseAs(w, 400)
			}
		}
		return false
	}
}

func refuseAll(w http.ResponseWriter, _ *http.Request, _ []byte) bool { return refuseAs(w, 400) }

// statedWith is a rig with one batch of n records, of resources 1 to n.
func statedWith(t testing.TB, n int) *rig {
	t.Helper()
	r := registered(t)
	var rows []string
	for i := range n {
		rows = append(rows, row(i+1, hour22-1, fmt.Sprintf("%d.125", i)))
	}
	r.ingest(t, hour22, rows...)
	r.ingest(t, hour23)
	r.ingest(t, hour00)
	r.done(t, "CloseDay", dayMessage(theDay))
	return r
}

// forward calls ForwardBatch when the batch is due, until it is answered.
func (r *rig) forward(t testing.TB, most int) (tries int) {
	t.Helper()
	for tries = 1; tries <= most; tries++ {
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if r.batch(t).State == outbox.BatchDone {
			return tries
		}
		r.advance(25 * time.Hour)
	}
	t.Fatalf("not answered after %d tries: %+v", most, r.batch(t))
	return 0
}

// checkEnd checks that rows, receipt and counts of the only batch say the same
// of each of n records, that commerce has exactly the bytes of those that
// stand, and that those that are not named got the answer rest.
func (g *gate) checkEnd(t *testing.T, r *rig, n int, rest string, named map[int]string) {
	t.Helper()
	want := map[string]string{}
	for i := 1; i <= n; i++ {
		want[fmt.Sprintf("sa%03d", i)] = rest
		if status, ok := named[i]; ok {
			want[fmt.Sprintf("sa%03d", i)] = status
		}
	}
	if diff := cmp.Diff(want, r.answers(t)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	b := r.batch(t)
	if sum := b.Accepted + b.Duplicate + b.Conflict + b.Rejected + b.Expired; b.State != outbox.BatchDone || sum != int64(n) || b.Unknowns != 0 || b.Partial || !b.DeclinedSince.IsZero() {
		t.Errorf("%+v", b)
	}
	var receipt outbox.Receipt
	text := r.blob(t, b.Receipt)
	ok(t, json.Unmarshal(text, &receipt))
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != b.ReceiptSHA256 || len(receipt.Outcomes) != n {
		t.Errorf("the receipt has %d answers, or another hash than the row says", len(receipt.Outcomes))
	}
	resp, err := http.Get(g.url + "/v1/records.ndjson")
	ok(t, err)
	defer resp.Body.Close()
	lines, err := io.ReadAll(resp.Body)
	ok(t, err)
	bytesOf := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		var id struct{ RecordID string }
		ok(t, json.Unmarshal([]byte(line), &id))
		bytesOf[id.RecordID] = strings.TrimSpace(line)
	}
	stand := 0
	for i, raw := range recordsOf(r.blob(t, b.Blob)) {
		answer := receipt.Outcomes[i]
		if answer.Stands {
			stand++
		}
		if answer.Status != outcome.Conflict && answer.Stands != (bytesOf[answer.RecordID] == string(raw)) {
			t.Errorf("record %d %s: %s, and commerce has %q", i, answer.RecordID, answer.Status, bytesOf[answer.RecordID])
		}
	}
	if stand != len(bytesOf) {
		t.Errorf("%d records stand, commerce has %d", stand, len(bytesOf))
	}
}
