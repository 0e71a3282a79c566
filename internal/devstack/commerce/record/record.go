// Package record reads daily records (docs/formats/daily-record.md) and holds them
// against the rules of commerce.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Record is one daily record. Raw is the record itself, exactly as it stood in the
// batch.
type Record struct {
	Raw []byte
	has map[string]bool // the fields that are present

	RecordID, CloudID, Kind, Corrects             string
	CarriedFrom, Reason                           string
	Revision                                      int
	BillingModel, BillingSubscriptionID           string
	SubscriptionID, MeterID, CommerceMeterID      string
	MeterName, Unit, MeterClass                   string
	Flags                                         []string
	Quantity, UsageDate, UsageStart, UsageEnd     string
	Hours                                         []int
	Region, Location, ResourceURI, Tags           string
	stamp, ownMeter, ownSubscription, ownLocation string // of AdditionalInfo
	eventDateTime                                 string
	AdditionalInfo                                json.RawMessage
	day                                           time.Time // UsageDate, once a rule has read it
	usedOn                                        time.Time // the day of the usage: CarriedFrom or UsageDate
}

// Fault says why a record is not accepted; it becomes the Rejected result.
type Fault struct{ Code, Message string }

// field says how one field of a record is read. set reports whether the value
// has the field's JSON type.
type field struct {
	name     string
	optional bool
	set      func(*Record, json.RawMessage) bool
}

func text(to func(*Record) *string) func(*Record, json.RawMessage) bool {
	return func(r *Record, raw json.RawMessage) bool {
		return raw[0] == '"' && json.Unmarshal(raw, to(r)) == nil
	}
}

var recordFields = []field{
	{"recordId", false, text(func(r *Record) *string { return &r.RecordID })},
	{"cloudId", false, text(func(r *Record) *string { return &r.CloudID })},
	{"kind", false, text(func(r *Record) *string { return &r.Kind })},
	{"corrects", true, text(func(r *Record) *string { return &r.Corrects })},
	{"carriedFrom", true, text(func(r *Record) *string { return &r.CarriedFrom })},
	{"reason", true, text(func(r *Record) *string { return &r.Reason })},
	{"revision", false, func(r *Record, raw json.RawMessage) (ok bool) {
		r.Revision, ok = wholeNumber(raw)
		return ok
	}},
	{"billingModel", false, text(func(r *Record) *string { return &r.BillingModel })},
	{"billingSubscriptionId", false, text(func(r *Record) *string { return &r.BillingSubscriptionID })},
	{"subscriptionId", false, text(func(r *Record) *string { return &r.SubscriptionID })},
	{"meterId", false, text(func(r *Record) *string { return &r.MeterID })},
	{"commerceMeterId", true, text(func(r *Record) *string { return &r.CommerceMeterID })},
	{"meterName", false, text(func(r *Record) *string { return &r.MeterName })},
	{"unit", false, text(func(r *Record) *string { return &r.Unit })},
	{"meterClass", false, text(func(r *Record) *string { return &r.MeterClass })},
	{"flags", true, setFlags},
	{"quantity", false, text(func(r *Record) *string { return &r.Quantity })},
	{"usageDate", false, text(func(r *Record) *string { return &r.UsageDate })},
	{"usageStart", false, text(func(r *Record) *string { return &r.UsageStart })},
	{"usageEnd", false, text(func(r *Record) *string { return &r.UsageEnd })},
	{"hours", false, setHours},
	{"region", false, text(func(r *Record) *string { return &r.Region })},
	{"location", false, text(func(r *Record) *string { return &r.Location })},
	{"resourceUri", false, text(func(r *Record) *string { return &r.ResourceURI })},
	{"tags", false, text(func(r *Record) *string { return &r.Tags })},
	{"additionalInfo", false, func(r *Record, raw json.RawMessage) bool {
		r.AdditionalInfo = raw
		return raw[0] == '{'
	}},
}

var additionalInfoFields = []field{
	{"stamp", true, text(func(r *Record) *string { return &r.stamp })},
	{"azureStack.MeterId", false, text(func(r *Record) *string { return &r.ownMeter })},
	{"azureStack.SubscriptionId", false, text(func(r *Record) *string { return &r.ownSubscription })},
	{"azureStack.Location", false, text(func(r *Record) *string { return &r.ownLocation })},
	{"azureStack.EventDateTime", false, text(func(r *Record) *string { return &r.eventDateTime })},
}

// Parse reads raw, which must be valid JSON, and holds it against the
// shape and the rules. The record comes back in any case, with whatever could
// be read: a rejected record is answered under its recordId where it has one.
func Parse(raw []byte) (*Record, *Fault) {
	r := &Record{Raw: raw, has: make(map[string]bool)}
	bad := r.fill(raw, recordFields, "")
	if bad == nil {
		bad = r.fill(r.AdditionalInfo, additionalInfoFields, "additionalInfo: ")
	}
	if bad != nil {
		return r, bad
	}
	for _, rule := range rules {
		if !rule.holds(r) {
			return r, &Fault{rule.code, rule.message}
		}
	}
	return r, nil
}

// fill sets every field that can be set and returns the first thing that is
// wrong. It goes on after a fault so that the recordId is found wherever it
// stands.
func (r *Record) fill(raw []byte, fields []field, where string) *Fault {
	got, err := Members(raw)
	if err != nil {
		var twice duplicateField
		if errors.As(err, &twice) {
			return &Fault{"DuplicateField", where + err.Error()}
		}
		return &Fault{"WrongType", where + err.Error()}
	}
	var first *Fault
	fault := func(code, message string) {
		if first == nil {
			first = &Fault{code, where + message}
		}
	}
	if bytes.ContainsAny(raw, "\r\n") {
		fault("NotOneLine", "a record is one JSON object on one line")
	}
	byName := make(map[string]json.RawMessage, len(got))
	for _, m := range got {
		byName[m.Name] = m.Value
	}
	for _, f := range fields {
		value, ok := byName[f.name]
		delete(byName, f.name)
		switch {
		case ok && f.set(r, value):
			r.has[f.name] = true
		case ok:
			fault("WrongType", f.name+" has the wrong JSON type or an impossible value")
		case !f.optional:
			fault("MissingField", f.name+" is missing")
		}
	}
	for _, m := range got {
		if _, unknown := byName[m.Name]; unknown {
			fault("UnknownField", "field "+Quote(m.Name)+" is not part of a daily record")
		}
	}
	return first
}

// wholeNumber reads a plain, small, non-negative JSON number: no sign, no
// fraction, no exponent.
func wholeNumber(raw json.RawMessage) (int, bool) {
	n, err := strconv.ParseUint(string(raw), 10, 31)
	return int(n), err == nil
}

func setHours(r *Record, raw json.RawMessage) bool {
	list, err := Elements(raw)
	if err != nil || len(list) > 24 {
		return false
	}
	for _, element := range list {
		h, ok := wholeNumber(element)
		if !ok {
			return false
		}
		r.Hours = append(r.Hours, h)
	}
	return true
}

func setFlags(r *Record, raw json.RawMessage) bool {
	list, err := Elements(raw)
	if err != nil || len(list) > len(knownFlags) {
		return false
	}
	for _, element := range list {
		var flag string
		if element[0] != '"' || json.Unmarshal(element, &flag) != nil {
			return false
		}
		r.Flags = append(r.Flags, flag)
	}
	return true
}
