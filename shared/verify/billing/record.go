// Package billing makes of usage the lines of a daily file and their records
// (docs/formats/daily-files.md, docs/formats/daily-record.md).
package billing

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
	"stackusage/shared/verify/hourblob"
)

// Line is what is billed as one.
type Line struct {
	hourblob.Shown
	Model     string `json:"billingModel"`
	Billing   string `json:"billingSubscriptionId"`
	Meter     string `json:"commerceMeterId,omitempty"`
	Class     string `json:"meterClass"`
	From      string `json:"carriedFrom,omitempty"` // the day of the usage, 2019-12-10, of what was carried into the day
	Reporting string `json:"reporting,omitempty"`   // off: it was in this part of the day alone
}

// Parts are what tells lines apart, in the order of a daily file.
func (b Line) Parts() []string {
	return append(b.Key(), form.PlainGUID(b.Billing), form.PlainGUID(b.Meter), b.Class, form.PlainDay(b.From), b.Model, b.Reporting)
}

// Meter is an entry of the catalogue.
type Meter struct {
	name, unit, class, commerce, admin string
	deprecated                         bool
}

// Catalogue reads a catalogue of meters, by plain id. docs/meters.md.
func Catalogue(content []byte) (map[string]Meter, error) {
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, cmp.Or(err, io.EOF)
	}
	meters := map[string]Meter{}
	for _, row := range rows[1:] {
		at := func(name string) string { return row[slices.Index(rows[0], name)] }
		meters[form.PlainGUID(at("meter_id"))] = Meter{at("name"), at("unit"), at("class"), at("commerce_meter_id"), at("admin_commerce_meter_id"), at("deprecated") == "yes"}
	}
	return meters, nil
}

// Biller makes records of usage: all that decides about those of one revision.
type Biller struct {
	CloudID, Day string
	Number       int               // of the revision
	Incomplete   bool              // an hour of the day is missing
	Parts        []history.Part    // of the settlement
	Tenants      map[string]string // of subscriptions, plain
	Meters       map[string]Meter  // by plain id
	Region       string            // the stack's own, for rows that name none
}

// Bill is what usage is billed as.
func (r *Biller) Bill(u hourblob.Usage) Line {
	p := r.Parts[slices.IndexFunc(r.Parts, func(p history.Part) bool { return p.Until.IsZero() || u.Hour < form.HourOf(p.Until) })]
	key := u.Normal()
	m, known := r.Meters[key.MeterID]
	b := Line{Shown: u.Shown, Model: p.Model, Billing: p.Billing, Meter: m.commerce, Class: m.class, Reporting: p.Reporting}
	if !known {
		b.Class = "unknown"
	}
	if slices.Contains(p.Infrastructure, form.DashedGUID(key.SubscriptionID)) {
		b.Class, b.Meter = "admin", m.admin
	} else if mapped := p.Mappings[form.DashedGUID(r.Tenants[key.SubscriptionID])]; mapped != "" {
		b.Billing = mapped
	}
	return b
}

// Record is a daily record, docs/formats/daily-record.md.
func (r *Biller) Record(b Line, hours []int, kind, corrects, reason, quantity string) []byte {
	key := b.Normal()
	m, known := r.Meters[key.MeterID]
	var flags []string
	for _, flag := range []string{
		form.When(m.deprecated, "deprecatedMeter"),
		form.When(form.PlainGUID(strings.Split(key.ResourceURI, "/")[2]) != key.SubscriptionID, "foreignResource"),
		form.When(r.Incomplete && b.From == "", "incompleteDay"),
		form.When(b.Class != "admin" && wrongLicence(key.MeterID, key.AdditionalInfo), "licenseMismatch"),
		form.When(!known, "unknownMeter"),
	} {
		if flag != "" {
			flags = append(flags, flag)
		}
	}
	first := form.StartOf(cmp.Or(form.PlainDay(b.From), r.Day)).Add(time.Duration(append(slices.Clone(hours), 0)[0]) * time.Hour)
	return form.Object("recordId", r.RecordID(b), "cloudId", r.CloudID, "kind", kind, "corrects?", corrects, "carriedFrom?", b.From, "reason?", reason, "revision", r.Number,
		"billingModel", b.Model, "billingSubscriptionId", b.Billing, "subscriptionId", form.DashedGUID(b.SubscriptionID), "meterId", form.DashedGUID(b.MeterID),
		"commerceMeterId?", b.Meter, "meterName", m.name, "unit", m.unit, "meterClass", b.Class, "flags?", flags, "quantity", quantity,
		"usageDate", form.DashedDay(r.Day), "usageStart", form.StartOf(r.Day), "usageEnd", form.EndOf(r.Day), "hours", form.ListOf(hours), "region", "Azure Stack", "location", "azurestack",
		"resourceUri", b.ResourceURI, "tags", ownText(key.Tags), "additionalInfo", json.RawMessage(form.Object(
			"stamp?", ownText(key.AdditionalInfo), "azureStack.MeterId", b.MeterID, "azureStack.SubscriptionId", b.SubscriptionID,
			"azureStack.Location", cmp.Or(key.Location, r.Region), "azureStack.EventDateTime", first.Format("01/02/2006 15:04:05"))))
}

