package usage_test

import (
	"strings"
	"testing"

	"stackusage/shared/usage"
)

func TestParseRecordReadsTheFormsOfTagsAndAdditionalInfo(t *testing.T) {
	absent := func(r object, name string) { delete(r, name) }
	is := func(v any) func(object, string) { return func(r object, name string) { r[name] = v } }
	tests := []struct {
		name       string
		set        func(r object, name string)
		shown, key string
	}{
		{"absent", absent, "", ""},
		{"an empty text", is(""), "", ""},
		{"null", is(nil), "", ""},
		{"the text null", is("null"), "null", ""},
		{"JSON in a text", is(`{"Dept": "R&D"}`), `{"Dept": "R&D"}`, `{"Dept": "R&D"}`},
		{"bare text", is("InUse"), "InUse", "InUse"},
		{"an object", is(raw("{ \"Dept\" : \"Sales\",\n\"n\":[1, 2] }")), `{"Dept":"Sales","n":[1,2]}`, `{"Dept":"Sales","n":[1,2]}`},
		{"an empty object", is(object{}), "{}", "{}"},
		{"a list", is([]string{"a"}), `["a"]`, `["a"]`},
		{"a number", is(raw("1.50")), "1.50", "1.50"},
	}
	reported := hour(t, "2019-12-10T19:00:00Z")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			row := withResource(func(r object) {
				tt.set(r, "tags")
				tt.set(r, "additionalInfo")
			})
			got, rejection := usage.ParseRecord(lineOf(t, row), reported)
			if rejection != nil {
				t.Fatal(rejection)
			}
			if got.Tags != tt.shown || got.AdditionalInfo != tt.shown {
				t.Errorf("shown as %q and %q, want %q", got.Tags, got.AdditionalInfo, tt.shown)
			}
			if k := got.Key(); k.Tags != tt.key || k.AdditionalInfo != tt.key {
				t.Errorf("keyed as %q and %q, want %q", k.Tags, k.AdditionalInfo, tt.key)
			}
		})
	}
}

func TestParseRecordAccepts(t *testing.T) {
	zone := with("usageStartTime", "2019-12-10T19:00:00+01:00")
	zone["properties"].(object)["usageEndTime"] = "2019-12-10T14:00:00-05:00"
	same := with("usageStartTime", "2019-12-10T19:00:00Z")
	same["properties"].(object)["usageEndTime"] = "2019-12-10T20:00:00Z"
	old := with("usageStartTime", "2019-11-30T23:00:00Z")
	old["properties"].(object)["usageEndTime"] = "2019-12-01T00:00:00Z"

	tests := []struct {
		name, quantity, hour string
		row                  object
	}{
		{"a quantity as a text", "16.46", "2019-12-10T18:00Z", with("quantity", "16.460")},
		{"a quantity with an escape in its text", "15", "2019-12-10T18:00Z", with("quantity", raw(`"\u00315"`))},
		{"a quantity of zero", "0", "2019-12-10T18:00Z", with("quantity", raw("0"))},
		{"a quantity of minus zero", "0", "2019-12-10T18:00Z", with("quantity", raw("-0.0"))},
		{"a quantity with an exponent", "0.000000084", "2019-12-10T18:00Z", with("quantity", raw("8.4e-08"))},
		{"a window in other offsets", "16.461425899527967", "2019-12-10T18:00Z", zone},
		{"a window that is the reported hour", "16.461425899527967", "2019-12-10T19:00Z", same},
		{"a window of days ago that ends at midnight", "16.461425899527967", "2019-11-30T23:00Z", old},
		{"a meter without dashes", "16.461425899527967", "2019-12-10T18:00Z", with("meterId", guidDashless)},
		{"instanceData that is an object", "16.461425899527967", "2019-12-10T18:00Z", with("instanceData", raw(instanceText(goodResource())))},
		{"a field that nobody knows", "16.461425899527967", "2019-12-10T18:00Z", with("newField", object{"a": 1})},
		{"a resource without resource group", "16.461425899527967", "2019-12-10T18:00Z",
			withURI("/subscriptions/" + subscription + "/providers/Microsoft.Network/publicIPAddresses/ip")},
		{"a nested resource", "16.461425899527967", "2019-12-10T18:00Z", withURI(resourceURI + "/blobServices/default")},
		{"a resource of another subscription", "16.461425899527967", "2019-12-10T18:00Z",
			withURI(strings.Replace(resourceURI, subscription, guidUpper, 1))},
		{"a resource name of another script", "16.461425899527967", "2019-12-10T18:00Z", withURI(resourceURI + "-größe")},
	}
	reported := hour(t, "2019-12-10T19:00:00Z")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rejection := usage.ParseRecord(lineOf(t, tt.row), reported)
			if rejection != nil {
				t.Fatal(rejection)
			}
			if got.Quantity.String() != tt.quantity || got.Hour.String() != tt.hour {
				t.Errorf("%s at %s, want %s at %s", got.Quantity, got.Hour, tt.quantity, tt.hour)
			}
		})
	}
}

func TestALineOfExactlyTheLimitIsRead(t *testing.T) {
	line := lineOf(t, goodRow())
	line = append(line, strings.Repeat(" ", usage.MaxLine-len(line))...)
	if _, rejection := usage.ParseRecord(line, hour(t, "2019-12-10T19:00:00Z")); rejection != nil {
		t.Error(rejection)
	}
	if _, rejection := usage.ParseRecord(append(line, ' '), hour(t, "2019-12-10T19:00:00Z")); rejection == nil || rejection.Code != usage.RejectedLine {
		t.Errorf("one byte more: %+v", rejection)
	}
}

func TestReasonsNeitherGrowWithTheRowNorShowTags(t *testing.T) {
	long := strings.Repeat("9", 100_000)
	secret := "owner-is-alice"
	tagged := func(uri string) object {
		return withResource(func(r object) { r["tags"], r["resourceUri"] = secret, uri })
	}
	fraction := with("usageStartTime", "2019-12-10T18:00:00."+strings.Repeat("0", 100_000)+"Z")
	fraction["properties"].(object)["usageEndTime"] = "2019-12-10T18:00:00Z"
	for name, row := range map[string]object{
		"a long subscription":      with("subscriptionId", long),
		"a long meter":             with("meterId", long),
		"a long quantity":          with("quantity", raw(long)),
		"a long quantity text":     with("quantity", "x"+long),
		"a number for an id":       with("meterId", raw(long)),
		"a long start":             with("usageStartTime", long),
		"a start of long fraction": fraction,
		"a long end":               with("usageEndTime", long),
		"a long resource":          withURI("/" + long),
		"a tagged bad resource":    tagged("nowhere"),
		"cut instance data":        with("instanceData", `{"Microsoft.Resources":{"tags":"`+secret),
		"tags for a resource":      with("instanceData", `{"Microsoft.Resources":"`+secret+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			_, rejection := usage.ParseRecord(lineOf(t, row), hour(t, "2019-12-10T19:00:00Z"))
			if rejection == nil {
				t.Fatal("accepted")
			}
			if len(rejection.Reason) > 1000 {
				t.Errorf("the reason has %d bytes", len(rejection.Reason))
			}
			if strings.Contains(rejection.Reason, secret) {
				t.Errorf("the reason shows the tags: %s", rejection.Reason)
			}
		})
	}
}
