// Package hourblob reads hour blobs and their rows by their format
// (docs/formats/hour-blob.md), and says why one is rejected.
package hourblob

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"stackusage/shared/verify/form"
)

// Shown is a key of usage as the stack wrote it.
type Shown struct {
	SubscriptionID string `json:"subscriptionId"`
	ResourceURI    string `json:"resourceUri"`
	MeterID        string `json:"meterId"`
	Location       string `json:"location,omitempty"`
	Tags           string `json:"tags,omitempty"`
	AdditionalInfo string `json:"additionalInfo,omitempty"`
}

func (s *Shown) parts() []*string {
	return []*string{&s.SubscriptionID, &s.ResourceURI, &s.MeterID, &s.Location, &s.Tags, &s.AdditionalInfo}
}

// Normal is what rows are summed by: GUIDs lower case without dashes, resource URIs
// lower case, "null" like nothing.
func (s Shown) Normal() Shown {
	for _, part := range s.parts()[3:] {
		if *part == "null" {
			*part = ""
		}
	}
	s.SubscriptionID, s.ResourceURI, s.MeterID = form.PlainGUID(s.SubscriptionID), strings.ToLower(s.ResourceURI), form.PlainGUID(s.MeterID)
	return s
}

// Key is the normal form, part by part.
func (s Shown) Key() (key []string) {
	normal := s.Normal()
	for _, part := range normal.parts() {
		key = append(key, *part)
	}
	return key
}

// Least is, part by part, the spelling that comes first.
func (s Shown) Least(other Shown) Shown {
	for i, part := range s.parts() {
		*part = min(*part, *other.parts()[i])
	}
	return s
}

// Usage is a row of the usage API that counts, or the sum of such rows of one hour.
type Usage struct {
	Shown
	Quantity string
	Hour     form.Hour // of the usage
	Rows     int64
	Input    string // that has them
}

// Add adds usage of the same key, hour and input.
func (u Usage) Add(v Usage) Usage {
	u.Shown, u.Quantity, u.Rows = u.Least(v.Shown), form.Plus(u.Quantity, v.Quantity), u.Rows+v.Rows
	return u
}

var (
	number   = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)
	resource = regexp.MustCompile(`^/(?i:subscriptions)/` + form.AnyGUID + `(/(?i:resourceGroups)/[^/\p{Cc}]+)?/(?i:providers)(/[^/\p{Cc}]+){3,}$`)
	dots     = regexp.MustCompile(`/\.\.?(/|$)`)
)

// maxRow is how long a row may be.
const maxRow = 256 << 10

// ReadRow reads a row that was reported in an hour. code says why it is
// rejected; empty: it counts. docs/formats/hour-blob.md.
func ReadRow(content []byte, reported form.Hour) (u Usage, code string) {
	var row struct{ Properties json.RawMessage }
	var p struct {
		SubscriptionID, MeterID, UsageStartTime, UsageEndTime string
		Quantity, InstanceData                                json.RawMessage
	}
	if len(content) > maxRow {
		return u, "LineTooLong"
	}
	if code = form.Decode(content, &row, false); code == "" {
		code = form.Decode(row.Properties, &p, false)
	}
	start, err := time.Parse(time.RFC3339Nano, p.UsageStartTime)
	end, errEnd := time.Parse(time.RFC3339Nano, p.UsageEndTime)
	start = start.UTC()
	oneHour := err == nil && errEnd == nil && start.Truncate(time.Hour).Equal(start) && end.Equal(start.Add(time.Hour)) && start.Year() >= 2016 && start.Year() <= 9999
	quantity, wrong := readQuantity(form.CarriedText(p.Quantity))
	u = Usage{Shown: Shown{SubscriptionID: p.SubscriptionID, MeterID: p.MeterID}, Quantity: quantity, Hour: form.HourOf(start), Rows: 1}
	code = cmp.Or(code, cmp.Or(
		form.When(string(row.Properties) == "null", form.Unreadable),
		form.When(!form.IsGUID(p.SubscriptionID), "InvalidSubscriptionId"),
		form.When(!form.IsGUID(p.MeterID), "InvalidMeterId"),
		form.When(wrong != "", wrong),
		form.When(!oneHour, "WindowNotOneHour"),
		form.When(form.HourOf(start) > reported, "WindowAfterReportedHour")), readInstance(form.CarriedText(p.InstanceData), &u.Shown))
	return u, code
}

// readQuantity reads a JSON number, or the text of one, exactly.
func readQuantity(content string) (quantity, code string) {
	m := number.FindStringSubmatch(content)
	if m == nil {
		return "", "QuantityNotNumeric"
	}
	fraction := m[3]
	digits := strings.TrimLeft(m[2]+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	e, err := strconv.Atoi(cmp.Or(m[4], "0"))
	e += len(digits) - len(significant) - len(fraction)
	out := err != nil || len(significant) > 40 || e < -40 || e > 20
	if significant == "" {
		significant, e, out = "0", 0, false
	}
	if code = cmp.Or(form.When(len(content) > 256 || out, "QuantityOutOfBounds"), form.When(m[1] != "" && significant != "0", "QuantityNegative")); code != "" {
		return "", code
	}
	return form.Plus(significant+"e"+strconv.Itoa(e), ""), ""
}

// readInstance reads instanceData: JSON, or JSON in the text of a string.
func readInstance(content string, into *Shown) (code string) {
	var instance struct {
		Resource json.RawMessage `json:"Microsoft.Resources"`
	}
	var r struct {
		ResourceURI, Location string
		Tags, AdditionalInfo  json.RawMessage
	}
	if content != "" { // else it is missing, or null
		code = form.Decode([]byte(content), &instance, false)
	}
	if code == "" && len(instance.Resource) > 0 {
		code = form.Decode(instance.Resource, &r, false)
	}
	into.ResourceURI, into.Location, into.Tags, into.AdditionalInfo = r.ResourceURI, r.Location, form.CarriedText(r.Tags), form.CarriedText(r.AdditionalInfo)
	return cmp.Or(code, cmp.Or(form.When(len(r.ResourceURI) > 8<<10 || !resource.MatchString(r.ResourceURI) || dots.MatchString(r.ResourceURI), "InvalidResourceUri"), form.When(len(r.Location) > 256, form.Unreadable)))
}
