package daily_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/usage"
)

// day is what WriteDay made.
type day struct {
	content []byte
	file    linefile.File
	batches []daily.Batch
}

func dayHeader(t testing.TB) daily.DayHeader {
	t.Helper()
	r := rules(t)
	return daily.DayHeader{
		CloudID: cloudID, UsageDay: r.Day, Revision: r.Revision, BillingModel: r.BillingModel, BillingSubscriptionID: billing,
		MissingHours: []usage.Hour{hour(t, "2019-12-10T23:00:00Z")},
		Inputs:       []daily.Input{{ReportedHour: hour(t, "2019-12-10T19:00:00Z"), SHA16: "0123456789abcdef", Partial: "p", SHA256: "s", Lines: 2, Rows: 3}},
	}
}

func writeDay(t testing.TB, sums iter.Seq2[daily.Sum, error]) day {
	t.Helper()
	var d day
	var b bytes.Buffer
	var err error
	d.file, err = daily.WriteDay(&b, dayHeader(t), rules(t), daily.Sources{Sums: sums}, func(batch daily.Batch) error {
		d.batches = append(d.batches, batch)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.content = b.Bytes()
	return d
}

// records are the records of the daily file, as their bytes stand there.
func (d day) records(t testing.TB) []json.RawMessage {
	t.Helper()
	lines := gunzip(t, d.content)
	var records []json.RawMessage
	for _, text := range lines[1 : len(lines)-1] {
		var line daily.DayLine
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Rows < 1 {
			t.Fatalf("%s: %v", text, err)
		}
		records = append(records, line.Record)
	}
	return records
}

// checkBatches checks that the batches are the file's records, each once, in
// the file's order, within the bounds.
func checkBatches(t testing.TB, d day) {
	t.Helper()
	records := d.records(t)
	for i, b := range d.batches {
		sum := sha256.Sum256(b.Body)
		if b.Number != i+1 || b.SHA256 != hex.EncodeToString(sum[:]) || b.Bytes != len(b.Body) || b.Blob != "" {
			t.Errorf("batch %d calls itself %d, of %d bytes, hash %s, blob %q", i+1, b.Number, b.Bytes, b.SHA256, b.Blob)
		}
		if b.Records < 1 || b.Records > 500 || len(b.Body) > 1_000_000 {
			t.Errorf("batch %d has %d records, %d bytes", b.Number, b.Records, len(b.Body))
		}
		if b.Records > len(records) {
			t.Fatalf("batch %d has a record that is not in the file", b.Number)
		}
		mine := records[:b.Records]
		records = records[b.Records:]
		if want := `{"records":[` + string(bytes.Join(asBytes(mine), []byte(","))) + `]}`; string(b.Body) != want {
			t.Errorf("batch %d has other bytes than its records", b.Number)
		}
		decoded, err := daily.DecodeBatch(b.Body)
		if err != nil || len(decoded) != b.Records {
			t.Fatalf("batch %d: %d records, %v", b.Number, len(decoded), err)
		}
		if i+1 < len(d.batches) && b.Records < 500 && len(b.Body)+1+len(records[0]) <= 1_000_000 {
			t.Errorf("batch %d ends early, with %d records and %d bytes", b.Number, b.Records, len(b.Body))
		}
	}
	if len(records) > 0 {
		t.Errorf("%d records are in no batch", len(records))
	}
}

func asBytes(raw []json.RawMessage) [][]byte {
	var out [][]byte
	for _, r := range raw {
		out = append(out, r)
	}
	return out
}

func TestADayIsStatedInBatches(t *testing.T) {
	tagged := func(n, length int) []usage.Record {
		records := manyRecords(t, n, 1)
		for i := range records {
			records[i].Tags = strings.Repeat("<", length)
		}
		return records
	}
	for name, tt := range map[string]struct {
		records []usage.Record
		sizes   []int
	}{
		"no usage, no batch":                         {nil, nil},
		"one record":                                 {manyRecords(t, 1, 1), []int{1}},
		"as many records as a batch holds":           {manyRecords(t, 500, 1), []int{500}},
		"one record more":                            {manyRecords(t, 501, 1), []int{500, 1}},
		"many records, of two rows each":             {manyRecords(t, 2406, 2), []int{500, 500, 203}},
		"records so long that the bytes fill it":     {tagged(130, 16<<10), []int{57, 57, 16}},
		"records that are just over half of a batch": {tagged(3, 16<<10), []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			d := writeDay(t, sequence(sumsOf(t, tt.records...)))
			checkBatches(t, d)
			var sizes []int
			for _, b := range d.batches {
				sizes = append(sizes, b.Records)
			}
			if diff := cmp.Diff(tt.sizes, sizes); diff != "" {
				t.Error(diff)
			}
			if d.file.Rows != int64(len(tt.records)) || d.file.Lines != int64(len(d.records(t))) || d.file.Size != int64(len(d.content)) {
				t.Errorf("%d rows became %+v", len(tt.records), d.file)
			}
		})
	}
}

func TestStatingADayTwiceGivesTheSameBytes(t *testing.T) {
	records := manyRecords(t, 1203, 1)
	a, b := writeDay(t, sequence(sumsOf(t, records...))), writeDay(t, sequence(sumsOf(t, records...)))
	if !bytes.Equal(a.content, b.content) || a.file != b.file {
		t.Error("the daily files differ")
	}
	if len(a.batches) != 3 || !slices.EqualFunc(a.batches, b.batches, func(x, y daily.Batch) bool {
		return x.Number == y.Number && x.Records == y.Records && x.SHA256 == y.SHA256 && bytes.Equal(x.Body, y.Body)
	}) {
		t.Error("the batches differ")
	}
	sum := sha256.Sum256(a.content)
	if a.file.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the file is named %s", a.file.SHA256)
	}
}

