package verify

import (
	"cmp"
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// hour is a UTC hour, counted from 1970.
type hour int64

func hourOf(t time.Time) hour      { return hour(t.Unix() / 3600) }
func (h hour) start() time.Time    { return time.Unix(int64(h)*3600, 0).UTC() }
func (h hour) day() string         { return h.start().Format("20060102") }
func (h hour) compact() string     { return h.start().Format("2006010215") }
func startOf(day string) time.Time { t, _ := time.Parse("20060102", day); return t }
func endOf(day string) time.Time   { return startOf(day).AddDate(0, 0, 1) }

// dashedDay is 2019-12-10 of 20191210, and plainDay the other way round.
func dashedDay(day string) string {
	return strings.TrimPrefix(startOf(day).Format(time.DateOnly), "0001-01-01")
}
func plainDay(day string) string { return strings.ReplaceAll(day, "-", "") }

// shown is a key of usage as the stack wrote it.
type shown struct {
	SubscriptionID string `json:"subscriptionId"`
	ResourceURI    string `json:"resourceUri"`
	MeterID        string `json:"meterId"`
	Location       string `json:"location,omitempty"`
	Tags           string `json:"tags,omitempty"`
	AdditionalInfo string `json:"additionalInfo,omitempty"`
}

func (s *shown) parts() []*string {
	return []*string{&s.SubscriptionID, &s.ResourceURI, &s.MeterID, &s.Location, &s.Tags, &s.AdditionalInfo}
}

// normal is what rows are summed by: GUIDs lower case without dashes, resource URIs
// lower case, "null" like nothing.
func (s shown) normal() shown {
	for _, part := range s.parts()[3:] {
		if *part == "null" {
			*part = ""
		}
	}
	s.SubscriptionID, s.ResourceURI, s.MeterID = plainGUID(s.SubscriptionID), strings.ToLower(s.ResourceURI), plainGUID(s.MeterID)
	return s
}

// key is the normal form, part by part.
func (s shown) key() (key []string) {
	normal := s.normal()
	for _, part := range normal.parts() {
		key = append(key, *part)
	}
	return key
}

// least is, part by part, the spelling that comes first.
func (s shown) least(other shown) shown {
	for i, part := range s.parts() {
		*part = min(*part, *other.parts()[i])
	}
	return s
}

// usage is a row of the usage API that counts, or the sum of such rows of one hour.
type usage struct {
	shown
	Quantity string
	Hour     hour // of the usage
	Rows     int64
	Input    string // that has them
}

// Add adds usage of the same key, hour and input.
func (u usage) Add(v usage) usage {
	u.shown, u.Quantity, u.Rows = u.least(v.shown), plus(u.Quantity, v.Quantity), u.Rows+v.Rows
	return u
}

func plainGUID(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }

func dashedGUID(s string) string {
	n := plainGUID(s)
	if len(n) != 32 {
		return s
	}
	return n[:8] + "-" + n[8:12] + "-" + n[12:16] + "-" + n[16:20] + "-" + n[20:]
}

const anyGUID = `([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})`

var (
	guid     = regexp.MustCompile(`^` + anyGUID + `$`)
	number   = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)
	resource = regexp.MustCompile(`^/(?i:subscriptions)/` + anyGUID + `(/(?i:resourceGroups)/[^/\p{Cc}]+)?/(?i:providers)(/[^/\p{Cc}]+){3,}$`)
	dots     = regexp.MustCompile(`/\.\.?(/|$)`)
)

func isGUID(s string) bool { return guid.MatchString(s) && strings.Trim(s, "0-") != "" }

// finding is a code if it is so.
type finding struct {
	is   bool
	code string
}

// first is the code of the first that is.
func first(findings ...finding) string {
	for _, f := range findings {
		if f.is {
			return f.code
		}
	}
	return ""
}

// maxRow is how long a row may be.
const maxRow = 256 << 10

// readRow reads a row that was reported in an hour. code says why it is
// rejected; empty: it counts. docs/formats/hour-blob.md.
func readRow(content []byte, reported hour) (u usage, code string) {
	var row struct{ Properties json.RawMessage }
	var p struct {
		SubscriptionID, MeterID, UsageStartTime, UsageEndTime string
		Quantity, InstanceData                                json.RawMessage
	}
	if len(content) > maxRow {
		return u, "LineTooLong"
	}
	if code = decode(content, &row, false); code == "" {
		code = decode(row.Properties, &p, false)
	}
	start, err := time.Parse(time.RFC3339Nano, p.UsageStartTime)
	end, errEnd := time.Parse(time.RFC3339Nano, p.UsageEndTime)
	start = start.UTC()
	oneHour := err == nil && errEnd == nil && start.Truncate(time.Hour).Equal(start) && end.Equal(start.Add(time.Hour)) && start.Year() >= 2016 && start.Year() <= 9999
	quantity, wrong := readQuantity(carriedText(p.Quantity))
	u = usage{shown: shown{SubscriptionID: p.SubscriptionID, MeterID: p.MeterID}, Quantity: quantity, Hour: hourOf(start), Rows: 1}
	code = cmp.Or(code, first(
		finding{string(row.Properties) == "null", unreadable},
		finding{!isGUID(p.SubscriptionID), "InvalidSubscriptionId"},
		finding{!isGUID(p.MeterID), "InvalidMeterId"},
		finding{wrong != "", wrong},
		finding{!oneHour, "WindowNotOneHour"},
		finding{hourOf(start) > reported, "WindowAfterReportedHour"}), readInstance(carriedText(p.InstanceData), &u.shown))
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
	if code = first(finding{len(content) > 256 || out, "QuantityOutOfBounds"}, finding{m[1] != "" && significant != "0", "QuantityNegative"}); code != "" {
		return "", code
	}
	return plus(significant+"e"+strconv.Itoa(e), ""), ""
}

// readInstance reads instanceData: JSON, or JSON in the text of a string.
func readInstance(content string, into *shown) (code string) {
	var instance struct {
		Resource json.RawMessage `json:"Microsoft.Resources"`
	}
	var r struct {
		ResourceURI, Location string
		Tags, AdditionalInfo  json.RawMessage
	}
	if content != "" { // else it is missing, or null
		code = decode([]byte(content), &instance, false)
	}
	if code == "" && len(instance.Resource) > 0 {
		code = decode(instance.Resource, &r, false)
	}
	into.ResourceURI, into.Location, into.Tags, into.AdditionalInfo = r.ResourceURI, r.Location, carriedText(r.Tags), carriedText(r.AdditionalInfo)
	return cmp.Or(code, first(finding{len(r.ResourceURI) > 8<<10 || !resource.MatchString(r.ResourceURI) || dots.MatchString(r.ResourceURI), "InvalidResourceUri"}, finding{len(r.Location) > 256, unreadable}))
}

// Quantities are texts: decimals in full, without trailing zeros. Nothing is zero.

func rational(quantity string) *big.Rat {
	q, is := new(big.Rat).SetString(cmp.Or(quantity, "0"))
	if !is {
		return new(big.Rat)
	}
	return q
}

func plus(a, b string) string  { return decimal(new(big.Rat).Add(rational(a), rational(b))) }
func minus(a, b string) string { return decimal(new(big.Rat).Sub(rational(a), rational(b))) }
func sign(a string) int        { return rational(a).Sign() }

func decimal(q *big.Rat) string {
	digits, _ := q.FloatPrec()
	return q.FloatString(digits)
}
