// Package queue holds the names of the app's queues and the texts of their messages.
// A message names what to work on and carries no data:
//
//	usage-landed    a blob that landed, as Event Grid says it   LandedMessage
//	usage-days      a usage day that may close                  DayMessage
//	usage-batches   a batch to be sent to commerce              BatchMessage
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"stackusage/functions"
	"stackusage/shared/landing"
	"stackusage/shared/outbox"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Queues of the app.
const (
	Landed  = "usage-landed"
	Days    = "usage-days"
	Batches = "usage-batches"

	poisonSuffix = "-poison"
)

// Poison is the queue of the messages of a queue that the host gave up on.
func Poison(name string) string { return name + poisonSuffix }

// Names lists the queues that a deployment must have, poison queues
// included: they exist before they are needed.
func Names() ([]string, error) {
	all, err := functions.All()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		if q := f.Trigger().QueueName; q != "" {
			names = append(names, q, Poison(q))
		}
	}
	return names, nil
}

// Sender puts messages on queues. A message is hidden for delay.
type Sender interface {
	Enqueue(ctx context.Context, queue, text string, delay time.Duration) error
}

// landedMessage is what is read of a BlobCreated event, in the Event Grid
// schema or as a CloudEvent: both carry the subject.
type landedMessage struct {
	Subject   string `json:"subject"`
	EventType string `json:"eventType,omitempty"`
	Type      string `json:"type,omitempty"`
}

const blobCreated = "Microsoft.Storage.BlobCreated"

// LandedMessage is the message of queue usage-landed by which a blob is
// announced again.
func LandedMessage(name landing.Name) string {
	b, _ := json.Marshal(landedMessage{Subject: "/blobServices/default/containers/" + name.Container() + "/blobs/" + name.Blob(), EventType: blobCreated}) // strings: cannot fail
	return string(b)
}

// ParseLanded reads which blob landed. aside is true for the agent's
// own blobs, which are no usage. Errors are a Bad.
func ParseLanded(text string) (name landing.Name, aside bool, err error) {
	var m landedMessage
	if err := strictjson.Unmarshal([]byte(text), &m); err != nil {
		return name, false, Bad{fmt.Errorf("not an event: %w", err)}
	}
	if m.EventType != blobCreated && m.Type != blobCreated {
		return name, false, Bad{fmt.Errorf("event type %.60q: only %s is handled", m.EventType+m.Type, blobCreated)}
	}
	rest, ok := strings.CutPrefix(m.Subject, "/blobServices/default/containers/")
	container, blob, found := strings.Cut(rest, "/blobs/")
	if !ok || !found {
		return name, false, Bad{fmt.Errorf("event subject %.200q: names no blob", m.Subject)}
	}
	if landing.Aside(blob) {
		return name, true, nil
	}
	if name, err = landing.ParseName(container, blob); err != nil {
		return name, false, Bad{err}
	}
	return name, false, nil
}

// Day is what a message of queue usage-days names.
type Day struct {
	CloudID  string    `json:"cloudId"`
	UsageDay usage.Day `json:"usageDay"`
}

// DayMessage is the message of queue usage-days that asks for a usage day to
// be closed.
func DayMessage(cloudID string, day usage.Day) string {
	return encode(Day{CloudID: cloudID, UsageDay: day})
}

// ParseDay reads a message of queue usage-days. Errors are a Bad.
func ParseDay(text string) (Day, error) {
	m, err := decode[Day](text)
	if err != nil {
		return m, err
	}
	return m, checkCloudID(m.CloudID)
}

type batch struct {
	CloudID  string    `json:"cloudId"`
	UsageDay usage.Day `json:"usageDay"`
	Revision int       `json:"revision"`
	Batch    int       `json:"batch"`
}

// BatchMessage is the message of queue usage-batches that asks for a batch to be
// sent.
func BatchMessage(id outbox.ID) string {
	return encode(batch{CloudID: id.CloudID, UsageDay: id.Day, Revision: id.Revision, Batch: id.Number})
}

// ParseBatch reads a message of queue usage-batches. Errors are a Bad.
func ParseBatch(text string) (outbox.ID, error) {
	m, err := decode[batch](text)
	if err != nil {
		return outbox.ID{}, err
	}
	return outbox.ID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: m.Batch}, checkCloudID(m.CloudID)
}

// Bad is a message that no repetition will make good: it names nothing that could
// be worked on. It is recorded in FailedMessages.
type Bad struct{ Reason error }

func (b Bad) Error() string { return "message: " + b.Reason.Error() }
func (b Bad) Unwrap() error { return b.Reason }

func encode(message any) string {
	b, _ := json.Marshal(message) // strings and numbers: cannot fail
	return string(b)
}

// decode reads a message of ours strictly: a field that is missing or unknown
// means that somebody else wrote it.
func decode[T any](text string) (m T, err error) {
	if err := strictjson.UnmarshalKnown([]byte(text), &m); err != nil {
		return m, Bad{fmt.Errorf("%.200q: %w", text, err)}
	}
	return m, nil
}

func checkCloudID(id string) error {
	if usage.CheckGUID(id) != nil || usage.DashedGUID(id) != id {
		return Bad{fmt.Errorf("cloudId %.60q: must be a GUID in lower case with dashes", id)}
	}
	return nil
}
