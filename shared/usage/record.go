package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"stackusage/shared/strictjson"
)

// MaxLine is the most bytes that one row may have.
const MaxLine = 256 << 10

// Bounds of two fields that are kept as table properties.
const (
	maxResourceURI = 8 << 10 // bytes
	maxLocation    = 256
)

// Record is one row of the stack's usage API that may count.
type Record struct {
	Shown
	Hour     Hour // when the resource was consumed
	Quantity Quantity
}

// Rejection says why a row does not count. It is a value that is stored with the
// row, so its codes are public and do not change.
type Rejection struct {
	Code   string // one of the Rejected... constants
	Reason string // a sentence for people; never holds tags
}

// Codes of rejections.
const (
	RejectedJSON         = "UnreadableJson"
	RejectedAmbiguous    = "AmbiguousKeys"
	RejectedLine         = "LineTooLong"
	RejectedSubscription = "InvalidSubscriptionId"
	RejectedMeter        = "InvalidMeterId"
	RejectedNotNumeric   = "QuantityNotNumeric"
	RejectedNegative     = "QuantityNegative"
	RejectedOutOfBounds  = "QuantityOutOfBounds"
	RejectedWindow       = "WindowNotOneHour"
	RejectedFuture       = "WindowAfterReportedHour"
	RejectedResource     = "InvalidResourceUri"
	RejectedLocation     = "LocationMissing"
	RejectedLeftOut      = "LeftOut" // of a corrected blob: not by a rule
)

func reject(code, format string, args ...any) *Rejection {
	return &Rejection{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// row is the part of the API's answer that usage is made of. Quantity is kept
// as it was written: a JSON number, or by the older specification a string.
type row struct {
	Properties *struct {
		SubscriptionID string           `json:"subscriptionId"`
		UsageStartTime string           `json:"usageStartTime"`
		UsageEndTime   string           `json:"usageEndTime"`
		InstanceData   strictjson.Value `json:"instanceData"`
		Quantity       strictjson.Value `json:"quantity"`
		MeterID        string           `json:"meterId"`
	} `json:"properties"`
}

// instance is what the stack writes, as JSON inside a JSON string. Tags and
// additionalInfo are strings again: "", "null", JSON, or bare text.
type instance struct {
	Resource *struct {
		ResourceURI    string           `json:"resourceUri"`
		Location       string           `json:"location"`
		Tags           strictjson.Value `json:"tags"`
		AdditionalInfo strictjson.Value `json:"additionalInfo"`
	} `json:"Microsoft.Resources"`
}

// ParseRecord checks one row that was reported in the given hour. It answers
// either a record or the reason why the row is refused, never both.
func ParseRecord(line []byte, reported Hour) (Record, *Rejection) {
	if len(line) > MaxLine {
		return Record{}, reject(RejectedLine, "the row has %d bytes; at most %d are read", len(line), MaxLine)
	}
	if !utf8.Valid(line) {
		return Record{}, reject(RejectedJSON, "the row is not valid UTF-8")
	}
	var r row
	if err := strictjson.Unmarshal(line, &r); err != nil {
		return Record{}, rejectJSON("the row is not the JSON of a usage record", err)
	}
	p := r.Properties
	if p == nil {
		return Record{}, reject(RejectedJSON, "the row has no properties")
	}
	if err := CheckGUID(p.SubscriptionID); err != nil {
		return Record{}, reject(RejectedSubscription, "subscriptionId %.60q: %v", p.SubscriptionID, err)
	}
	if err := CheckGUID(p.MeterID); err != nil {
		return Record{}, reject(RejectedMeter, "meterId %.60q: %v", p.MeterID, err)
	}
	rec := Record{Shown: Shown{SubscriptionID: p.SubscriptionID, MeterID: p.MeterID}}
	var rejection *Rejection
	if rec.Quantity, rejection = parseRowQuantity(p.Quantity); rejection != nil {
		return Record{}, rejection
	}
	if rec.Hour, rejection = parseWindow(p.UsageStartTime, p.UsageEndTime, reported); rejection != nil {
		return Record{}, rejection
	}
	if rejection = parseInstance(p.InstanceData, &rec.Shown); rejection != nil {
		return Record{}, rejection
	}
	return rec, nil
}

// refuseJSON tells a row that says two things from one that says none.
func rejectJSON(what string, err error) *Rejection {
	var bad *strictjson.Error
	if errors.As(err, &bad) && bad.Ambiguous {
		return reject(RejectedAmbiguous, "%s: %v", what, err)
	}
	return reject(RejectedJSON, "%s: %v", what, err)
}

func parseRowQuantity(raw strictjson.Value) (Quantity, *Rejection) {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		var err error
		if text, err = strictjson.Text(raw); err != nil {
			return Quantity{}, reject(RejectedNotNumeric, "quantity %.60q is not a decimal number", raw)
		}
	}
	q, err := ParseQuantity(text)
	switch {
	case errors.Is(err, ErrOutOfBounds):
		return Quantity{}, reject(RejectedOutOfBounds, "quantity %.60q is %v", text, ErrOutOfBounds)
	case err != nil:
		return Quantity{}, reject(RejectedNotNumeric, "quantity %.60q is not a decimal number", text)
	case q.Sign() < 0:
		return Quantity{}, reject(RejectedNegative, "quantity %.60q is below zero", text)
	}
	return q, nil
}

// earliest is the first hour that may carry usage: a clock that was never set
// must not open a usage day of its own. The first preview came out in 2016.
var earliest = HourOf(time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC))

