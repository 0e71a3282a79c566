package verify

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
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

// usage is a row of the usage API that counts, or a sum of such rows.
type usage struct {
	Shown    [keyParts]string // as the stack wrote them
	Quantity *big.Rat
	Hour     hour // of the usage
}

func (u usage) key() []string { return keyOf(u.Shown) }

// keyOf is what rows are summed by: GUIDs lower case without dashes, resource
// URIs lower case, "null" like nothing.
func keyOf(shown [keyParts]string) []string {
	key := []string{plainGUID(shown[subscriptionID]), strings.ToLower(shown[resourceURI]), plainGUID(shown[meterID])}
	for _, text := range shown[location:] {
		if text == "null" {
			text = ""
		}
		key = append(key, text)
	}
	return key
}

func plainGUID(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }

func dashedGUID(s string) string {
	n := plainGUID(s)
	if len(n) != 32 {
		return s
	}
	return n[:8] + "-" + n[8:12] + "-" + n[12:16] + "-" + n[16:20] + "-" + n[20:]
}

var guid = regexp.MustCompile(`^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

func isGUID(s string) bool { return guid.MatchString(s) && strings.Trim(s, "0-") != "" }

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
	if code = decode(content, &row); code == "" {
		code = decode(row.Properties, &p)
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
	if code != "" {
		return u, code
	}
	return u, readInstance(p.Instance, &u.Shown)
}

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// readQuantity reads a JSON number, or the text of one, exactly.
func readQuantity(content string) (*big.Rat, string) {
	if !number.MatchString(content) {
		return nil, "QuantityNotNumeric"
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(content), "e")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	e, err := strconv.Atoi(exponent)
	if exponent == "" {
		e, err = 0, nil
	}
	e += len(digits) - len(significant) - len(fraction)
	switch {
	case len(content) > 256:
		return nil, "QuantityOutOfBounds"
	case significant == "":
		return new(big.Rat), ""
	case err != nil || len(significant) > 40 || e < -40 || e > 20:
		return nil, "QuantityOutOfBounds"
	case strings.HasPrefix(mantissa, "-"):
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

const invalidURI = "InvalidResourceUri"

// readInstance reads instanceData: JSON, or JSON in the text of a string.
func readInstance(raw json.RawMessage, shown *[keyParts]string) (code string) {
	var instance struct {
		Resource json.RawMessage `json:"Microsoft.Resources"`
	}
	var r struct {
		URI      string          `json:"resourceUri"`
		Location string          `json:"location"`
		Tags     json.RawMessage `json:"tags"`
		Info     json.RawMessage `json:"additionalInfo"`
	}
	content := carriedText(raw)
	if content == "" { // missing, or null
		return invalidURI
	}
	if code = decode([]byte(content), &instance); code == "" && len(instance.Resource) > 0 {
		code = decode(instance.Resource, &r)
	}
	switch {
	case code != "":
		return code
	case !isResource(r.URI):
		return invalidURI
	case len(r.Location) > 256:
		return unreadable
	}
	shown[resourceURI], shown[location], shown[tags], shown[additionalInfo] = r.URI, r.Location, carriedText(r.Tags), carriedText(r.Info)
	return ""
}

// isResource reports whether a text is an Azure Resource Manager id:
// /subscriptions/{guid}[/resourceGroups/{name}]/providers/{namespace}/{type}/{name}...
func isResource(uri string) bool {
	parts := strings.Split(uri, "/")
	if len(uri) > 8<<10 || strings.ContainsFunc(uri, unicode.IsControl) || len(parts) < 3 || parts[0] != "" {
		return false
	}
	for _, p := range parts[1:] {
		if p == "" || p == "." || p == ".." {
			return false
		}
	}
	rest := parts[3:]
	if len(rest) > 1 && strings.EqualFold(rest[0], "resourceGroups") {
		rest = rest[2:]
	}
	return strings.EqualFold(parts[1], "subscriptions") && guid.MatchString(parts[2]) && len(rest) > 3 && strings.EqualFold(rest[0], "providers")
}

// decimal is a quantity in full: no exponent, no trailing zeros.
func decimal(q *big.Rat) string {
	if q == nil {
		return "0"
	}
	digits, _ := q.FloatPrec()
	return q.FloatString(digits)
}
