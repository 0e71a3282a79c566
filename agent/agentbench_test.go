package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/agent/transport"
	"stackusage/internal/benchproc"
	"stackusage/internal/usagegen"
	"stackusage/shared/landing"
)

// collecting is the order to the process of an agent that is measured.
type collecting struct {
	Rows     int
	Endpoint string // of the stack; empty: the rows are made in the process
	CAFile   string
	Dir      string // of the spool
}

const perPage = 1000

// samples are the rows of a page; its number is put in the middle of the first, as the
// agent refuses a page that repeats another one.
func samples() (first [2][]byte, others [][]byte) {
	for row := range usagegen.Rows(usagegen.Reported, perPage, perPage) {
		if first[0] == nil {
			before, after, _ := bytes.Cut(bytes.Clone(row), []byte(`"quantity":`))
			first = [2][]byte{append(before, `"quantity":1`...), append([]byte(`1,"was":`), after...)}
			continue
		}
		others = append(others, bytes.Clone(row))
	}
	return first, others
}

// page writes the rows of a page, all but the last one with a separator.
func page(w io.Writer, number int, first [2][]byte, others [][]byte) {
	w.Write(first[0])
	io.WriteString(w, strconv.Itoa(number))
	w.Write(first[1])
	for _, row := range others {
		io.WriteString(w, ",")
		w.Write(row)
	}
}

// largeStack serves an hour of so many rows over TLS.
func largeStack(b *testing.B, rows int) (endpoint, caFile string) {
	b.Helper()
	first, others := samples()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/subscriptions") {
			io.WriteString(w, `{"value":[]}`)
			return
		}
		number, _ := strconv.Atoi(r.URL.Query().Get("page"))
		out := bufio.NewWriterSize(w, 64<<10)
		defer out.Flush()
		out.WriteString(`{"value":[`)
		page(out, number, first, others)
		out.WriteByte(']')
		if (number+1)*perPage < rows {
			fmt.Fprintf(out, `,"nextLink":"https://%s%s?page=%d"`, r.Host, r.URL.Path, number+1)
		}
		out.WriteByte('}')
	}))
	b.Cleanup(server.Close)
	caFile = filepath.Join(b.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o666); err != nil {
		b.Fatal(err)
	}
	return server.URL, caFile
}

// agentStep collects an hour and seals it. It is sent nowhere.
func agentStep(args []byte) (func() (map[string]float64, error), error) {
	var c collecting
	if err := json.Unmarshal(args, &c); err != nil {
		return nil, err
	}
	var from agent.Source = inProcess(c.Rows)
	if c.Endpoint != "" {
		web, err := transport.New(transport.Config{CAFile: c.CAFile})
		if err != nil {
			return nil, err
		}
		from, err = stackapi.New(stackapi.Config{Endpoint: c.Endpoint, ProviderSubscription: "39c82aed-b2b7-4a66-abdb-611de00bf11e", HTTP: web})
		if err != nil {
			return nil, err
		}
	}
	sp, err := spool.Open(c.Dir)
	if err != nil {
		return nil, err
	}
	a := &agent.Agent{
		Source: from, Storage: unstored, Spool: sp, Log: slog.New(slog.DiscardHandler), Now: time.Now, Settings: defaults(0),
		Stack: agent.Stack{CloudID: cloudID, Region: "local", Domain: "azurestack.external", AgentVersion: "1.2.3"},
	}
	return func() (map[string]float64, error) {
		report, err := collect(context.Background(), a, usagegen.Reported, usagegen.Reported+1)
		return map[string]float64{"rows": float64(report.Rows)}, err
	}, nil
}

// inProcess is a stack whose rows come from memory.
func inProcess(rows int) agent.Source {
	first, others := samples()
	return source{
		subscriptions: func(context.Context) (map[string]string, error) { return nil, nil },
		hour: func(_ context.Context, _ time.Time, row func([]byte) error) (int, error) {
			var buf []byte
			for n := range rows {
				buf = append(strconv.AppendInt(append(buf[:0], first[0]...), int64(n/perPage), 10), first[1]...)
				if n%perPage > 0 {
					buf = append(buf[:0], others[n%perPage-1]...)
				}
				if err := row(buf); err != nil {
					return 0, err
				}
			}
			return rows / perPage, nil
		},
	}
}

// BenchmarkAgent collects an hour of 1,000,000 rows and seals its file, in a process of
// its own: docs/performance.md.
func BenchmarkAgent(b *testing.B) {
	rows := 1_000_000
	if text := os.Getenv("STACKUSAGE_BENCH_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < perPage {
			b.Fatalf("STACKUSAGE_BENCH_ROWS=%q: want a number from %d on", text, perPage)
		}
		rows = n / perPage * perPage
	}
	for _, over := range []string{"process", "tls"} {
		b.Run(fmt.Sprintf("rows=%d,over=%s", rows, over), func(b *testing.B) {
			for b.Loop() {
				c := collecting{Rows: rows, Dir: b.TempDir()}
				if over == "tls" {
					c.Endpoint, c.CAFile = largeStack(b, rows)
				}
				m := benchproc.Run(b, "agent", c, benchproc.Options{})
				sealed, err := filepath.Glob(filepath.Join(c.Dir, "*", "*"+landing.Suffix))
				if err != nil || len(sealed) != 1 || m.Values["rows"] != float64(rows) {
					b.Fatalf("%v of %d rows, in %v: %v", m.Values["rows"], rows, sealed, err)
				}
				info, err := os.Stat(sealed[0])
				if err != nil {
					b.Fatal(err)
				}
				gunzip := benchproc.Gunzip(b, sealed[0])
				millions := float64(rows) / 1e6
				b.ReportMetric(m.CPU.Seconds()/millions, "agent-cpu-s/Mrows")
				b.ReportMetric(m.CPU.Seconds()/gunzip.CPU.Seconds(), "agent-x-gzip-cpu")
				b.ReportMetric(float64(m.Peak)/(1<<20), "agent-peak-MiB")
				b.ReportMetric(float64(rows)/m.Wall.Seconds(), "rows/s")
				b.ReportMetric(float64(info.Size())/1e6/millions, "MB/Mrows")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