// RecordID is a UUID of version 5 (RFC 9562) of what the record is of.
func (r *Biller) RecordID(b Line) string {
	space := "\x6f\x0c\x1a\x52\x3d\x0e\x5f\x0b\x9f\x43\x7d\x1f\x0f\x0e\x6a\x11"
	name := []any{form.PlainGUID(r.CloudID), r.Day, r.Number}
	for _, part := range b.Parts()[:9] {
		name = append(name, part)
	}
	if b.From != "" {
		name = append(name, form.PlainDay(b.From))
	}
	if b.Model != r.Parts[len(r.Parts)-1].Model {
		name = append(name, b.Model)
	}
	id := sha1.Sum(append([]byte(space), form.Encode(name)...))
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return form.DashedGUID(fmt.Sprintf("%x", id[:16]))
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
		if field, text := strings.ToLower(name), ""; form.Among(field, "servicetype", "imagetype", "publisher", "offer", "sku") {
			_, twice := vm[field]
			known = known && !twice && json.Unmarshal(value, &text) == nil
			vm[field] = text
		}
	}
	windows := meter == "9cd92d4cbafd4492b278bedc2de8232a" && strings.EqualFold(vm["imagetype"], "Windows_Server")
	base := meter == "fab6eb84500b4a09a8ca7358f8bbaea5" && vm["imagetype"] == "" && strings.EqualFold(vm["publisher"], "MicrosoftWindowsServer")
	return known && (windows || base)
}

// DayLine is a line of a daily file, docs/formats/daily-files.md.
type DayLine struct {
	Line
	Rows     int64           `json:"rows"`
	Total    string          `json:"total"`
	Hours    []int           `json:"hours"`
	Before   string          `json:"before"`
	Corrects string          `json:"corrects,omitempty"`
	Waived   string          `json:"waived,omitempty"`
	Carried  string          `json:"carried,omitempty"`
	Record   json.RawMessage `json:"record,omitempty"`
}

// Item is what there is of a line: usage or what another day carried, which has a total;
// what stands of the revision before; and what the file has.
type Item struct {
	DayLine
	Reason   string // why it was carried
	Stood    bool
	Stated   string // the total of the revision before
	Reported bool   // with reporting on, so that even a quantity of zero was stated
	Have     []byte
	N        int64 // of the line in the file
}

// Add reads more of the line. What the day says of it now goes before what it said.
func (i Item) Add(j Item) Item {
	if i.Total == "" && j.Total != "" {
		i.Line, i.Hours = j.Line, nil
	}
	if j.Total != "" {
		i.Shown, i.Total, i.Rows, i.Hours, i.Reason = i.Least(j.Shown), form.Plus(i.Total, j.Total), i.Rows+j.Rows, form.ListOf(i.Hours, j.Hours), j.Reason
	}
	if j.Have != nil {
		i.Have, i.N = j.Have, j.N
	}
	return i
}

// Waived is what of a difference is not billed, by an operator's decision: all of it,
// none, or what was before, which is never more than the difference.
func Waived(waives, before, difference string) string {
	switch {
	case form.Sign(difference) == 0 || waives == "none" || waives == "" && form.Sign(before) != form.Sign(difference):
		return ""
	case waives == "all" || form.Sign(form.Minus(difference, before)) == -form.Sign(difference):
		return difference
	}
	return before
}
