package verify

import (
	"cmp"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
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

// dashedDay is 2019-12-10 of 20191210.
func dashedDay(day string) string {
	if day == "" {
		return ""
	}
	return startOf(day).Format(time.DateOnly)
}

// Parts of a key of usage.
const (
	subscriptionID = iota
	resourceURI
	meterID
	location
	tags
	additionalInfo
	keyParts
)

// shown is a key of usage as the stack wrote it.
type shown [keyParts]string

// normal is what rows are summed by: GUIDs lower case without dashes, resource URIs
// lower case, "null" like nothing.
func (s shown) normal() []string {
	key := []string{plainGUID(s[subscriptionID]), strings.ToLower(s[resourceURI]), plainGUID(s[meterID])}
	for _, text := range s[location:] {
		if text == "null" {
			text = ""
		}
		key = append(key, text)
	}
	return key
}

// least is, part by part, the spelling that comes first.
func (s shown) least(other shown) shown {
	for i := range s {
		s[i] = min(s[i], other[i])
	}
	return s
}

// object is JSON of the key and of more.
func (s shown) object(more ...any) []byte {
	return object(slices.Concat([]any{"subscriptionId", s[subscriptionID], "resourceUri", s[resourceURI], "meterId", s[meterID],
		"location?", s[location], "tags?", s[tags], "additionalInfo?", s[additionalInfo]}, more)...)
}

// usage is a row of the usage API that counts, or the sum of such rows of one hour.
type usage struct {
	Shown    shown
	Quantity *big.Rat
	Hour     hour // of the usage
	Rows     int64
	Input    string // that has them
}

func (u usage) add(v usage) usage {
	u.Shown, u.Quantity, u.Rows = u.Shown.least(v.Shown), plus(u.Quantity, v.Quantity), u.Rows+v.Rows
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

// maxRow is how long a row may be.
const maxRow = 256 << 10

// readRow reads a row that was reported in an hour. code says why it is
// rejected; empty: it counts. docs/formats/hour-blob.md.
func readRow(content []byte, reported hour) (u usage, code string) {
	var row struct {
		Properties json.RawMessage `json:"properties"`
	}
	var p struct {
		SubscriptionID string          `json:"subscriptionId"`
		MeterID        string          `json:"meterId"`
		Start          string          `json:"usageStartTime"`
		End            string          `json:"usageEndTime"`
		Quantity       json.RawMessage `json:"quantity"`
		Instance       json.RawMessage `json:"instanceData"`
	}
	if len(content) > maxRow {
		return u, "LineTooLong"
	}
	if code = decode(content, &row, false); code == "" {
		code = decode(row.Properties, &p, false)
	}
	switch {
	case code == "" && string(row.Properties) == "null":
		return u, unreadable
	case code != "":
		return u, code
	case !isGUID(p.SubscriptionID):
		return u, "InvalidSubscriptionId"
	case !isGUID(p.MeterID):
		return u, "InvalidMeterId"
	}
	u.Shown[subscriptionID], u.Shown[meterID] = p.SubscriptionID, p.MeterID
	if u.Quantity, code = readQuantity(carriedText(p.Quantity)); code == "" {
		u.Hour, code = readWindow(p.Start, p.End, reported)
	}
	if code == "" {
		code = readInstance(carriedText(p.Instance), &u.Shown)
	}
	return u, code
}

// readQuantity reads a JSON number, or the text of one, exactly.
func readQuantity(content string) (*big.Rat, string) {
	m := number.FindStringSubmatch(content)
	if m == nil {
		return nil, "QuantityNotNumeric"
	}
	minus, fraction, exponent := m[1], m[3], m[4]
	digits := strings.TrimLeft(m[2]+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	e, err := strconv.Atoi("0")
	if exponent != "" {
		e, err = strconv.Atoi(exponent)
	}
	e += len(digits) - len(significant) - len(fraction)
	switch {
	case len(content) > 256:
		return nil, "QuantityOutOfBounds"
	case significant == "":
		return new(big.Rat), ""
	case err != nil || len(significant) > 40 || e < -40 || e > 20:
		return nil, "QuantityOutOfBounds"
	case minus != "":
		return nil, "QuantityNegative"
	}
	q, _ := new(big.Rat).SetString(significant + "e" + strconv.Itoa(e))
	return q, ""
}

// readWindow reads a usage window: one hour, not before 2016, not after the
// reported hour.
func readWindow(start, end string, reported hour) (hour, string) {
	s, err := time.Parse(time.RFC3339Nano, start)
	e, errEnd := time.Parse(time.RFC3339Nano, end)
	s = s.UTC()
	if err != nil || errEnd != nil || !s.Truncate(time.Hour).Equal(s) || !e.Equal(s.Add(time.Hour)) || s.Year() < 2016 || s.Year() > 9999 {
		return 0, "WindowNotOneHour"
	}
	if hourOf(s) > reported {
		return 0, "WindowAfterReportedHour"
	}
	return hourOf(s), ""
}

// readInstance reads instanceData: JSON, or JSON in the text of a string.
func readInstance(content string, into *shown) (code string) {
	var instance struct {
		Resource json.RawMessage `json:"Microsoft.Resources"`
	}
	var r struct {
		URI      string          `json:"resourceUri"`
		Location string          `json:"location"`
		Tags     json.RawMessage `json:"tags"`
		Info     json.RawMessage `json:"additionalInfo"`
	}
	if content != "" { // else it is missing, or null
		code = decode([]byte(content), &instance, false)
	}
	if code == "" && len(instance.Resource) > 0 {
		code = decode(instance.Resource, &r, false)
	}
	switch {
	case code != "":
		return code
	case len(r.URI) > 8<<10 || !resource.MatchString(r.URI) || dots.MatchString(r.URI):
		return "InvalidResourceUri"
	case len(r.Location) > 256:
		return unreadable
	}
	into[resourceURI], into[location], into[tags], into[additionalInfo] = r.URI, r.Location, carriedText(r.Tags), carriedText(r.Info)
	return ""
}

// decimal is a quantity in full: no exponent, no trailing zeros.
func decimal(q *big.Rat) string {
	if q == nil {
		return "0"
	}
	digits, _ := q.FloatPrec()
	return q.FloatString(digits)
}

// optional is decimal of what is left out where it is nothing.
func optional(q *big.Rat) string {
	if q == nil {
		return ""
	}
	return decimal(q)
}

// rational reads a quantity that the app wrote; nil: it is none.
func rational(text string) *big.Rat {
	q, _ := new(big.Rat).SetString(text)
	return q
}

// unlessZero is nil of zero.
func unlessZero(q *big.Rat) *big.Rat {
	if q.Sign() == 0 {
		return nil
	}
	return q
}

// plus is a + b; nil is nothing.
func plus(a, b *big.Rat) *big.Rat {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(big.Rat).Add(a, b)
}

// minus is a - b; nil is nothing.
func minus(a, b *big.Rat) *big.Rat {
	return new(big.Rat).Sub(cmp.Or(a, new(big.Rat)), cmp.Or(b, new(big.Rat)))
}
