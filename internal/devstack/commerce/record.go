package commerce

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// record is one daily record, read for judging and rating. raw is the record
// itself, exactly as it stood in the batch.
type record struct {
	raw []byte
	has map[string]bool // the fields that are present

	recordID, cloudID, kind, corrects             string
	carriedFrom, reason                           string
	revision                                      int
	billingModel, billingSubscriptionID           string
	subscriptionID, meterID, commerceMeterID      string
	meterName, unit, meterClass                   string
	flags                                         []string
	quantity, usageDate, usageStart, usageEnd     string
	hours                                         []int
	region, location, resourceURI, tags           string
	stamp, ownMeter, ownSubscription, ownLocation string // of additionalInfo
	eventDateTime                                 string
	additionalInfo                                json.RawMessage
	day                                           time.Time // usageDate, once a rule has read it
	usedOn                                        time.Time // the day of the usage: carriedFrom or usageDate
}

// refusal says why a record is not taken; it becomes the Rejected result.
type refusal struct{ code, message string }

// field says how one field of a record is read. set reports whether the value
// has the field's JSON type.
type field struct {
	name     string
	optional bool
	set      func(*record, json.RawMessage) bool
}

func text(to func(*record) *string) func(*record, json.RawMessage) bool {
	return func(r *record, raw json.RawMessage) bool {
		return raw[0] == '"' && json.Unmarshal(raw, to(r)) == nil
	}
}

var recordFields = []field{
	{"recordId", false, text(func(r *record) *string { return &r.recordID })},
	{"cloudId", false, text(func(r *record) *string { return &r.cloudID })},
	{"kind", false, text(func(r *record) *string { return &r.kind })},
	{"corrects", true, text(func(r *record) *string { return &r.corrects })},
	{"carriedFrom", true, text(func(r *record) *string { return &r.carriedFrom })},
	{"reason", true, text(func(r *record) *string { return &r.reason })},
	{"revision", false, func(r *record, raw json.RawMessage) (ok bool) {
		r.revision, ok = wholeNumber(raw)
		return ok
	}},
	{"billingModel", false, text(func(r *record) *string { return &r.billingModel })},
	{"billingSubscriptionId", false, text(func(r *record) *string { return &r.billingSubscriptionID })},
	{"subscriptionId", false, text(func(r *record) *string { return &r.subscriptionID })},
	{"meterId", false, text(func(r *record) *string { return &r.meterID })},
	{"commerceMeterId", true, text(func(r *record) *string { return &r.commerceMeterID })},
	{"meterName", false, text(func(r *record) *string { return &r.meterName })},
	{"unit", false, text(func(r *record) *string { return &r.unit })},
	{"meterClass", false, text(func(r *record) *string { return &r.meterClass })},
	{"flags", true, setFlags},
	{"quantity", false, text(func(r *record) *string { return &r.quantity })},
	{"usageDate", false, text(func(r *record) *string { return &r.usageDate })},
	{"usageStart", false, text(func(r *record) *string { return &r.usageStart })},
	{"usageEnd", false, text(func(r *record) *string { return &r.usageEnd })},
	{"hours", false, setHours},
	{"region", false, text(func(r *record) *string { return &r.region })},
	{"location", false, text(func(r *record) *string { return &r.location })},
	{"resourceUri", false, text(func(r *record) *string { return &r.resourceURI })},
	{"tags", false, text(func(r *record) *string { return &r.tags })},
	{"additionalInfo", false, func(r *record, raw json.RawMessage) bool {
		r.additionalInfo = raw
		return raw[0] == '{'
	}},
}

var additionalInfoFields = []field{
	{"stamp", true, text(func(r *record) *string { return &r.stamp })},
	{"azureStack.MeterId", false, text(func(r *record) *string { return &r.ownMeter })},
	{"azureStack.SubscriptionId", false, text(func(r *record) *string { return &r.ownSubscription })},
	{"azureStack.Location", false, text(func(r *record) *string { return &r.ownLocation })},
	{"azureStack.EventDateTime", false, text(func(r *record) *string { return &r.eventDateTime })},
}

// parseRecord reads raw, which must be valid JSON, and holds it against the
// shape and the rules. The record comes back in any case, with whatever could
// be read: a refused record is answered under its recordId where it has one.
func parseRecord(raw []byte) (*record, *refusal) {
	r := &record{raw: raw, has: make(map[string]bool)}
	bad := r.fill(raw, recordFields, "")
	if bad == nil {
		bad = r.fill(r.additionalInfo, additionalInfoFields, "additionalInfo: ")
	}
	if bad != nil {
		return r, bad
	}
	for _, rule := range rules {
		if !rule.holds(r) {
			return r, &refusal{rule.code, rule.message}
		}
	}
	return r, nil
}

// fill sets every field that can be set and returns the first thing that is
// wrong. It goes on after a fault so that the recordId is found wherever it
// stands.
func (r *record) fill(raw []byte, fields []field, where string) *refusal {
	got, err := members(raw)
	if err != nil {
		var twice duplicateField
		if errors.As(err, &twice) {
			return &refusal{"DuplicateField", where + err.Error()}
		}
		return &refusal{"WrongType", where + err.Error()}
	}
	var first *refusal
	refuse := func(code, message string) {
		if first == nil {
			first = &refusal{code, where + message}
		}
	}
	if bytes.ContainsAny(raw, "\r\n") {
		refuse("NotOneLine", "a record is one JSON object on one line")
	}
	byName := make(map[string]json.RawMessage, len(got))
	for _, m := range got {
		byName[m.name] = m.value
	}
	for _, f := range fields {
		value, ok := byName[f.name]
		delete(byName, f.name)
		switch {
		case ok && f.set(r, value):
			r.has[f.name] = true
		case ok:
			refuse("WrongType", f.name+" has the wrong JSON type or an impossible value")
		case !f.optional:
			refuse("MissingField", f.name+" is missing")
		}
	}
	for _, m := range got {
		if _, unknown := byName[m.name]; unknown {
			refuse("UnknownField", "field "+quote(m.name)+" is not part of a daily record")
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

func setHours(r *record, raw json.RawMessage) bool {
	list, err := elements(raw)
	if err != nil || len(list) > 24 {
		return false
	}
	for _, element := range list {
		h, ok := wholeNumber(element)
		if !ok {
			return false
		}
		r.hours = append(r.hours, h)
	}
	return true
}

func setFlags(r *record, raw json.RawMessage) bool {
	list, err := elements(raw)
	if err != nil || len(list) > len(knownFlags) {
		return false
	}
	for _, element := range list {
		var flag string
		if element[0] != '"' || json.Unmarshal(element, &flag) != nil {
			return false
		}
		r.flags = append(r.flags, flag)
	}
	return true
}
