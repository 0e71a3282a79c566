package daily_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"stackusage/shared/daily"
	"stackusage/shared/linefile"
	"stackusage/shared/usage"
)

// FuzzPartial feeds any bytes, and any text inside a sound gzip stream: the
// second reaches what the checksum would keep the first from.
func FuzzPartial(f *testing.F) {
	content, _ := writePartial(f, partialHeader(f), threeSums(f))
	f.Add(content, false)
	f.Add(content[:len(content)/2], false)
	lines := gunzip(f, content)
	f.Add([]byte(strings.Join(lines, "")), true)
	f.Add([]byte(strings.Join(lines[:len(lines)-1], "")), true)
	f.Add([]byte(lines[0]+`{"trailer":{"lines":0,"rows":0}}`), true)
	f.Add([]byte(lines[0]+`{"trailer":null}`), true)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, content []byte, pack bool) {
		if pack {
			content = zip(t, string(content))
		}
		sums, err := readPartial(bytes.NewReader(content))
		for i, s := range sums {
			if i > 0 && sums[i-1].Key().Compare(s.Key()) >= 0 {
				t.Fatalf("sum %d is out of order", i+1)
			}
			if again, err := daily.OpenPartial(bytes.NewReader(content)); err != nil || again.Header().UsageDay != s.Day {
				t.Fatalf("sum %d is of %s, %v", i+1, s.Day, err)
			}
		}
		if err != nil {
			return
		}
		for range daily.Merge(sequence(sums), sequence(sums)) {
			continue
		}
	})
}

// FuzzDecodeBatch compares the scan of batches as they are written with the plain decoder.
func FuzzDecodeBatch(f *testing.F) {
	d := writeDay(f, sequence(threeSums(f)))
	f.Add(d.batches[0].Body)
	f.Add([]byte(`{"records":[{"quantity":"1","usageDate":"2019-12-10","hours":[0,23]}]}`))
	f.Add([]byte(`{"records":null}`))
	f.Add(batchOf(f, fullRecord(f), fullRecord(f)))
	f.Fuzz(func(t *testing.T, body []byte) {
		records, err := daily.DecodeBatch(body)
		if err != nil && records != nil {
			t.Fatal("records and an error")
		}
		scanned, ok := daily.ScanBatch(body)
		if !ok || len(body) > daily.MaxBatchBytes {
			return
		}
		if plain, err := daily.PlainBatch(body); err != nil || !reflect.DeepEqual(scanned, plain) {
			t.Fatalf("scanned %+v, read %+v, %v", scanned, plain, err)
		}
	})
}

// fullRecord has all fields, and texts with quotes and backslashes.
func fullRecord(t testing.TB) daily.Record {
	t.Helper()
	r := stated(t, rules(t), record(t, shown(), "2019-12-10T18:00:00Z", "16.461425899527967"), record(t, shown(), "2019-12-10T00:00:00Z", "1e-7"))
	r.Kind, r.Corrects, r.CarriedFrom, r.Reason = daily.CarryForward, r.RecordID, day10(t)-1, `a "reason" of C:\x`
	r.Flags, r.Tags, r.CommerceMeterID = []string{daily.FlagForeignResource, daily.FlagIncompleteDay}, `{"a":"<é>"}`, blockBlobs
	r.AdditionalInfo.Stamp, r.Quantity = `{"x":"\"y\""}`, usage.Quantity{}.Sub(r.Quantity)
	return r
}

func batchOf(t testing.TB, records ...daily.Record) []byte {
	t.Helper()
	body, err := linefile.Encode(map[string]any{"records": records})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// What is written is scanned: the plain decoder takes four times as long.
func TestBatchesAreScanned(t *testing.T) {
	for name, body := range map[string][]byte{
		"of all fields":   batchOf(t, fullRecord(t), fullRecord(t)),
		"as days have it": writeDay(t, sequence(sumsOf(t, record(t, shown(), "2019-12-10T18:00:00Z", "1")))).batches[0].Body,
	} {
		t.Run(name, func(t *testing.T) {
			scanned, ok := daily.ScanBatch(body)
			plain, err := daily.PlainBatch(body)
			if !ok || err != nil || !reflect.DeepEqual(scanned, plain) {
				t.Errorf("scanned %t %+v, read %+v, %v", ok, scanned, plain, err)
			}
		})
	}
}
