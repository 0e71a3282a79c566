package usage_test

import (
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/internal/badinput"
	"stackusage/shared/usage"
)

// codes are all that ParseRecord may refuse with.
var codes = map[string]bool{
	usage.RejectedJSON: true, usage.RejectedAmbiguous: true, usage.RejectedLine: true, usage.RejectedSubscription: true, usage.RejectedMeter: true,
	usage.RejectedNotNumeric: true, usage.RejectedNegative: true, usage.RejectedOutOfBounds: true, usage.RejectedWindow: true,
	usage.RejectedFuture: true, usage.RejectedResource: true,
}

func TestBadRowsAreRefusedByCode(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	for _, row := range badinput.Refused() {
		t.Run(row.Name+" is "+row.Code, func(t *testing.T) {
			record, rejection := usage.ParseRecord([]byte(row.Line), reported)
			if rejection == nil {
				t.Fatalf("accepted: %.300v", record)
			}
			if rejection.Code != row.Code || !codes[rejection.Code] {
				t.Errorf("%s: %s", rejection.Code, rejection.Reason)
			}
			if rejection.Reason == "" || len(rejection.Reason) > 1000 || !utf8.ValidString(rejection.Reason) || strings.ContainsAny(rejection.Reason, "\x00\n") {
				t.Errorf("a reason of %d bytes that cannot be kept: %.200q", len(rejection.Reason), rejection.Reason)
			}
		})
	}
	for _, row := range badinput.Odd() {
		t.Run(row.Name+" counts", func(t *testing.T) {
			record, rejection := usage.ParseRecord([]byte(row.Line), reported)
			if rejection != nil {
				t.Fatalf("%s: %s", rejection.Code, rejection.Reason)
			}
			if record.Quantity.String() != row.Want {
				t.Errorf("%s, want %s", record.Quantity, row.Want)
			}
		})
	}
}

// What is stored may not depend on the process that judged, nor show what a
// tag is called.
func TestReasonsAreOurOwnWords(t *testing.T) {
	for name, want := range map[string]string{
		"a quantity twice":                          "the row is not the JSON of a usage record: a name comes twice in one object, at byte 499",
		"a quantity in two cases":                   "the row is not the JSON of a usage record: a name comes twice in one object, at byte 499",
		"tags that are an object with a name twice": "instanceData is not JSON: a name comes twice in one object, at byte 200",
		"a byte order mark before the row":          "the row is not the JSON of a usage record: it begins with a byte order mark",
		"half a pair, escaped":                      "the row is not the JSON of a usage record: invalid surrogate pair at byte 7",
		"brackets in what nobody reads":             "the row is not the JSON of a usage record: exceeded max depth at byte 10005",
	} {
		found := false
		for _, row := range badinput.Refused() {
			if row.Name != name {
				continue
			}
			found = true
			if _, rejection := usage.ParseRecord([]byte(row.Line), hour(t, "2019-12-10T19:00:00Z")); rejection == nil || rejection.Reason != want {
				t.Errorf("%s: got  %+v\nwant %s", name, rejection, want)
			}
		}
		if !found {
			t.Errorf("no row is %s", name)
		}
	}
}

// A row takes a small multiple of what a line may have, whatever is in it.
func TestBadRowsTakeBoundedMemory(t *testing.T) {
	const bound = 16 * usage.MaxLine
	for _, row := range badinput.Rows() {
		line := []byte(row.Line)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		usage.ParseRecord(line, hour(t, "2019-12-10T19:00:00Z"))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > bound {
			t.Errorf("%s: %d bytes allocated for a row of %d", row.Name, took, len(line))
		}
	}
}
