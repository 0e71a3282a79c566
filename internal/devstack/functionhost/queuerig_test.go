package functionhost_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/azurite/azuritetest"
)

// quickPolling keeps tests from waiting for a minute between two polls.
const quickPolling = `"maxPollingInterval":"00:00:00.1"`

func queueHost(timeout, settings string) string {
	if settings != "" {
		settings = "," + settings
	}
	return hostJSON(timeout, `"extensions":{"queues":{`+quickPolling+settings+`}}`)
}

func onQueue(name, more string) string {
	return `{"bindings":[{"type":"queueTrigger","direction":"in","name":"msg","queueName":"` + name + `"` + more + `}]}`
}

// queueRig stages an app with a storage account of its own.
func queueRig(t *testing.T, files map[string]string) *rig {
	r := stage(t, files)
	r.opts.Settings["AzureWebJobsStorage"] = azuritetest.Account(t)
	return r
}

func (r *rig) queue(name string) *azqueue.QueueClient {
	r.t.Helper()
	q, err := azqueue.NewQueueClientFromConnectionString(r.opts.Settings["AzureWebJobsStorage"], name, nil)
	must(r.t, err)
	return q
}

// send creates the queue and adds messages to it, as text.
func (r *rig) send(name string, texts ...string) {
	r.t.Helper()
	q := r.queue(name)
	_, err := q.Create(context.Background(), nil)
	must(r.t, err)
	for _, text := range texts {
		_, err = q.EnqueueMessage(context.Background(), text, nil)
		must(r.t, err)
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// peek returns the texts of the messages that can be seen; nil also if there is
// no such queue.
func (r *rig) peek(name string) []string {
	n := int32(32)
	resp, err := r.queue(name).PeekMessages(context.Background(), &azqueue.PeekMessagesOptions{NumberOfMessages: &n})
	if err != nil {
		return nil
	}
	var texts []string
	for _, m := range resp.Messages {
		texts = append(texts, *m.MessageText)
	}
	return texts
}

// left is how many messages the queue has, hidden ones included.
func (r *rig) left(name string) int32 {
	r.t.Helper()
	resp, err := r.queue(name).GetProperties(context.Background(), nil)
	must(r.t, err)
	return *resp.ApproximateMessagesCount
}

// dequeueCounts are those that the handler was told, in order.
func (r *rig) dequeueCounts() []string {
	var counts []string
	for _, s := range r.requests() {
		var envelope struct {
			Metadata struct{ DequeueCount string }
		}
		if json.Unmarshal([]byte(s.Body), &envelope) == nil {
			counts = append(counts, envelope.Metadata.DequeueCount)
		}
	}
	return counts
}
