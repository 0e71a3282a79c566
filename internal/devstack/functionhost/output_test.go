package functionhost_test

import (
	"context"
	"encoding/base64"
	"slices"
	"testing"
)

func TestQueueOutputs(t *testing.T) {
	t.Parallel()
	r := queueRig(t, map[string]string{
		"host.json": queueHost("00:10:00", ""),
		"F":         `{"bindings":[{"type":"manualTrigger","name":"input"},{"type":"queue","direction":"out","name":"out","queueName":"out"}]}`,
	}).start()
	tests := []struct {
		name, value string
		want        []string
	}{
		{"a string is one message", `"hello, world"`, []string{"hello, world"}},
		{"an object is its JSON", `{"a": 1}`, []string{`{"a":1}`}},
		{"an array is a message per element", `["hello, you",{"b":2}]`, []string{"hello, you", `{"b":2}`}},
		{"a string that holds an array too", `"[{\"c\":3},\"d.\"]"`, []string{`{"c":3}`, "d."}},
		{"a string that looks like base64 is decoded", `"test"`, []string{"\xb5\xeb\x2d"}},
		{"null is no message", `null`, nil},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r.invoke("F", `answer:{"Outputs":{"OUT":`+test.value+`}}`)
			if got := r.finished("F", int64(i+1)); got.Failed != 0 {
				t.Fatalf("%+v", got)
			}
			var got []string
			for _, text := range r.peek("out") {
				b, err := base64.StdEncoding.DecodeString(text)
				must(t, err)
				got = append(got, string(b))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			_, _ = r.queue("out").ClearMessages(context.Background(), nil) // there may be none yet
		})
	}
}

func TestQueueOutputFails(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{
		"host.json": queueHost("00:10:00", ""),
		"F":         `{"bindings":[{"type":"manualTrigger","name":"input"},{"type":"queue","direction":"out","name":"out","queueName":"out"}]}`,
	})
	r.opts.Settings["AzureWebJobsStorage"] = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=" + b64("key") + ";QueueEndpoint=http://127.0.0.1:1/a;"
	r.start()
	r.invoke("F", `answer:{"Outputs":{"out":"hello, world"}}`)
	if got := r.finished("F", 1); got.Failed != 1 {
		t.Errorf("an output that cannot be written does not fail the invocation: %+v", got)
	}
}
