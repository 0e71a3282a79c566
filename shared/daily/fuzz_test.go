package daily_test

import (
	"bytes"
	"strings"
	"testing"

	"stackusage/shared/daily"
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

func FuzzDecodeBatch(f *testing.F) {
	d := writeDay(f, sequence(threeSums(f)))
	f.Add(d.batches[0].Body)
	f.Add([]byte(`{"records":[{"quantity":"1","usageDate":"2019-12-10","hours":[0,23]}]}`))
	f.Add([]byte(`{"records":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		records, err := daily.DecodeBatch(body)
		if err != nil && records != nil {
			t.Fatal("records and an error")
		}
	})
}
