package azurestack

import (
	"bytes"
	"encoding/json"
)

// TimeLayout is how a stack writes the bounds of a usage window: an offset,
// never Z.
const TimeLayout = "2006-01-02T15:04:05+00:00"

// Record is a usage row with its fields in the order in which a stack sends
// them.
type Record struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Properties Properties `json:"properties"`
}

// Properties are what a row says of usage.
type Properties struct {
	SubscriptionID string      `json:"subscriptionId"`
	UsageStartTime string      `json:"usageStartTime"`
	UsageEndTime   string      `json:"usageEndTime"`
	InstanceData   string      `json:"instanceData"` // JSON in a string
	Quantity       json.Number `json:"quantity"`
	MeterID        string      `json:"meterId"`
	Name           string      `json:"name"`
}

// Instance is the JSON in InstanceData.
type Instance struct {
	Resources struct {
		ResourceURI    string `json:"resourceUri"`
		Location       string `json:"location"`
		Tags           string `json:"tags"`
		AdditionalInfo string `json:"additionalInfo"`
	} `json:"Microsoft.Resources"`
}

// Encode writes a record or an instance as a stack does, without the escapes
// for HTML that json.Marshal adds.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // only our own structs come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
