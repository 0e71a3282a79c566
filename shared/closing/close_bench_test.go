package closing_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/hourlog"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const benchStack = "b31316d4-de02-43a4-903d-eb74f8258b01"

var benchDay = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)).Day()

// folder is a content store of local files.
type folder string

func (d folder) path(container, name string) string {
	return filepath.Join(string(d), container, filepath.FromSlash(name))
}

func (d folder) Put(_ context.Context, container, name string, body io.ReadSeekCloser, _ int64) error {
	path := d.path(container, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

func (d folder) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	f, err := os.Open(d.path(container, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = content.ErrNoBlob
	}
	return f, time.Time{}, err
}

// benchCase is a usage day to be closed: each key has usage in so many of the partials.
// Of a revision 2, one key in a hundred has late rows in one partial more.
type benchCase struct {
	Keys, Partials, HoursPerKey int
	Dir                         string
	Inputs                      []openday.Input
}

// BenchmarkCloseDay closes a day of many keys in a process of its own, on local folders in
// place of storage. x-gzip is against gzip -dc of the lines of the partials, x-gzip-day
// against that of the lines of the daily file.
func BenchmarkCloseDay(b *testing.B) {
	for _, c := range []benchCase{
		{Keys: 1000, Partials: 24, HoursPerKey: 24},
		{Keys: 100_000, Partials: 24, HoursPerKey: 24},
		{Keys: 1_000_000, Partials: 24, HoursPerKey: 1},
		{Keys: 1_000_000, Partials: 30, HoursPerKey: 24},
	} {
		b.Run(fmt.Sprintf("keys=%d/partials=%d/hours=%d", c.Keys, c.Partials, c.HoursPerKey), func(b *testing.B) {
			c.Dir = b.TempDir()
			if err := c.writePartials(); err != nil {
				b.Fatal(err)
			}
			floor := c.gzip(b, table.ContainerPartials, "*.gz")
			for b.Loop() {
				var steps []step
				c.run(b, &steps)
				dayFloor := c.gzip(b, table.ContainerDaily, benchStack+"/"+benchDay.Path()+"/0001-*.ndjson.gz")
				for i, s := range steps {
					n := fmt.Sprintf("-rev%d", i+1)
					b.ReportMetric(s.Wall.Seconds()/floor.Seconds(), "x-gzip"+n)
					b.ReportMetric(s.Wall.Seconds()/dayFloor.Seconds(), "x-gzip-day"+n)
					b.ReportMetric(s.Wall.Seconds(), "s"+n)
					b.ReportMetric(s.CPU.Seconds()*1e6/float64(c.Keys), "cpu-s/Mkeys"+n)
					b.ReportMetric(float64(s.PeakKiB)/1024, "peak-MiB"+n)
				}
			}
		})
	}
}

// step is what one close took.
type step struct {
	Wall, CPU time.Duration
	PeakKiB   int64 // of the process so far
}

const benchVariable = "STACKUSAGE_BENCH_CLOSE"

// run closes the day in a process of its own: its peak of memory is that of nothing else.
func (c benchCase) run(b *testing.B, steps *[]step) {
	for _, container := range []string{table.ContainerDaily, table.ContainerOutbox, table.ContainerReceipts} {
		if err := os.RemoveAll(filepath.Join(c.Dir, container)); err != nil {
			b.Fatal(err)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"-test.run=^TestCloseDayStep$"}
	if out := os.Getenv("CLOSE_CPUPROFILE"); out != "" {
		args = append(args, "-test.cpuprofile="+out)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), benchVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if err := json.Unmarshal([]byte(line), steps); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

// TestCloseDayStep is the process of BenchmarkCloseDay.
func TestCloseDayStep(t *testing.T) {
	text := os.Getenv(benchVariable)
	if text == "" {
		t.Skip("a step of BenchmarkCloseDay")
	}
	var c benchCase
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	tables, closer := c.closer(t)
	var steps []step
	for revision := range 2 {
		if revision == 1 {
			c.answer(t, tables)
			c.late(t, tables)
		}
		begin, cpu := time.Now(), cpuTime()
		if err := closer.Close(t.Context(), benchStack, benchDay); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step{Wall: time.Since(begin), CPU: cpuTime() - cpu, PeakKiB: peakKiB()})
	}
	out, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(out))
}

func rusage() (r syscall.Rusage) {
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r
}

func cpuTime() time.Duration {
	r := rusage()
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func peakKiB() int64 { r := rusage(); return int64(r.Maxrss) }

// gzip is how long gzip -dc takes of the files, in one process.
func (c benchCase) gzip(b *testing.B, container, pattern string) time.Duration {
	files, err := filepath.Glob(filepath.Join(c.Dir, container, pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("no files of %s: %v", pattern, err)
	}
	least := time.Duration(0)
	for range 2 {
		begin := time.Now()
		if err := exec.Command("gzip", append([]string{"-dc"}, files...)...).Run(); err != nil {
			b.Fatal(err)
		}
		if d := time.Since(begin); least == 0 || d < least {
			least = d
		}
	}
	return least
}

func (c *benchCase) writePartials() error {
	for p := range c.Partials {
		late := p == c.Partials-1 && c.Partials > 24
		in, err := c.writePartial(benchDay.First()+usage.Hour(p), func(key int) bool {
			if late {
				return key%100 == 0
			}
			return (key+p)%24 < c.HoursPerKey
		})
		if err != nil {
			return err
		}
		c.Inputs = append(c.Inputs, in)
	}
	in, err := c.writePartial(benchDay.First()+usage.Hour(c.Partials), func(key int) bool { return key%100 == 7 })
	c.Inputs = append(c.Inputs, in)
	return err
}

func (c *benchCase) writePartial(reported usage.Hour, has func(key int) bool) (in openday.Input, err error) {
	name := fmt.Sprintf("%s.gz", reported.Compact())
	if err := os.MkdirAll(filepath.Join(c.Dir, table.ContainerPartials), 0o755); err != nil {
		return in, err
	}
	f, err := os.Create(folder(c.Dir).path(table.ContainerPartials, name))
	if err != nil {
		return in, err
	}
	header := daily.PartialHeader{CloudID: benchStack, UsageDay: benchDay, ReportedHour: reported, Region: "northwest", CollectedAt: reported.End()}
	file, err := daily.WritePartial(f, header, c.sums(reported, has))
	if err := errors.Join(err, f.Close()); err != nil {
		return in, err
	}
	return openday.Input{CloudID: benchStack, Day: benchDay, Hour: reported, SHA16: fmt.Sprintf("%016x", int64(reported)),
		Partial: name, SHA256: file.SHA256, Lines: file.Lines, Rows: file.Rows, LandedAt: reported.End()}, nil
}

// sums are those of one reported hour, shaped as recorded usage: one key in four is a
// machine with additionalInfo, half of the quantities are floats with all their digits.
func (c *benchCase) sums(reported usage.Hour, has func(key int) bool) iter.Seq2[daily.Sum, error] {
	meters := []string{"09F8879E-87E9-4305-A572-4B7BE209F857", "B5C15376-6C94-4FDD-B655-1A69D138ACA3", "F271A8A388C44D93956A063E1D2FA80B", meter.BaseVM}
	const info = `{"ServiceType":"Standard_DS2_v2","ImageType":null,"Publisher":"Canonical","Offer":"UbuntuServer","Sku":"16.04-LTS"}`
	random := rand.New(rand.NewPCG(7, uint64(reported)))
	hour := usage.HourSet(0).With(reported.OfDay())
	return func(yield func(daily.Sum, error) bool) {
		for key := range c.Keys {
			if !has(key) {
				continue
			}
			resource := key / len(meters)
			sub := fmt.Sprintf("%08x-cfe9-4fcf-b90c-87f2af292fc9", resource/1000)
			s := daily.Sum{Hours: hour, Rows: 1, Shown: usage.Shown{SubscriptionID: sub, MeterID: meters[key%len(meters)], Location: "northwest",
				ResourceURI: fmt.Sprintf("/subscriptions/%s/resourcegroups/group-%06d/providers/Microsoft.Compute/virtualMachines/machine-%08d", sub, resource/20, resource)}}
			if key%4 == 3 {
				s.Tags, s.AdditionalInfo = fmt.Sprintf(`{"dept":"d%02d","env":"prod"}`, resource%40), info
			}
			text := fmt.Sprint(1 + random.IntN(100))
			if random.IntN(2) == 0 {
				text = fmt.Sprint(random.Float64() * 50)
			}
			q, err := usage.ParseQuantity(text)
			s.Quantity = q
			if !yield(s, err) {
				return
			}
		}
	}
}

type noQueue struct{}

func (noQueue) Enqueue(context.Context, string, string, time.Duration) error { return nil }

// closer is one of a day whose inputs are all there but the last.
func (c benchCase) closer(t *testing.T) (table.Store, *closing.Closer) {
	tables := memstore.NewTables(table.Names()...)
	registrations := registry.Registry{Tables: tables}
	ok(t, registrations.Put(t.Context(), registration.Registration{
		CloudID: benchStack, EffectiveDay: "20191201", SubscriptionID: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11",
		BillingModel: registration.PayAsYouUse, Region: "northwest", Start: benchDay.Start(),
	}.Filled()))
	for _, in := range c.Inputs[:c.Partials] {
		c.add(t, tables, in)
	}
	meters, err := meter.BuiltIn()
	ok(t, err)
	return tables, &closing.Closer{
		Tables: tables, Blobs: folder(c.Dir), Queues: noQueue{}, Registrations: registrations, Meters: meters, Now: func() time.Time { return benchDay.End().AddDate(0, 0, 5) },
		Rules: closing.Rules{CloseDelay: time.Hour}, TempDir: t.TempDir(),
	}
}

func (c benchCase) add(t *testing.T, tables table.Store, in openday.Input) {
	_, err := hourlog.Commit(t.Context(), tables, hourlog.ID{CloudID: benchStack, Hour: in.Hour, SHA16: in.SHA16}, hourlog.Hour{LandedAt: in.LandedAt}, []openday.Input{in})
	ok(t, err)
}

// late has the last input come after the day was closed.
func (c benchCase) late(t *testing.T, tables table.Store) { c.add(t, tables, c.Inputs[c.Partials]) }

// answer accepts all batches of the first revision.
func (c benchCase) answer(t *testing.T, tables table.Store) {
	ids, batches, err := outbox.OfRevision(t.Context(), tables, benchStack, benchDay, 1)
	ok(t, err)
	for i, b := range batches {
		body, err := content.At(b.Blob).With(b.SHA256, table.UsageBatches).Bytes(t.Context(), folder(c.Dir), daily.MaxBatchBytes)
		ok(t, err)
		records, err := daily.DecodeBatch(body)
		ok(t, err)
		receipt := outbox.Receipt{Batch: ids[i].String()}
		for _, r := range records {
			receipt.Outcomes = append(receipt.Outcomes, outbox.ReceiptOutcome{RecordID: r.RecordID, Status: outcome.Accepted, Stands: true, Quantity: r.Quantity})
		}
		text, err := json.Marshal(receipt)
		ok(t, err)
		sum := sha256.Sum256(text)
		name := fmt.Sprintf("receipt-%05d.json", i)
		ok(t, content.PutBytes(t.Context(), folder(c.Dir), table.ContainerReceipts, name, text))
		b.State, b.Receipt, b.ReceiptSHA256 = outbox.BatchDone, table.ContainerReceipts+"/"+name, hex.EncodeToString(sum[:])
		partition := openday.Partition(benchStack, benchDay)
		key := fmt.Sprintf("%04d_%05d", 1, ids[i].Number)
		ok(t, tables.Apply(t.Context(), table.UsageBatches, partition, table.Op{Verb: table.Put, Row: table.Row{Partition: partition, Key: key, Props: table.Encode(b)}}))
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
