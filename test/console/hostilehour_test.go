package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// reported is the hour of whose usage the stack reported the rows of a hostile hour blob.
var reported = time.Date(2024, 3, 2, 1, 0, 0, 0, time.UTC)

// hostileHour stores an hour blob with a row for each name, one that is rejected and one
// that is no JSON, as the agent and IngestHour leave it.
func hostileHour(t *testing.T, account *azurestore.Account, names ...string) landing.Name {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, landing.Header{CloudID: cloudID, Region: "local", ReportedStart: reported, CollectedAt: reported.Add(time.Hour)})
	ok(t, err)
	for i, name := range append(names, script) {
		instance := encode(t, map[string]any{"Microsoft.Resources": map[string]any{"resourceUri": uri(name), "location": "local", "tags": map[string]string{"dept": script}}})
		quantity := 8
		if i == len(names) {
			quantity = -1
		}
		ok(t, w.Row(encode(t, map[string]any{"properties": map[string]any{"subscriptionId": tenant, "meterId": meter.WindowsVM, "quantity": quantity,
			"usageStartTime": "2024-03-02T00:00:00Z", "usageEndTime": "2024-03-02T01:00:00Z", "instanceData": string(instance)}})))
	}
	ok(t, w.Row([]byte(image)))
	name, _, err := w.Close(1)
	ok(t, err)
	ok(t, account.Blobs.Create(t.Context(), name.Container()))
	ok(t, account.Blobs.Put(t.Context(), name.Container(), name.Blob(), nopCloser{bytes.NewReader(file.Bytes())}, int64(file.Len())))

	id := hourlog.ID{CloudID: cloudID, Hour: usage.HourOf(reported), SHA16: name.SHA16}
	in, err := ingest.New(ingest.Settings{TempDir: t.TempDir(), SpillSums: 100}, id)
	ok(t, err)
	defer in.Close()
	r, err := landing.NewReader(bytes.NewReader(file.Bytes()), name, landing.Limits{})
	ok(t, err)
	defer r.Close()
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ok(t, err)
		ok(t, in.Row(line))
	}
	h := hourlog.Hour{Blob: name.String(), SHA256: r.SHA256(), RowSetHash: r.RowSetHash(), Bytes: r.Size(), Records: in.Accepted + in.Rejected, Pages: 1,
		Accepted: in.Accepted, Quarantined: in.Rejected, LandedAt: reported.Add(time.Hour)}
	if h.Accepted != int64(len(names)) || h.Quarantined != 2 {
		t.Fatalf("%d rows accepted, %d rejected", h.Accepted, h.Quarantined)
	}
	inputs, err := in.PutPartials(t.Context(), account.Blobs, h, r.Header())
	ok(t, err)
	h.UsageDays = ingest.UsageDays(inputs)
	h.RejectedFile, err = in.PutRejected(t.Context(), account.Blobs, account.Tables, h.Blob)
	ok(t, err)
	_, err = hourlog.Commit(t.Context(), account.Tables, id, h, inputs)
	ok(t, err)
	return name
}

// encode is JSON in which < stays what it is.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	ok(t, e.Encode(v))
	return bytes.TrimSpace(out.Bytes())
}

// nopCloser is a file that needs no end.
type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// hostileRow is the address of a row.
func hostileRow(name landing.Name, line int) string {
	return fmt.Sprintf("/row?registration=%s&hour=2024-03-02T01:00Z&sha16=%s&line=%d", cloudID, name.SHA16, line)
}
