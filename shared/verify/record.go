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
	Shown                        shown
	Model, Billing, Meter, Class string
	Carried                      string // the day of the usage, 20191210, of what was carried into the day
	Reporting                    string // off: it was in this part of the day alone
}

// parts are what tells lines apart, in the order of a daily file.
func (b line) parts() []string {
	return append(b.Shown.normal(), plainGUID(b.Billing), plainGUID(b.Meter), b.Class, b.Carried, b.Model, b.Reporting)
}

// rules are what a revision was settled by: who pays and what is free.
type rules struct {
	cloudID, day string
	number       int
	parts        []part
	tenants      map[string]string // subscription to directory tenant, plain
	meters       map[string]meter  // by plain id
	region       string            // the stack's own, for rows that name none
	incomplete   bool
	off          bool // usage reporting is
	unsettled    bool // and nobody was ever charged: nothing is settled yet
}

// meter is an entry of the catalogue.
type meter struct {
	name, unit, class, commerce, admin string
	deprecated                         bool
}

// bill is what usage is billed as.
func (r rules) bill(u usage) line {
	p := r.parts[slices.IndexFunc(r.parts, func(p part) bool { return p.Until.IsZero() || u.Hour < hourOf(p.Until) })]
	key := u.Shown.normal()
	m, known := r.meters[key[meterID]]
	b := line{Shown: u.Shown, Model: p.Model, Billing: p.Billing, Meter: m.commerce, Class: m.class, Reporting: p.Reporting}
	if !known {
		b.Class = "unknown"
	}
	if slices.Contains(p.Infrastructure, dashedGUID(key[subscriptionID])) {
		b.Class, b.Meter = "admin", m.admin
	} else if mapped := p.Mappings[dashedGUID(r.tenants[key[subscriptionID]])]; mapped != "" {
		b.Billing = mapped
	}
	return b
}

// record is a daily record, docs/formats/daily-record.md.
func (r rules) record(b line, hours uint32, kind, corrects, reason, quantity string) []byte {
	key := b.Shown.normal()
	m, known := r.meters[key[meterID]]
	var flags []string
	for flag, is := range map[string]bool{
		"unknownMeter":    !known,
		"deprecatedMeter": m.deprecated,
		"licenseMismatch": b.Class != "admin" && wrongLicence(key[meterID], key[additionalInfo]),
		"foreignResource": plainGUID(strings.Split(key[resourceURI], "/")[2]) != key[subscriptionID],
		"incompleteDay":   r.incomplete && b.Carried == "",
	} {
		if is {
			flags = append(flags, flag)
		}
	}
	slices.Sort(flags)
	first := startOf(cmp.Or(b.Carried, r.day)).Add(time.Duration(append(hoursOf(hours), 0)[0]) * time.Hour)
	return object("recordId", r.recordID(b), "cloudId", r.cloudID, "kind", kind, "corrects?", corrects, "carriedFrom?", dashedDay(b.Carried), "reason?", reason, "revision", r.number,
		"billingModel", b.Model, "billingSubscriptionId", b.Billing, "subscriptionId", dashedGUID(b.Shown[subscriptionID]), "meterId", dashedGUID(b.Shown[meterID]),
		"commerceMeterId?", b.Meter, "meterName", m.name, "unit", m.unit, "meterClass", b.Class, "flags?", flags, "quantity", quantity,
		"usageDate", dashedDay(r.day), "usageStart", startOf(r.day), "usageEnd", endOf(r.day), "hours", hoursOf(hours), "region", "Azure Stack", "location", "azurestack",
		"resourceUri", b.Shown[resourceURI], "tags", ownText(key[tags]), "additionalInfo", json.RawMessage(object(
			"stamp?", ownText(key[additionalInfo]), "azureStack.MeterId", b.Shown[meterID], "azureStack.SubscriptionId", b.Shown[subscriptionID],
			"azureStack.Location", cmp.Or(key[location], r.region), "azureStack.EventDateTime", first.Format("01/02/2006 15:04:05"))))
}

// recordID is a UUID of version 5 (RFC 9562) of what the record is of.
func (r rules) recordID(b line) string {
	space := "\x6f\x0c\x1a\x52\x3d\x0e\x5f\x0b\x9f\x43\x7d\x1f\x0f\x0e\x6a\x11"
	name := []any{plainGUID(r.cloudID), r.day, r.number}
	for _, part := range b.parts()[:keyParts+3] {
		name = append(name, part)
	}
	if b.Carried != "" {
		name = append(name, b.Carried)
	}
	if b.Model != r.parts[len(r.parts)-1].Model {
		name = append(name, b.Model)
	}
	id := sha1.Sum(append([]byte(space), encode(name)...))
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return dashedGUID(fmt.Sprintf("%x", id[:16]))
}

func setOf(hours []int) (set uint32) {
	for _, h := range hours {
		set |= 1 << h
	}
	return set
}

func hoursOf(set uint32) []int {
	hours := []int{}
	for h := range 24 {
		if set&(1<<h) != 0 {
			hours = append(hours, h)
		}
	}
	return hours
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
	if len(info) > maxText || json.Unmarshal([]byte(info), &raw) != nil {
		return false
	}
	vm := map[string]string{}
	for name, value := range raw {
		field, text := strings.ToLower(name), ""
		if !slices.Contains([]string{"servicetype", "imagetype", "publisher", "offer", "sku"}, field) {
			continue
		}
		if _, twice := vm[field]; twice || json.Unmarshal(value, &text) != nil {
			return false
		}
		vm[field] = text
	}
	switch meter {
	case "9cd92d4cbafd4492b278bedc2de8232a":
		return strings.EqualFold(vm["imagetype"], "Windows_Server")
	case "fab6eb84500b4a09a8ca7358f8bbaea5":
		return vm["imagetype"] == "" && strings.EqualFold(vm["publisher"], "MicrosoftWindowsServer")
	}
	return false
}
