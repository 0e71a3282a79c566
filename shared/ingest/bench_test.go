package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"stackusage/internal/benchproc"
	"stackusage/internal/benchstore"
	"stackusage/internal/usagegen"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

func TestMain(m *testing.M) {
	benchproc.Main(m, map[string]benchproc.Step{"ingest": ingestStep, "hash": hashStep, "afternoon": afternoonStep})
}

// file is the hour blob that a step reads.
type file struct {
	Path  string
	Name  landing.Name
	Temp  string // an empty folder for temporary files
	Blobs string // an empty folder for what is stored
}

// ingestStep is the handler's own: IngestHour, with the settings that are default.
func ingestStep(args []byte) (func() (map[string]float64, error), error) {
	ctx := context.Background()
	var f file
	if err := json.Unmarshal(args, &f); err != nil {
		return nil, err
	}
	store := benchstore.New(f.Blobs)
	if err := store.Blobs.Link(f.Name.Container(), f.Name.Blob(), f.Path, f.Name.Hour.End().Add(2*time.Hour)); err != nil {
		return nil, err
	}
	registrations := registry.Registry{Tables: store.Tables}
	err := registrations.Put(ctx, registration.Registration{
		CloudID: f.Name.CloudID, EffectiveDay: "20191201", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		BillingModel: registration.PayAsYouUse, Region: usagegen.Region, Start: f.Name.Hour.Start().AddDate(0, 0, -3),
	})
	if err != nil {
		return nil, err
	}
	spill, err1 := setting("SPILL_SUMS")
	disk, err2 := setting("MAX_HOUR_DISK")
	settling, err3 := setting("SETTLING_HOURS")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	ingester := ingest.Ingester{
		Tables: store.Tables, Hours: store.Blobs, App: store.Blobs, Registrations: registrations, Now: time.Now, SettlingHours: settling,
		Limits: landing.Limits{Disk: int64(disk)}, Settings: ingest.Settings{SpillSums: spill, TempDir: f.Temp},
	}
	before := store.Operations()
	return func() (map[string]float64, error) {
		if err := ingester.IngestHour(ctx, f.Name); err != nil {
			return nil, err
		}
		operations := store.Operations() - before
		hour, err := hourlog.Read(ctx, store.Tables, hourlog.ID{CloudID: f.Name.CloudID, Hour: f.Name.Hour, SHA16: f.Name.SHA16})
		if err == nil && (hour.Verdict != hourlog.Accepted || hour.Quarantined != 0) {
			err = fmt.Errorf("the hour is %s %s, with %d rejected rows: %s", hour.Verdict, hour.Code, hour.Quarantined, hour.Reason)
		}
		return map[string]float64{"rows": float64(hour.Accepted), "operations": float64(operations), "written": float64(store.Blobs.Written())}, err
	}, nil
}

// setting is the default of a setting of the handler: the benchmark is of what is deployed.
func setting(name string) (int, error) {
	const config = "../../cmd/handler/config.go"
	source, err := os.ReadFile(config)
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile("`env:\"" + name + `" default:"(\d+)"`).FindSubmatch(source)
	if found == nil {
		return 0, fmt.Errorf("%s has no default of %s", config, name)
	}
	return strconv.Atoi(string(found[1]))
}

// sizes of the benchmark of record, or fewer rows for a short run.
func sizes(b *testing.B) (rows int, resources []int) {
	rows = 1_000_000
	if text := os.Getenv("STACKUSAGE_BENCH_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			b.Fatalf("STACKUSAGE_BENCH_ROWS=%q is no number of rows", text)
		}
		rows = n
	}
	for _, n := range []int{1000, 100_000, 1_000_000} {
		if n = min(n, rows); len(resources) == 0 || resources[len(resources)-1] < n {
			resources = append(resources, n)
		}
	}
	return rows, resources
}

// BenchmarkIngest ingests one hour blob of 1,000,000 rows and compares that with gzip -dc
// of the same file, which runs before and after it: docs/performance.md.
func BenchmarkIngest(b *testing.B) {
	rows, resources := sizes(b)
	for _, n := range resources {
		s := &subject{rows: rows, resources: n}
		size := fmt.Sprintf("rows=%d,resources=%d", rows, n)
		b.Run(size+",floor=gunzip", s.gunzip)
		b.Run(size+",floor=hash", s.floor("hash"))
		b.Run(size+",floor=afternoon", s.floor("afternoon"))
		b.Run(size, s.product)
		b.Run(size+",one-core", s.oneCore)
	}
}

