package commerce_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/internal/devstack/commerce"
)

func TestStatuses(t *testing.T) {
	s := start(t, commerce.Options{})
	first := usage(nth(1), baseVM, "12.5")
	got := s.send(first, first, first.with("quantity", "13"), first.with("tags", "x"), usage("", baseVM, "1"), usage(nth(2), baseVM, "1"))
	want := []result{
		{RecordID: nth(1), Status: "Accepted"},
		{RecordID: nth(1), Status: "Duplicate"},
		{RecordID: nth(1), Status: "Conflict", Quantity: "12.5", Code: "QuantityDiffers"},
		{RecordID: nth(1), Status: "Conflict", Quantity: "12.5", Code: "ContentDiffers"},
		{RecordID: "", Status: "Rejected", Code: "InvalidRecordId"},
		{RecordID: nth(2), Status: "Accepted"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(result{}, "Message")); diff != "" {
		t.Errorf("one batch (-want +got):\n%s", diff)
	}
	if got := statuses(s.send(first, first.with("quantity", "13"))); got != "Duplicate Conflict" {
		t.Errorf("in another batch: %s", got)
	}
	t.Run("equal means equal bytes", func(t *testing.T) {
		spaced := raw(strings.Replace(first.String(), ":", ": ", 1))
		if got := s.send(spaced); got[0].Status != "Conflict" || got[0].Code != "ContentDiffers" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestLateness(t *testing.T) {
	now := time.Date(2019, 12, 12, 0, 0, 0, 0, time.UTC)
	s := start(t, commerce.Options{LatenessLimit: 24 * time.Hour, Now: func() time.Time { return now }})
	if got := statuses(s.send(usage(nth(1), baseVM, "1"), usage(nth(2), baseVM, "1").on("2019-12-09"))); got != "Accepted Expired" {
		t.Errorf("at the limit and past it: %s", got)
	}
	now = now.Add(time.Second)
	if got := statuses(s.send(usage(nth(1), baseVM, "1"), usage(nth(1), baseVM, "2"), usage(nth(3), baseVM, "1"))); got != "Duplicate Conflict Expired" {
		t.Errorf("what is known is answered as such however late: %s", got)
	}
}

func TestWholeRequestAnswers(t *testing.T) {
	s := start(t, commerce.Options{MaxRecords: 2})
	good := usage(nth(1), baseVM, "1")
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"empty", "", 400, "InvalidBatch"},
		{"not JSON", "{", 400, "InvalidBatch"},
		{"trailing garbage", batch(good) + "x", 400, "InvalidBatch"},
		{"second text", batch(good) + "{}", 400, "InvalidBatch"},
		{"list", "[" + good.String() + "]", 400, "InvalidBatch"},
		{"records twice", `{"records":[],"records":[` + good.String() + `]}`, 400, "InvalidBatch"},
		{"other field", `{"records":[` + good.String() + `],"x":1}`, 400, "InvalidBatch"},
		{"other case", `{"Records":[` + good.String() + `]}`, 400, "InvalidBatch"},
		{"no records", `{"records":[]}`, 400, "InvalidBatch"},
		{"records null", `{"records":null}`, 400, "InvalidBatch"},
		{"invalid UTF-8", strings.Replace(batch(good), "northwest", "\xff", 1), 400, "InvalidBatch"},
		{"deep", `{"records":` + strings.Repeat("[", 4000), 400, "InvalidBatch"},
		{"too many", batch(good, good, good), 413, "TooManyRecords"},
		{"too long", batch(good) + strings.Repeat(" ", 1<<20), 413, "BatchTooLarge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkProblem(t, s, http.MethodPost, "/v1/records", tt.body, tt.status, tt.code)
		})
	}
	t.Run("another content type", func(t *testing.T) {
		checkProblem(t, s, http.MethodPost, "/v1/records", batch(good), 400, "InvalidContentType", "Content-Type", "text/plain")
	})
	t.Run("a batch id without end", func(t *testing.T) {
		checkProblem(t, s, http.MethodPost, "/v1/records", batch(good), 400, "InvalidBatch",
			"x-ms-client-request-id", strings.Repeat("x", 129))
	})
	if got := s.get("/v1/records.ndjson"); got != "" {
		t.Errorf("something was taken: %s", got)
	}
}

func checkProblem(t *testing.T, s *service, method, path, body string, status int, code string, header ...string) {
	t.Helper()
	resp, text, err := s.do(method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%s: read %q: %v", resp.Status, text, err)
	}
	if resp.StatusCode != status || got.Error.Code != code || got.Error.Message == "" {
		t.Errorf("got %s %s, want %d %s", resp.Status, text, status, code)
	}
}

func TestDefaultLimits(t *testing.T) {
	s := start(t, commerce.Options{})
	var records []fmt.Stringer
	for i := range 501 {
		records = append(records, usage(nth(i), baseVM, "1"))
	}
	checkProblem(t, s, http.MethodPost, "/v1/records", batch(records...), 413, "TooManyRecords")
	if got := s.send(records[:500]...); statuses(got) != strings.TrimSpace(strings.Repeat("Accepted ", 500)) {
		t.Errorf("500 records: %s", statuses(got))
	}
	whole := batch(records[500])
	checkProblem(t, s, http.MethodPost, "/v1/records", whole+strings.Repeat(" ", 1<<20-len(whole)+1), 413, "BatchTooLarge")
	if resp, text, err := s.do(http.MethodPost, "/v1/records", whole+strings.Repeat(" ", 1<<20-len(whole))); err != nil || resp.StatusCode != 200 {
		t.Errorf("1 MiB: %v %v %s", err, resp, text)
	}
}

func TestReadBack(t *testing.T) {
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	s := start(t, commerce.Options{Now: func() time.Time { return accepted }})
	want := make(map[string]string)
	var others []string // of another day or stack
	for b := range 5 {
		var records []fmt.Stringer
		for i := range 450 {
			r := usage(nth(b*450+i), baseVM, fmt.Sprint(i+1))
			switch i % 45 {
			case 0:
				r = r.on("2019-12-11")
			case 1:
				r = r.with("cloudId", nth(1))
			default:
				want[r["recordId"].(string)] = r.String()
			}
			if i%45 < 2 {
				others = append(others, r["recordId"].(string))
			}
			records = append(records, r)
		}
		s.send(records...)
	}
	asked := append(slices.Collect(maps.Keys(want))[:390], nth(99_999))
	asked = append(asked, others...)
	var answer struct {
		Value []struct{ RecordID, Quantity, AcceptedAt, SHA256 string }
	}
	if err := json.Unmarshal([]byte(s.query(append(asked, asked[0])...)), &answer); err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, v := range answer.Value {
		text, ok := want[v.RecordID]
		sum := sha256.Sum256([]byte(text))
		switch {
		case !ok || v.RecordID <= last || !slices.Contains(asked, v.RecordID):
			t.Fatalf("record %s was not asked for, or is out of order", v.RecordID)
		case v.SHA256 != hex.EncodeToString(sum[:]) || !strings.Contains(text, `"quantity":"`+v.Quantity+`"`):
			t.Errorf("got %+v for %s", v, text)
		case v.AcceptedAt != "2026-01-02T02:04:05Z":
			t.Errorf("acceptedAt %s", v.AcceptedAt)
		}
		last = v.RecordID
	}
	if len(answer.Value) != 390 {
		t.Errorf("%d records, want 390", len(answer.Value))
	}
	if got := s.query(nth(99_999)); got != `{"value":[]}` {
		t.Errorf("a record that nobody sent: %s", got)
	}
	if got := strings.Count(s.get("/v1/records.ndjson?cloudId="+nth(1)), "\n"); got != 50 {
		t.Errorf("%d lines of the other stamp", got)
	}
}

func TestQueries(t *testing.T) {
	s := start(t, commerce.Options{})
	for _, path := range []string{
		"/v1/records.ndjson?cloudId=x", "/v1/records.ndjson?cloud=x",
		"/v1/bill?format=xml", "/v1/bill?subscription=x", "/v1/bill?month=2019-13", "/v1/daily-costs", "/v1/daily-costs?month=2019-12",
		"/v1/daily-costs?subscription=" + payer + "&month=2019", "/v1/daily-costs?subscription=x&month=2019-12",
		"/v1/resource-costs", "/v1/resource-costs?subscription=" + payer, "/v1/resource-costs?subscription=x&month=2019-12",
		"/v1/usage-details.csv?month=2019-13", "/v1/usage-details.csv?subscription=x",
	} {
		checkProblem(t, s, http.MethodGet, path, "", 400, "InvalidQuery")
	}
	ids := strings.Repeat(`"`+nth(1)+`",`, 500) + `"` + nth(1) + `"`
	for _, body := range []string{
		"", "x", "[]", "null", `{}`, `{"cloudId":"` + cloud + `","usageDate":"2019-12-10"}`, `{"cloudId":"` + cloud + `","usageDate":"2019-12-32","recordIds":[]}`,
		`{"cloudId":"x","usageDate":"2019-12-10","recordIds":[]}`, `{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":["x"]}`,
		`{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":[],"top":5}`, `{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":[]}x`,
		`{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":[` + ids + `]}`,
	} {
		checkProblem(t, s, http.MethodPost, "/v1/records/query", body, 400, "InvalidQuery")
	}
	checkProblem(t, s, http.MethodPost, "/v1/records/query", strings.Repeat(" ", 2<<20), 413, "QueryTooLarge")
}

func TestSendersAtOnce(t *testing.T) {
	s := start(t, commerce.Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := make(map[string]int)
	for range 8 {
		wg.Go(func() {
			for i := range 5 {
				resp, text, err := s.do(http.MethodPost, "/v1/records", batch(usage(nth(2*i), baseVM, "1"), usage(nth(2*i+1), baseVM, "1")))
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("send: %v %v", err, resp)
					return
				}
				mu.Lock()
				for _, r := range results(t, text) {
					counts[r.Status]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"Accepted": 10, "Duplicate": 70}, counts); diff != "" {
		t.Errorf("eight senders of the same records (-want +got):\n%s", diff)
	}
}

func TestCutUpload(t *testing.T) {
	s := start(t, commerce.Options{})
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := batch(usage(nth(1), baseVM, "1"))
	fmt.Fprintf(conn, "POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body)+1, body)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && resp.StatusCode == 200 {
		t.Error("a batch without its end was answered 200")
	}
	if got := s.get("/v1/records.ndjson"); got != "" {
		t.Errorf("it was taken: %s", got)
	}
}