func TestTheDailyFileSaysWhatItIsMadeOf(t *testing.T) {
	d := writeDay(t, sequence(threeSums(t)))
	lines := gunzip(t, d.content)
	var header daily.DayHeader
	if err := json.Unmarshal([]byte(lines[0]), &header); err != nil {
		t.Fatal(err)
	}
	want := dayHeader(t)
	want.Format = "stackusage-day/1"
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	if got := strings.TrimSpace(lines[len(lines)-1]); got != `{"trailer":{"lines":3,"rows":6}}` {
		t.Errorf("the trailer is %s", got)
	}
}

func TestStatingADayReportsErrors(t *testing.T) {
	cause := errors.New("storage is away")
	t.Run("of the sums", func(t *testing.T) {
		broken := func(yield func(daily.Sum, error) bool) { yield(daily.Sum{}, cause) }
		_, err := daily.WriteDay(io.Discard, dayHeader(t), rules(t), daily.Sources{Sums: broken}, func(daily.Batch) error { return nil })
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "write day 2019-12-10, revision 1") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of who keeps the batches, at once", func(t *testing.T) {
		sums := sumsOf(t, manyRecords(t, 1203, 1)...)
		for failing := 1; failing <= 3; failing++ {
			kept := 0
			_, err := daily.WriteDay(io.Discard, dayHeader(t), rules(t), daily.Sources{Sums: sequence(sums)}, func(daily.Batch) error {
				if kept++; kept == failing {
					return cause
				}
				return nil
			})
			if !errors.Is(err, cause) || kept != failing {
				t.Errorf("batch %d fails: %v after %d batches", failing, err, kept)
			}
		}
	})
	t.Run("of the disk", func(t *testing.T) {
		size := len(writeDay(t, sequence(threeSums(t))).content)
		for room := 0; room < size; room += 8 {
			_, err := daily.WriteDay(&failing{room}, dayHeader(t), rules(t), daily.Sources{Sums: sequence(threeSums(t))}, func(daily.Batch) error { return nil })
			if err == nil {
				t.Fatalf("with room for %d of %d bytes", room, size)
			}
		}
	})
}

func TestDecodeBatchRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":             "",
		"what is not JSON":    "x",
		"a batch that is cut": `{"records":[{"recordId":"a"`,
		"a bad quantity":      `{"records":[{"quantity":"1.0"}]}`,
		"a batch too long":    `{"records":[` + strings.Repeat(" ", 1_000_000) + `]}`,
		"two batches":         `{"records":[]}{"records":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if records, err := daily.DecodeBatch([]byte(body)); err == nil {
				t.Errorf("read, with %d records", len(records))
			}
		})
	}
}
