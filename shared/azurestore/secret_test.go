package azurestore_test

import (
	"strings"
	"testing"

	"stackusage/shared/azurestore"
)

func TestASharedAccessSignatureStaysOutOfErrors(t *testing.T) {
	const text = "AccountName=acc;BlobEndpoint=http://127.0.0.1:9;QueueEndpoint=http://127.0.0.1:9;TableEndpoint=http://127.0.0.1:9;" +
		"SharedAccessSignature=sv=2021-08-06&ss=bqt&sig=TOPSECRET"
	account, err := azurestore.Connect(settings{"UsageStorage": text}.get, "UsageStorage", azurestore.WithoutRetries())
	if err != nil {
		t.Fatal(err)
	}
	_, _, open := account.Blobs.Open(t.Context(), "box", "name")
	_, get := account.Tables.Get(t.Context(), "Rows", "p", "r")
	for what, err := range map[string]error{
		"blob": open, "table": get, "queue": account.Queues.Enqueue(t.Context(), "queue", "text", 0),
	} {
		if err == nil || strings.Contains(err.Error(), "TOPSECRET") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
