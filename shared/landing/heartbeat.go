package landing

import (
	"strings"
	"time"

	"stackusage/shared/usage"
)

// HeartbeatPrefix begins the names of the blobs in which an agent says once an hour
// how it is: _heartbeat/2026/11/28/14.json.
const HeartbeatPrefix = "_heartbeat/"

// HeartbeatFormat names the layout of a Heartbeat.
const HeartbeatFormat = "stackusage-heartbeat/1"

// Aside reports whether a blob of a landing container is no hour but the agent's own,
// which nothing ingests: its name begins with "_".
func Aside(blob string) bool { return strings.HasPrefix(blob, "_") }

// HeartbeatName is the name of the heartbeat of an hour, by the agent's clock.
func HeartbeatName(h usage.Hour) string {
	return HeartbeatPrefix + h.Start().Format("2006/01/02/15") + ".json"
}

// Heartbeat is what an agent says of itself. Hours are reported hours by their start;
// nil and zero are not known.
type Heartbeat struct {
	Format         string      `json:"format"`
	At             time.Time   `json:"at"`
	AgentVersion   string      `json:"agentVersion"`
	NextHour       *usage.Hour `json:"nextHour"`      // the oldest that is not collected
	SecondsBehind  int64       `json:"secondsBehind"` // since that was due
	BacklogHours   int         `json:"backlogHours"`  // files that wait to be stored
	OldestUnstored *usage.Hour `json:"oldestUnstored,omitempty"`
	FailingHours   int         `json:"failingHours"` // due, and not collected at the last try
	FailingFiles   int         `json:"failingFiles"` // not stored at the last try, or set aside
	CollectError   string      `json:"collectError,omitempty"`
	UploadError    string      `json:"uploadError,omitempty"`

	// CredentialEnd is when the first of the certificates and secrets ends that the
	// agent signs in with.
	CredentialEnd time.Time `json:"credentialEnd,omitzero"`
}
