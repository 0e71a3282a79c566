package storagefaults_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"stackusage/internal/devstack/storagefaults"
)

func TestKinds(t *testing.T) {
	transaction := "--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n--changeset_1\r\n" +
		"Content-Type: application/http\r\n\r\nPOST http://127.0.0.1:10002/acc/UsageHours HTTP/1.1\r\n\r\n{}"
	for _, tt := range []struct{ service, method, path, etag, body, want string }{
		{"blob", "GET", "/acc/partials/x", "", "", ""},
		{"blob", "HEAD", "/acc/partials/x", "", "", ""},
		{"blob", "PUT", "/acc/partials/2024/05/x", "", "", "blob partials put"},
		{"blob", "PUT", "/acc/partials?restype=container", "", "", "container create"},
		{"queue", "PUT", "/acc/usage-days", "", "", "queue create"},
		{"queue", "POST", "/acc/usage-days/messages?messagettl=1", "", "", "queue usage-days put"},
		{"queue", "DELETE", "/acc/usage-days/messages/1?popreceipt=x", "", "", "queue message delete"},
		{"table", "POST", "/acc/Tables", "", "", "table create"},
		{"table", "POST", "/acc/UsageDays", "", "", "table UsageDays insert"},
		{"table", "PUT", "/acc/OpenDays(PartitionKey='a',RowKey='b')", "", "", "table OpenDays put"},
		{"table", "PUT", "/acc/OpenDays(PartitionKey='a',RowKey='b')", "W/1", "", "table OpenDays update"},
		{"table", "MERGE", "/acc/OpenDays(PartitionKey='a',RowKey='b')", "*", "", "table OpenDays merge"},
		{"table", "DELETE", "/acc/OpenDays(PartitionKey='a',RowKey='b')", "W/1", "", "table OpenDays delete"},
		{"table", "POST", "/acc/$batch", "", transaction, "table UsageHours transaction"},
		{"table", "POST", "/acc/$batch", "", "nothing", "table ? transaction"},
	} {
		r := httptest.NewRequest(tt.method, "http://host"+tt.path, http.NoBody)
		if tt.etag != "" {
			r.Header.Set("If-Match", tt.etag)
		}
		if got := storagefaults.KindOf(tt.service, r, []byte(tt.body)); got != tt.want {
			t.Errorf("%s %s %s is %q, want %q", tt.service, tt.method, tt.path, got, tt.want)
		}
	}
}
