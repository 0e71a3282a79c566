package handlers_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// blobOf writes an hour blob and says what it must be called.
func blobOf(t testing.TB, h usage.Hour, rows ...string) ([]byte, landing.Name) {
	t.Helper()
	return blobWith(t, landing.Header{
		CloudID: cloudID, Region: "northwest", Domain: "stack.example.com", ReportedStart: h.Start(),
		CollectedAt: h.End().Add(time.Minute), AgentVersion: "1.2.3",
	}, rows...)
}

// blobWith writes an hour blob with a header and says what it must be called.
func blobWith(t testing.TB, header landing.Header, rows ...string) ([]byte, landing.Name) {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, header)
	ok(t, err)
	for _, row := range rows {
		ok(t, w.Row([]byte(row)))
	}
	name, _, err := w.Close(1)
	ok(t, err)
	return file.Bytes(), name
}

// land drops an hour blob, as the agent does.
func (r *rig) land(t testing.TB, h usage.Hour, rows ...string) landing.Name {
	t.Helper()
	file, name := blobOf(t, h, rows...)
	return r.drop(t, name, file)
}

// drop stores a file under a name, whatever it holds.
func (r *rig) drop(t testing.TB, name landing.Name, file []byte) landing.Name {
	t.Helper()
	r.putBlob(t, name.Container(), name.Blob(), file)
	return name
}

// nameFor is the name that fits any bytes.
func nameFor(h usage.Hour, file []byte) landing.Name {
	return landing.NameOf(cloudID, h, sha256.Sum256(file))
}
