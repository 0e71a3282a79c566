package handlers

import (
	"encoding/json"
	"fmt"
	"strings"

	"stackusage/functions"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Queues of the app. Names only; a message names what to work on.
const (
	QueueLanded  = "usage-landed"
	QueueDays    = "usage-days"
	QueueBatches = "usage-batches"

	poisonSuffix = "-poison"
)

// QueueNames lists the queues that a deployment must have, poison queues
// included: they exist before they are needed.
func QueueNames() ([]string, error) {
	all, err := functions.All()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		if q := f.Trigger().QueueName; q != "" {
			names = append(names, q, q+poisonSuffix)
		}
	}
	return names, nil
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

// decodeLanded reads which blob landed. probe is true for the agent's
// own blobs, which mean nothing here.
func decodeLanded(text string) (name landing.Name, probe bool, err error) {
	var m landedMessage
	if err := strictjson.Unmarshal([]byte(text), &m); err != nil {
		return name, false, fmt.Errorf("not an event: %w", err)
	}
	if m.EventType != blobCreated && m.Type != blobCreated {
		return name, false, fmt.Errorf("event type %.60q: only %s is handled", m.EventType+m.Type, blobCreated)
	}
	rest, ok := strings.CutPrefix(m.Subject, "/blobServices/default/containers/")
	container, blob, found := strings.Cut(rest, "/blobs/")
	if !ok || !found {
		return name, false, fmt.Errorf("event subject %.200q: names no blob", m.Subject)
	}
	if landing.Aside(blob) {
		return name, true, nil
	}
	name, err = landing.ParseName(container, blob)
	return name, false, err
}

type dayMessage struct {
	CloudID  string    `json:"cloudId"`
	UsageDay usage.Day `json:"usageDay"`
}

// DayMessage is the message of queue usage-days that asks for a usage day to
// be closed.
func DayMessage(cloudID string, day usage.Day) string {
	return encode(dayMessage{CloudID: cloudID, UsageDay: day})
}

type batchMessage struct {
	CloudID  string    `json:"cloudId"`
	UsageDay usage.Day `json:"usageDay"`
	Revision int       `json:"revision"`
	Batch    int       `json:"batch"`
}

// BatchMessage is the message of queue usage-batches that asks for a batch to be
// sent.
func BatchMessage(id ledger.BatchID) string {
	return encode(batchMessage{CloudID: id.CloudID, UsageDay: id.Day, Revision: id.Revision, Batch: id.Number})
}

func (m batchMessage) id() ledger.BatchID {
	return ledger.BatchID{CloudID: m.CloudID, Day: m.UsageDay, Revision: m.Revision, Number: m.Batch}
}

func encode(message any) string {
	b, _ := json.Marshal(message) // strings and numbers: cannot fail
	return string(b)
}

// decode reads a message of ours strictly: a field that is missing or unknown
// means that somebody else wrote it.
func decode[T any](req invoke.Request) (T, error) {
	var m T
	text, err := req.Text("message")
	if err != nil {
		return m, err
	}
	if err := strictjson.UnmarshalKnown([]byte(text), &m); err != nil {
		return m, badMessage{fmt.Errorf("%.200q: %w", text, err)}
	}
	return m, nil
}

func checkCloudID(id string) error {
	if usage.CheckGUID(id) != nil || usage.DashedGUID(id) != id {
		return badMessage{fmt.Errorf("cloudId %.60q: must be a GUID in lower case with dashes", id)}
	}
	return nil
}
