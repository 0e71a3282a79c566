package usage_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/usage"
)

const (
	subscription = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	resourceURI  = "/subscriptions/" + subscription + "/resourcegroups/rg/providers/Microsoft.Storage/storageAccounts/sa"
)

func hour(t fataler, text string) usage.Hour {
	t.Helper()
	h, err := usage.ParseHour(text)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// object is a JSON object in the making; raw values stay as they are.
type object map[string]any

// goodRow is a row as the API sends it, reported in the hour after its window.
func goodRow() object {
	return object{
		"id": "/subscriptions/x/providers/Microsoft.Commerce/UsageAggregate/y", "name": "y", "type": "Microsoft.Commerce/UsageAggregate",
		"properties": object{
			"subscriptionId": subscription, "meterId": guidUpper, "name": "y",
			"usageStartTime": "2019-12-10T18:00:00+00:00", "usageEndTime": "2019-12-10T19:00:00+00:00",
			"quantity": json.RawMessage("16.461425899527967"), "instanceData": instanceText(goodResource()),
		},
	}
}

func goodResource() object {
	return object{"resourceUri": resourceURI, "location": "northwest", "tags": "", "additionalInfo": ""}
}

// instanceText is what the stack writes: JSON inside a JSON string.
func instanceText(resource object) string {
	b, err := json.Marshal(object{"Microsoft.Resources": resource})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func lineOf(t fataler, row object) []byte {
	t.Helper()
	b, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// with is a good row with one property changed; a nil value takes it away.
func with(property string, value any) object {
	row := goodRow()
	p := row["properties"].(object)
	if p[property] = value; value == nil {
		delete(p, property)
	}
	return row
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func withResource(change func(object)) object {
	resource := goodResource()
	change(resource)
	return with("instanceData", instanceText(resource))
}

func withURI(uri string) object {
	return withResource(func(r object) { r["resourceUri"] = uri })
}

func TestParseRecordReadsAGoodRow(t *testing.T) {
	got, rejection := usage.ParseRecord(lineOf(t, goodRow()), hour(t, "2019-12-10T19:00:00Z"))
	if rejection != nil {
		t.Fatal(rejection)
	}
	want := usage.Shown{SubscriptionID: subscription, ResourceURI: resourceURI, MeterID: guidUpper, Location: "northwest"}
	if diff := cmp.Diff(want, got.Shown); diff != "" {
		t.Error(diff)
	}
	if got.Quantity.String() != "16.461425899527967" || got.Hour.String() != "2019-12-10T18:00Z" {
		t.Errorf("got %s at %s", got.Quantity, got.Hour)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	start := func(text string) object { return with("usageStartTime", text) }
	window := func(from, to string) object {
		row := with("usageStartTime", from)
		row["properties"].(object)["usageEndTime"] = to
		return row
	}
	tests := []struct {
		name   string
		row    any // object, or the line itself as a string
		code   string
		reason string // what a person sees, or the part that matters
	}{
		{"what is not JSON", `{"properties":`, usage.RejectedJSON, "the row is not the JSON of a usage record: unexpected EOF at byte 14"},
		{"an empty line", ``, usage.RejectedJSON, "the row is not the JSON of a usage record"},
		{"two values on a line", `{} {}`, usage.RejectedJSON, "the row is not the JSON of a usage record"},
		{"a list", `[]`, usage.RejectedJSON, "the row is not the JSON of a usage record"},
		{"null", `null`, usage.RejectedJSON, "the row has no properties"},
		{"a row without properties", `{"id":"x"}`, usage.RejectedJSON, "the row has no properties"},
		{"a number for a text", with("meterId", 7), usage.RejectedJSON, "the row is not the JSON of a usage record"},
		{"bytes that are no UTF-8", "{\"properties\":{\"x\":\"\xff\"}}", usage.RejectedJSON, "the row is not valid UTF-8"},
		{"nesting without end", strings.Repeat("[", 100_000), usage.RejectedJSON, "the row is not the JSON of a usage record"},
		{"a line over the limit", `{"x":"` + strings.Repeat("y", usage.MaxLine) + `"}`, usage.RejectedLine, "the row has 262152 bytes; at most 262144 are read"},

		{"a missing subscription", with("subscriptionId", nil), usage.RejectedSubscription, `subscriptionId "": missing`},
		{"a bad subscription", with("subscriptionId", "default"), usage.RejectedSubscription, `subscriptionId "default": not a GUID`},
		{"a missing meter", with("meterId", nil), usage.RejectedMeter, `meterId "": missing`},
		{"a bad meter", with("meterId", guidLower[:35]), usage.RejectedMeter, `meterId "b5c15376-6c94-4fdd-b655-1a69d138aca": not a GUID`},

		{"a missing quantity", with("quantity", nil), usage.RejectedNotNumeric, `quantity "" is not a decimal number`},
		{"null for a quantity", with("quantity", raw("null")), usage.RejectedNotNumeric, `quantity "null" is not a decimal number`},
		{"true for a quantity", with("quantity", true), usage.RejectedNotNumeric, `quantity "true" is not a decimal number`},
		{"an object for a quantity", with("quantity", raw(`{"v":1}`)), usage.RejectedNotNumeric, `is not a decimal number`},
		{"a word for a quantity", with("quantity", "NaN"), usage.RejectedNotNumeric, `quantity "NaN" is not a decimal number`},
		{"an empty text for a quantity", with("quantity", ""), usage.RejectedNotNumeric, `quantity "" is not a decimal number`},
		{"a quantity below zero", with("quantity", raw("-0.5")), usage.RejectedNegative, `quantity "-0.5" is below zero`},
		{"a quantity below zero in a text", with("quantity", "-1e-40"), usage.RejectedNegative, `quantity "-1e-40" is below zero`},
		{"a quantity of too many digits", with("quantity", raw(strings.Repeat("9", 41))), usage.RejectedOutOfBounds,
			`quantity "` + strings.Repeat("9", 41) + `" is out of bounds: at most 40 significant digits, exponent -40 to 20`},
		{"a quantity of a huge exponent", with("quantity", raw("1e1000000")), usage.RejectedOutOfBounds, `quantity "1e1000000" is out of bounds`},

		{"a missing start", with("usageStartTime", nil), usage.RejectedWindow, `usageStartTime: parse hour "": not an RFC 3339 time`},
		{"a start that is no time", start("yesterday"), usage.RejectedWindow, `usageStartTime: parse hour "yesterday": not an RFC 3339 time`},
		{"a start without offset", start("2019-12-10T18:00:00"), usage.RejectedWindow, "not an RFC 3339 time"},
		{"a start off the hour", window("2019-12-10T18:30:00Z", "2019-12-10T19:30:00Z"), usage.RejectedWindow, "not on the hour in UTC"},
		{"a missing end", with("usageEndTime", nil), usage.RejectedWindow, `usageEndTime "": not an RFC 3339 time`},
		{"a window of no length", window("2019-12-10T18:00:00Z", "2019-12-10T18:00:00Z"), usage.RejectedWindow,
			"the usage window 2019-12-10T18:00:00Z to 2019-12-10T18:00:00Z is not exactly one hour"},
		{"a window of two hours", window("2019-12-10T17:00:00Z", "2019-12-10T19:00:00Z"), usage.RejectedWindow, "is not exactly one hour"},
		{"a window of a day", window("2019-12-09T00:00:00Z", "2019-12-10T00:00:00Z"), usage.RejectedWindow, "is not exactly one hour"},
		{"a window that runs backwards", window("2019-12-10T18:00:00Z", "2019-12-10T17:00:00Z"), usage.RejectedWindow, "is not exactly one hour"},
		{"an end a nanosecond late", window("2019-12-10T18:00:00Z", "2019-12-10T19:00:00.000000001Z"), usage.RejectedWindow, "is not exactly one hour"},
		{"a window before the year 0", window("0000-01-01T00:00:00+01:00", "0000-01-01T01:00:00+01:00"), usage.RejectedWindow, "outside the years 0000 to 9999"},
		{"a window after the reported hour", window("2019-12-10T20:00:00Z", "2019-12-10T21:00:00Z"), usage.RejectedFuture,
			"the usage window ends 2019-12-10T21:00Z, after the end of the reported hour 2019-12-10T19:00Z"},

		{"a row without instanceData", with("instanceData", nil), usage.RejectedResource, "instanceData is missing, so the row names no resource"},
		{"an empty instanceData", with("instanceData", ""), usage.RejectedResource, "instanceData is missing, so the row names no resource"},
		{"null for instanceData", with("instanceData", raw("null")), usage.RejectedResource, "instanceData has no Microsoft.Resources"},
		{"instanceData that is not JSON", with("instanceData", "{oops"), usage.RejectedJSON, "instanceData is not JSON"},
		{"instanceData without a resource", with("instanceData", "{}"), usage.RejectedResource, "instanceData has no Microsoft.Resources, so the row names no resource"},
		{"a list for a resource", with("instanceData", `{"Microsoft.Resources":[]}`), usage.RejectedJSON, "instanceData is not JSON"},
		{"a location beyond its bound", withResource(func(r object) { r["location"] = strings.Repeat("x", 257) }), usage.RejectedJSON,
			"instanceData: a location of 257 bytes; at most 256 are read"},

		{"an empty resource URI", withURI(""), usage.RejectedResource, `resourceUri "": not an Azure Resource Manager id: it must start with /subscriptions/{guid}/`},
		{"a URL", withURI("https://example.com/x"), usage.RejectedResource, "it must start with /subscriptions/{guid}/"},
		{"no slash in front", withURI(resourceURI[1:]), usage.RejectedResource, "it must start with /subscriptions/{guid}/"},
		{"a subscription that is no GUID", withURI("/subscriptions/x/providers/p/t/n"), usage.RejectedResource, "it must start with /subscriptions/{guid}/"},
		{"a slash at the end", withURI(resourceURI + "/"), usage.RejectedResource, "it has an empty segment"},
		{"a double slash", withURI(strings.Replace(resourceURI, "/providers", "//providers", 1)), usage.RejectedResource, "it has an empty segment"},
		{"a resource group only", withURI("/subscriptions/" + subscription + "/resourceGroups/rg"), usage.RejectedResource, "it must end in /providers/{namespace}/{type}/{name}"},
		{"a type without name", withURI("/subscriptions/" + subscription + "/providers/p/t"), usage.RejectedResource, "it must end in /providers/{namespace}/{type}/{name}"},
		{"a control character", withURI(resourceURI + "\u0007"), usage.RejectedResource, "holds a control character"},
		{"a resource URI beyond its bound", withURI(resourceURI + strings.Repeat("x", 8<<10)), usage.RejectedResource, "bytes; at most 8192 are read"},
	}
	reported := hour(t, "2019-12-10T19:00:00Z")
	codes := map[string]bool{}
	for _, tt := range tests {
		codes[tt.code] = true
		t.Run(tt.name+", with code "+tt.code, func(t *testing.T) {
			line, ok := tt.row.(string)
			if !ok {
				line = string(lineOf(t, tt.row.(object)))
			}
			record, rejection := usage.ParseRecord([]byte(line), reported)
			if rejection == nil {
				t.Fatalf("accepted: %+v", record)
			}
			if rejection.Code != tt.code || !strings.Contains(rejection.Reason, tt.reason) {
				t.Errorf("refused with %s: %s\nwant         %s: %s", rejection.Code, rejection.Reason, tt.code, tt.reason)
			}
			if record != (usage.Record{}) {
				t.Errorf("refused and yet there is a record: %+v", record)
			}
		})
	}
	for _, code := range []string{
		"UnreadableJson", "LineTooLong", "InvalidSubscriptionId", "InvalidMeterId", "QuantityNotNumeric", "QuantityNegative",
		"QuantityOutOfBounds", "WindowNotOneHour", "WindowAfterReportedHour", "InvalidResourceUri",
	} {
		if !codes[code] {
			t.Errorf("no test refuses with %s", code)
		}
	}
}