// subject is an hour blob of the benchmark.
type subject struct {
	rows, resources int
	once            sync.Once
	made            file
	afternoon       time.Duration // what the afternoon loop took in this run; 0: not measured
}

func (s *subject) file(b *testing.B) file {
	b.Helper()
	s.once.Do(func() {
		var err error
		if s.made.Path, s.made.Name, err = usagegen.Cached(s.rows, s.resources); err != nil {
			b.Fatal(err)
		}
		benchproc.Gunzip(b, s.made.Path) // into the page cache
	})
	f := s.made
	f.Temp, f.Blobs = b.TempDir(), b.TempDir()
	return f
}

// beside runs a step between two runs of gzip -dc of its file, and gives the mean of those,
// too.
func (s *subject) beside(b *testing.B, step string, o benchproc.Options) (m benchproc.Measured, gzip benchproc.Measured) {
	b.Helper()
	f := s.file(b)
	o.Temp = f.Temp
	before := benchproc.Gunzip(b, f.Path)
	m = benchproc.Run(b, step, f, o)
	gzip = before.Mean(benchproc.Gunzip(b, f.Path))
	if m.Values["rows"] != float64(s.rows) {
		b.Fatalf("step %s read %v of %d rows", step, m.Values["rows"], s.rows)
	}
	return m, gzip
}

func (s *subject) product(b *testing.B) {
	for b.Loop() {
		m, gzip := s.beside(b, "ingest", benchproc.Options{Procs: 2})
		if s.afternoon == 0 {
			loop, _ := s.beside(b, "afternoon", benchproc.Options{Procs: 2})
			s.afternoon = loop.Wall
		}
		millions := float64(s.rows) / 1e6
		b.ReportMetric(m.Wall.Seconds()/gzip.Wall.Seconds(), "x-gzip")
		b.ReportMetric(m.CPU.Seconds()/millions, "cpu-s/Mrows")
		b.ReportMetric(m.CPU.Seconds()/gzip.CPU.Seconds(), "x-gzip-cpu")
		b.ReportMetric(float64(m.Peak)/(1<<20), "peak-MiB")
		b.ReportMetric(float64(m.Temp)/(1<<20)/millions, "temp-MiB/Mrows")
		b.ReportMetric(float64(s.rows)/m.Wall.Seconds(), "rows/s")
		b.ReportMetric(m.Values["written"]/(1<<20), "written-MiB")
		b.ReportMetric(m.Values["operations"], "storage-ops")
		b.ReportMetric(s.afternoon.Seconds()/m.Wall.Seconds(), "x-afternoon")
	}
	b.ReportMetric(0, "ns/op") // it has gzip in it, too
}

func (s *subject) oneCore(b *testing.B) {
	for b.Loop() {
		m, gzip := s.beside(b, "ingest", benchproc.Options{Procs: 1, OneCPU: true})
		b.ReportMetric(m.Wall.Seconds()/gzip.Wall.Seconds(), "x-gzip-1core")
	}
	b.ReportMetric(0, "ns/op")
}

func (s *subject) floor(step string) func(b *testing.B) {
	return func(b *testing.B) {
		for b.Loop() {
			m, gzip := s.beside(b, step, benchproc.Options{Procs: 2})
			if step == "afternoon" {
				s.afternoon = m.Wall
			}
			b.ReportMetric(m.Wall.Seconds()/gzip.Wall.Seconds(), "floor-x-gzip")
			b.ReportMetric(m.CPU.Seconds(), "floor-cpu-s")
		}
		b.ReportMetric(0, "ns/op")
	}
}

func (s *subject) gunzip(b *testing.B) {
	f := s.file(b)
	for b.Loop() {
		m := benchproc.Gunzip(b, f.Path)
		b.ReportMetric(1, "floor-x-gzip")
		b.ReportMetric(m.CPU.Seconds(), "floor-cpu-s")
		b.ReportMetric(m.Wall.Seconds(), "floor-wall-s")
	}
	b.ReportMetric(0, "ns/op")
}
