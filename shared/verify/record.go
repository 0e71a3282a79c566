package verify

import (
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// line is what is billed as one.
type line struct {
	shown
	Model     string `json:"billingModel"`
	Billing   string `json:"billingSubscriptionId"`
	Meter     string `json:"commerceMeterId,omitempty"`
	Class     string `json:"meterClass"`
	From      string `json:"carriedFrom,omitempty"` // the day of the usage, 2019-12-10, of what was carried into the day
	Reporting string `json:"reporting,omitempty"`   // off: it was in this part of the day alone
}

// parts are what tells lines apart, in the order of a daily file.
func (b line) parts() []string {
	return append(b.key(), plainGUID(b.Billing), plainGUID(b.Meter), b.Class, plainDay(b.From), b.Model, b.Reporting)
}

// meter is an entry of the catalogue.
type meter struct {
	name, unit, class, commerce, admin string
	deprecated                         bool
}

// bill is what usage is billed as.
func (r *revision) bill(u usage) line {
	p := r.parts[slices.IndexFunc(r.parts, func(p part) bool { return p.Until.IsZero() || u.Hour < hourOf(p.Until) })]
	key := u.normal()
	m, known := r.meters[key.MeterID]
	b := line{shown: u.shown, Model: p.Model, Billing: p.Billing, Meter: m.commerce, Class: m.class, Reporting: p.Reporting}
	if !known {
		b.Class = "unknown"
	}
	if slices.Contains(p.Infrastructure, dashedGUID(key.SubscriptionID)) {
		b.Class, b.Meter = "admin", m.admin
	} else if mapped := p.Mappings[dashedGUID(r.tenants[key.SubscriptionID])]; mapped != "" {
		b.Billing = mapped
	}
	return b
}

// record is a daily record, docs/formats/daily-record.md.
func (r *revision) record(b line, hours []int, kind, corrects, reason, quantity string) []byte {
	key := b.normal()
	m, known := r.meters[key.MeterID]
	var flags []string
	for _, flag := range []finding{
		{m.deprecated, "deprecatedMeter"},
		{plainGUID(strings.Split(key.ResourceURI, "/")[2]) != key.SubscriptionID, "foreignResource"},
		{r.text("missingHours") != "" && b.From == "", "incompleteDay"},
		{b.Class != "admin" && wrongLicence(key.MeterID, key.AdditionalInfo), "licenseMismatch"},
		{!known, "unknownMeter"},
	} {
		if flag.is {
			flags = append(flags, flag.code)
		}
	}
	first := startOf(cmp.Or(plainDay(b.From), r.day)).Add(time.Duration(append(slices.Clone(hours), 0)[0]) * time.Hour)
	return object("recordId", r.recordID(b), "cloudId", r.cloudID, "kind", kind, "corrects?", corrects, "carriedFrom?", b.From, "reason?", reason, "revision", r.number,
		"billingModel", b.Model, "billingSubscriptionId", b.Billing, "subscriptionId", dashedGUID(b.SubscriptionID), "meterId", dashedGUID(b.MeterID),
		"commerceMeterId?", b.Meter, "meterName", m.name, "unit", m.unit, "meterClass", b.Class, "flags?", flags, "quantity", quantity,
		"usageDate", dashedDay(r.day), "usageStart", startOf(r.day), "usageEnd", endOf(r.day), "hours", listOf(hours), "region", "Azure Stack", "location", "azurestack",
		"resourceUri", b.ResourceURI, "tags", ownText(key.Tags), "additionalInfo", json.RawMessage(object(
			"stamp?", ownText(key.AdditionalInfo), "azureStack.MeterId", b.MeterID, "azureStack.SubscriptionId", b.SubscriptionID,
			"azureStack.Location", cmp.Or(key.Location, r.region), "azureStack.EventDateTime", first.Format("01/02/2006 15:04:05"))))
}

// recordID is a UUID of version 5 (RFC 9562) of what the record is of.
func (r *revision) recordID(b line) string {
	space := "\x6f\x0c\x1a\x52\x3d\x0e\x5f\x0b\x9f\x43\x7d\x1f\x0f\x0e\x6a\x11"
	name := []any{plainGUID(r.cloudID), r.day, r.number}
	for _, part := range b.parts()[:9] {
		name = append(name, part)
	}
	if b.From != "" {
		name = append(name, plainDay(b.From))
	}
	if b.Model != r.parts[len(r.parts)-1].Model {
		name = append(name, b.Model)
	}
	id := sha1.Sum(append([]byte(space), encode(name)...))
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return dashedGUID(fmt.Sprintf("%x", id[:16]))
}

// listOf is a list of all, ascending, each once.
func listOf[T cmp.Ordered](lists ...[]T) []T {
	list := append([]T{}, slices.Concat(lists...)...)
	slices.Sort(list)
	return slices.Compact(list)
}

// maxText is how much of the stack's own text a record carries, or is looked at.
const maxText = 16 << 10

// ownText is the stack's own text as a record carries it.
func ownText(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s)))
	}
	return s
}

// wrongLicence reports whether a machine is on the wrong one of the base and the
// Windows meter, as far as additionalInfo tells. docs/meters.md.
func wrongLicence(meter, info string) bool {
	var raw map[string]json.RawMessage
	vm, known := map[string]string{}, len(info) <= maxText && json.Unmarshal([]byte(info), &raw) == nil
	for name, value := range raw {
		if field, text := strings.ToLower(name), ""; among(field, "servicetype", "imagetype", "publisher", "offer", "sku") {
			_, twice := vm[field]
			known = known && !twice && json.Unmarshal(value, &text) == nil
			vm[field] = text
		}
	}
	windows := meter == "9cd92d4cbafd4492b278bedc2de8232a" && strings.EqualFold(vm["imagetype"], "Windows_Server")
	base := meter == "fab6eb84500b4a09a8ca7358f8bbaea5" && vm["imagetype"] == "" && strings.EqualFold(vm["publisher"], "MicrosoftWindowsServer")
	return known && (windows || base)
}
