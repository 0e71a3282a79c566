package functionhost_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
)

func TestQueueEnvelope(t *testing.T) {
	t.Parallel()
	r := queueRig(t, map[string]string{
		"host.json": queueHost("00:10:00", ""),
		"Text":      onQueue("text", ""),
	})
	r.send("text", b64(`{"a":1,"id":"mine","dequeuecount":"77","queueTrigger":"x"}`))
	r.start()
	r.finished("Text", 1)
	const (
		when = `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"`
		sys  = `"sys":\{"MethodName":"%s","UtcNow":"[-\dT:.]+Z","RandGuid":"[-0-9a-f]{36}"\}`
	)
	want := map[string]string{
		"/Text": `^\{"Data":\{"msg":"\\"\{\\\\\\"a\\\\\\":1,\\\\\\"id\\\\\\":\\\\\\"mine\\\\\\",\\\\\\"dequeuecount\\\\\\":\\\\\\"77\\\\\\",\\\\\\"queueTrigger\\\\\\":\\\\\\"x\\\\\\"\}\\""\},` +
			`"Metadata":\{"DequeueCount":"\\"77\\"","ExpirationTime":` + when + `,"Id":"\\"mine\\"","InsertionTime":` + when +
			`,"NextVisibleTime":` + when + `,"PopReceipt":"\\"[^"]+\\"",` + fmt.Sprintf(sys, "Text") + `,"a":"\\"1\\""\}\}$`,
	}
	for _, s := range r.requests() {
		if !regexp.MustCompile(want[s.URI]).MatchString(s.Body) {
			t.Errorf("%s got\n%s\nwant\n%s", s.URI, s.Body, want[s.URI])
		}
	}
}

func TestQueueMessages(t *testing.T) {
	t.Parallel()

	t.Run("success deletes the message", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", ""), "F": onQueue("work", "")})
		r.send("work", b64("one"), b64("two"))
		r.start()
		r.finished("F", 2)
		r.eventually("an empty queue", func() bool { return r.left("work") == 0 })
	})
	t.Run("after maxDequeueCount calls the message is poison", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", `"maxDequeueCount":3`), "F": onQueue("work", "")})
		r.send("work", b64("status:500"))
		r.start()
		r.eventually("a poison message", func() bool { return len(r.peek("work-poison")) == 1 })
		if got := r.dequeueCounts(); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("dequeue counts of the calls: %v", got)
		}
		if got := r.peek("work-poison"); got[0] != b64("status:500") {
			t.Errorf("poison text %q", got[0])
		}
		r.eventually("an empty queue", func() bool { return r.left("work") == 0 })
		if r.log.find("Message has reached MaxDequeueCount. Moving message to queue 'work-poison'.") == nil {
			t.Error("the third failure itself does not move it")
		}
		if got := r.stats("F"); got.Poisoned != 1 || got.Failed != 3 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a message that was received too often is poison without a call", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", `"maxDequeueCount":2`), "F": onQueue("work", "")})
		r.send("work", b64("fine"))
		q, zero := r.queue("work"), int32(0)
		for range 2 {
			resp, err := q.DequeueMessage(context.Background(), nil)
			must(t, err)
			m := resp.Messages[0]
			_, err = q.UpdateMessage(context.Background(), *m.MessageID, *m.PopReceipt, *m.MessageText, &azqueue.UpdateMessageOptions{VisibilityTimeout: &zero})
			must(t, err)
		}
		r.start()
		r.eventually("a poison message", func() bool { return len(r.peek("work-poison")) == 1 })
		if got := r.stats("F"); got.Invocations != 0 || got.Undecodable != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a message that is not base64 is poison unseen, as it is", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", ""), "F": onQueue("work", "")})
		r.send("work", `{"plain":"json"}`)
		r.start()
		r.eventually("a poison message", func() bool { return len(r.peek("work-poison")) == 1 })
		if got := r.peek("work-poison")[0]; got != `{"plain":"json"}` {
			t.Errorf("poison text %q", got)
		}
		if got := r.stats("F"); got.Invocations != 0 || got.Undecodable != 1 || got.Poisoned != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("visibilityTimeout delays the next try", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", `"visibilityTimeout":"00:00:02"`), "F": onQueue("work", "")})
		r.send("work", b64("status:500"))
		r.start()
		r.finished("F", 2)
		got := r.requests()
		if pause := got[1].At.Sub(got[0].At); pause < 1500*time.Millisecond {
			t.Errorf("tried again after %v, want two seconds", pause)
		}
	})
	t.Run("a missing queue is waited for", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", ""), "F": onQueue("later", "")}).start()
		time.Sleep(300 * time.Millisecond)
		r.send("later", b64("ok"))
		if got := r.finished("F", 1); got.Succeeded != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("queueName is lower-cased and its settings are expanded", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{
			"host.json": queueHost("00:10:00", ""),
			"F":         onQueue("Name-%SUFFIX%", `,"connection":"Other"`),
		})
		r.opts.Settings["SUFFIX"] = "ABC"
		r.opts.Settings["Other"] = r.opts.Settings["AzureWebJobsStorage"]
		r.send("name-abc", b64("ok"))
		r.start()
		r.finished("F", 1)
	})
}

func TestQueueConcurrency(t *testing.T) {
	t.Parallel()
	r := queueRig(t, map[string]string{"host.json": queueHost("00:10:00", `"batchSize":2,"newBatchThreshold":1`), "F": onQueue("work", "")})
	for i := range 8 { // of two lengths, so that a batch does not end all at once
		r.send("work", b64(fmt.Sprintf("sleep:%dms", 300+i%2*200)))
	}
	r.start()
	r.finished("F", 8)
	most := 0
	all := r.requests()
	for _, a := range all {
		together := 0
		for _, b := range all {
			nap, err := time.ParseDuration(strings.TrimPrefix(b.text(), "sleep:"))
			must(t, err)
			if d := a.At.Sub(b.At); d >= 0 && d < nap-20*time.Millisecond {
				together++
			}
		}
		most = max(most, together)
	}
	if most != 3 {
		t.Errorf("%d calls at once, want batchSize + newBatchThreshold = 3", most)
	}
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	r := queueRig(t, map[string]string{
		"host.json": queueHost("00:10:00", ""),
		"Off":       onQueue("off", ""),
		"OffToo":    onQueue("offtoo", ""),
		"On":        onQueue("still-on", ""),
	})
	r.opts.Settings["AzureWebJobs.Off.Disabled"] = "true"
	r.opts.Settings["AzureWebJobs_OffToo_Disabled"] = "1"
	r.send("off", b64("x"))
	r.send("offtoo", b64("x"))
	r.send("still-on", b64("x"))
	r.start()
	r.finished("On", 1)
	if r.stats("Off").Invocations != 0 || r.stats("OffToo").Invocations != 0 {
		t.Errorf("%+v", r.Stats())
	}
	r.invoke("Off", "by hand")
	r.finished("Off", 1)
	for _, s := range r.requests() {
		if s.URI == "/Off" && s.text() != "by hand" {
			t.Errorf("handler got %q", s.text())
		}
	}
	if r.left("off") != 1 || r.left("offtoo") != 1 {
		t.Error("a disabled function took messages")
	}
}
