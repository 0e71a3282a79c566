package closing_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stackusage/internal/benchproc"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/usage"
)

const stack = "b31316d4-de02-43a4-903d-eb74f8258b01"

var closed = usage.HourOf(time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC)).Day()

// day is a usage day to be closed. Each key has usage in so many hours of the first 24
// partials; those after them have late rows of one key in a hundred, and so has the last
// input, which comes after the day was closed.
type day struct {
	Keys, Partials, Hours int
	Folder                string // of the partials
	Inputs                []openday.Input
	Blobs                 string // an empty folder for what is stored
}

// BenchmarkClose closes a day of many keys, and closes it again with one late row for
// every hundredth key. x-gzip is against gzip -dc of the lines of the partials, and
// x-gzip-day of those of the daily file: docs/performance.md.
func BenchmarkClose(b *testing.B) {
	for _, d := range []day{
		{Keys: 1000, Partials: 24, Hours: 24},
		{Keys: 100_000, Partials: 24, Hours: 24},
		{Keys: 1_000_000, Partials: 24, Hours: 1},
		{Keys: 1_000_000, Partials: 30, Hours: 24},
	} {
		name := fmt.Sprintf("keys=%d,partials=%d,hours=%d", d.Keys, d.Partials, d.Hours)
		b.Run(name, func(b *testing.B) {
			if d.Partials > 24 && os.Getenv("STACKUSAGE_SOAK") == "" {
				b.Skip("24 million lines: with STACKUSAGE_SOAK=1")
			}
			d.Folder = b.TempDir()
			if err := d.write(); err != nil {
				b.Fatal(err)
			}
			b.Run("revision=1", d.measure("close"))
			b.Run("revision=2", d.measure("close again"))
		})
	}
}

func (d day) measure(step string) func(*testing.B) {
	return func(b *testing.B) {
		partials := filepath.Join(d.Folder, "all.gz")
		for b.Loop() {
			d.Blobs = b.TempDir()
			before := benchproc.Gunzip(b, partials)
			m := benchproc.Run(b, step, d, benchproc.Options{})
			floor := benchproc.Gunzip(b, partials).Mean(before)
			files, err := filepath.Glob(filepath.Join(d.Blobs, "daily", stack, closed.Path(), "0001-*.ndjson.gz"))
			if err != nil || len(files) != 1 {
				b.Fatalf("%d daily files, %v", len(files), err)
			}
			b.ReportMetric(m.Wall.Seconds(), "s")
			b.ReportMetric(m.Wall.Seconds()/floor.Wall.Seconds(), "x-gzip")
			b.ReportMetric(m.Wall.Seconds()/benchproc.Gunzip(b, files[0]).Wall.Seconds(), "x-gzip-day")
			if step == "close" { // the other's process also closes the first revision
				b.ReportMetric(m.CPU.Seconds()/float64(d.Keys)*1e6, "cpu-s/Mkeys")
			}
			b.ReportMetric(float64(m.Peak)/(1<<20), "peak-MiB")
			b.ReportMetric(m.Values["operations"], "storage-ops")
		}
	}
}

// write writes the partials, and all of them one after the other as one file of gzip.
func (d *day) write() error {
	all, err := os.Create(filepath.Join(d.Folder, "all.gz"))
	if err != nil {
		return err
	}
	defer all.Close()
	for p := range d.Partials + 1 {
		has := func(key int) bool { return (key+p)%24 < d.Hours }
		if p >= 24 || p == d.Partials {
			has = func(key int) bool { return key%100 == p%100 }
		}
		in, err := d.partial(closed.First()+usage.Hour(p), has)
		if err != nil {
			return err
		}
		d.Inputs = append(d.Inputs, in)
		if p == d.Partials {
			return all.Close()
		}
		f, err := os.Open(filepath.Join(d.Folder, in.Partial))
		if err == nil {
			_, err = io.Copy(all, f)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *day) partial(reported usage.Hour, has func(key int) bool) (in openday.Input, err error) {
	name := reported.Compact() + ".gz"
	f, err := os.Create(filepath.Join(d.Folder, name))
	if err != nil {
		return in, err
	}
	header := daily.PartialHeader{CloudID: stack, UsageDay: closed, ReportedHour: reported, Region: "northwest", CollectedAt: reported.End()}
	file, err := daily.WritePartial(f, header, d.sums(reported, has))
	return openday.Input{CloudID: stack, Day: closed, Hour: reported, SHA16: fmt.Sprintf("%016x", int64(reported)), Partial: name,
		SHA256: file.SHA256, Lines: file.Lines, Rows: file.Rows, LandedAt: reported.End()}, errors.Join(err, f.Close())
}

// sums are those of one reported hour, shaped as recorded usage: one key in four is a
// machine with tags and additionalInfo, half of the quantities are floats with all their
// digits.
func (d *day) sums(reported usage.Hour, has func(key int) bool) iter.Seq2[daily.Sum, error] {
	meters := []string{"09F8879E-87E9-4305-A572-4B7BE209F857", "B5C15376-6C94-4FDD-B655-1A69D138ACA3", "F271A8A388C44D93956A063E1D2FA80B", meter.BaseVM}
	const info = `{"ServiceType":"Standard_DS2_v2","ImageType":null,"Publisher":"Canonical","Offer":"UbuntuServer","Sku":"16.04-LTS"}`
	random := rand.New(rand.NewPCG(7, uint64(reported)))
	hour := usage.HourSet(0).With(reported.OfDay())
	return func(yield func(daily.Sum, error) bool) {
		for key := range d.Keys {
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