func parseWindow(start, end string, reported Hour) (Hour, *Rejection) {
	h, err := ParseHour(start)
	if err != nil {
		return 0, reject(RejectedWindow, "usageStartTime: %v", err)
	}
	e, err := time.Parse(time.RFC3339Nano, end)
	if err != nil {
		return 0, reject(RejectedWindow, "usageEndTime %.40q: not an RFC 3339 time", end)
	}
	if !e.Equal(h.End()) {
		return 0, reject(RejectedWindow, "the usage window %.40s to %.40s is not exactly one hour", start, end)
	}
	if h < earliest {
		return 0, reject(RejectedWindow, "the usage window starts %s, before there was any Azure Stack", h)
	}
	if h > reported {
		return 0, reject(RejectedFuture, "the usage window ends %s, after the end of the reported hour %s", h+1, reported)
	}
	return h, nil
}

// CheckLocation rejects a row that names no location where nobody else does: region
// is the stack's name for itself, as the file's header or the registration has it.
// Commerce declines a record without one, so the row waits until it can be billed.
func (r Record) CheckLocation(region string) *Rejection {
	if OrEmpty(r.Location) == "" && region == "" {
		return reject(RejectedLocation, "the row names no location, and neither the file's header nor the registration names the region of the stack")
	}
	return nil
}

func parseInstance(raw strictjson.Value, shown *Shown) *Rejection {
	inner := []byte(raw)
	if bytes.HasPrefix(inner, []byte(`"`)) {
		text, err := strictjson.Text(raw)
		if err != nil {
			return rejectJSON("instanceData is not readable", err)
		}
		inner = []byte(text)
	}
	if len(inner) == 0 {
		return reject(RejectedResource, "instanceData is missing, so the row names no resource")
	}
	var inst instance
	if err := strictjson.Unmarshal(inner, &inst); err != nil {
		return rejectJSON("instanceData is not JSON", err)
	}
	if inst.Resource == nil {
		return reject(RejectedResource, "instanceData has no Microsoft.Resources, so the row names no resource")
	}
	shown.ResourceURI, shown.Location = inst.Resource.ResourceURI, inst.Resource.Location
	if err := checkResourceURI(shown.ResourceURI); err != nil {
		return reject(RejectedResource, "resourceUri %.200q: %v", shown.ResourceURI, err)
	}
	if len(shown.Location) > maxLocation {
		return reject(RejectedJSON, "instanceData: a location of %d bytes; at most %d are read", len(shown.Location), maxLocation)
	}
	shown.Tags = ownText(inst.Resource.Tags)
	shown.AdditionalInfo = ownText(inst.Resource.AdditionalInfo)
	return nil
}

// ownText is the text of a JSON string, or the JSON itself where the stack
// wrote something else: it is carried, not interpreted.
func ownText(raw strictjson.Value) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if text, err := strictjson.Text(raw); err == nil {
		return text
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return string(raw)
	}
	return compact.String()
}
