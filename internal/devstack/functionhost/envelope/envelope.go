// Package envelope writes the body of POST /<Function>, with which the Functions host
// calls a custom handler. It is that of the real host, byte for byte: text of the
// trigger is JSON in a JSON string, numbers are JSON strings, and the properties of a
// message that is a JSON object overwrite what the host says of the message.
package envelope

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// Call says which function is called.
type Call struct {
	Function string
	Binding  string    // name of the trigger's binding
	Now      time.Time // by the host's clock
}

// Message is a message of a queue.
type Message struct {
	ID       string
	Receipt  string // changes whenever the lease is renewed
	Count    int64  // how often it was received, this time included
	Inserted time.Time
	Expires  time.Time
	Visible  time.Time
}

// Queue is the body for a message with this content, after base64 is decoded.
func (c Call) Queue(content []byte, m Message) []byte {
	var meta bindingData
	text := validText(content)
	meta.set("QueueTrigger", textValue(text))
	meta.set("DequeueCount", numberValue(m.Count))
	meta.set("ExpirationTime", timeValue(m.Expires))
	meta.set("Id", textValue(m.ID))
	meta.set("InsertionTime", timeValue(m.Inserted))
	meta.set("NextVisibleTime", timeValue(m.Visible))
	meta.set("PopReceipt", textValue(m.Receipt))
	// The real host adds what it says of the call before it looks into the message.
	c.addSys(&meta)
	meta.promote(text)
	return c.body(textValue(text), &meta)
}

// Timer is the body for a timer. Status is nil for a run by hand.
func (c Call) Timer(status *TimerStatus, pastDue bool) []byte {
	shown, late := raw("null"), raw("false")
	if status != nil {
		shown = raw(status.JSON())
	}
	if pastDue {
		late = "true"
	}
	var meta bindingData
	c.addSys(&meta)
	return c.body(object{
		{"Schedule", object{{"AdjustForDST", "true"}}.json()},
		{"ScheduleStatus", shown},
		{"IsPastDue", late},
	}.json(), &meta)
}

// addSys adds what the host says of the call itself.
func (c Call) addSys(meta *bindingData) {
	meta.set("sys", object{
		{"MethodName", quote(c.Function)},
		{"UtcNow", quote(ticks(c.Now, "Z07:00"))},
		{"RandGuid", quote(uuid.NewString())},
	}.json())
}

// body leaves out names that end in "trigger".
func (c Call) body(data raw, meta *bindingData) []byte {
	var kept object
	for _, m := range meta.members {
		if !strings.HasSuffix(strings.ToLower(m.name), "trigger") {
			kept = append(kept, m)
		}
	}
	return []byte(object{
		{"Data", object{{c.Binding, data}}.json()},
		{"Metadata", kept.json()},
	}.json())
}

// TimerStatus is what the host remembers of a timer between its runs.
type TimerStatus struct {
	Last        time.Time // zero: never
	Next        time.Time
	LastUpdated time.Time
}

// JSON is the form of the status blob.
func (s *TimerStatus) JSON() []byte {
	return []byte(object{
		{"Last", quote(ticks(s.Last, "-07:00"))},
		{"Next", quote(ticks(s.Next, "-07:00"))},
		{"LastUpdated", quote(ticks(s.LastUpdated, "-07:00"))},
	}.json())
}

// ticks formats a time to at most 100 ns, as .NET does.
func ticks(t time.Time, zone string) string {
	return t.UTC().Format("2006-01-02T15:04:05.9999999" + zone)
}
