package landing_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"stackusage/shared/landing"
)

// FuzzReader feeds any bytes, and any text inside a sound gzip stream: the
// second reaches what the checksum would keep the first from.
func FuzzReader(f *testing.F) {
	file, _, _ := write(f, goodHeader(), `{"a":1}`, `{"a":2}`)
	good := goodBlob(f, `{"a":1}`)
	f.Add(file, false)
	f.Add(file[:len(file)/2], false)
	f.Add([]byte{}, false)
	f.Add([]byte(good.header+"\n"+good.rows[0]+"\n"+good.trailer+"\n"), true)
	f.Add([]byte(good.header+"\n"+good.trailer), true)
	f.Add([]byte("{}\n"), true)
	f.Fuzz(func(t *testing.T, content []byte, pack bool) {
		if pack {
			content = zip(t, string(content))
		}
		name := nameOf(t, content)
		got, err := read(bytes.NewReader(content), name, landing.Limits{Bytes: 1 << 20, Rows: 1000})
		if err != nil {
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) || rejection.Code == "" || len(rejection.Reason) > 4000 {
				t.Fatalf("the source is sound, so only the blob can be at fault: %v", err)
			}
			return
		}
		if got.trailer.Records != int64(len(got.rows)) || got.size != int64(len(content)) || got.sha256[:16] != name.SHA16 {
			t.Fatalf("accepted, and yet %+v", got)
		}
		if _, err := hex.DecodeString(got.rowSet); err != nil || got.header.CloudID == "" {
			t.Fatalf("accepted, and yet %+v", got)
		}
	})
}
