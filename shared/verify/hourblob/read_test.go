package hourblob_test

import (
	"strings"
	"testing"

	"stackusage/internal/badinput"
	"stackusage/shared/usage"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/hourblob"
)

var reported = func() usage.Hour { h, _ := usage.ParseCompactHour("2019121019"); return h }()

// sameRow holds the auditor's reading of a row against the pipeline's. Of a row
// that is both no JSON and ambiguous either code will do: each names the first that
// it meets.
func sameRow(t *testing.T, line []byte) {
	t.Helper()
	want, refusal := usage.ParseRecord(line, reported)
	u, code := hourblob.ReadRow(line, form.Hour(reported))
	if len(line) > usage.MaxLine {
		return
	}
	if refusal != nil {
		json := strings.Contains("UnreadableJson AmbiguousKeys", refusal.Code) && strings.Contains("UnreadableJson AmbiguousKeys", code)
		if code != refusal.Code && !(json && code != "") {
			t.Fatalf("%.2000q\nis %q, the pipeline says %s: %s", line, code, refusal.Code, refusal.Reason)
		}
		return
	}
	is := [6]string{want.SubscriptionID, want.ResourceURI, want.MeterID, want.Location, want.Tags, want.AdditionalInfo}
	shown := [6]string{u.SubscriptionID, u.ResourceURI, u.MeterID, u.Location, u.Tags, u.AdditionalInfo}
	if code != "" || shown != is || int64(u.Hour) != int64(want.Hour) || u.Quantity != want.Quantity.String() {
		t.Fatalf("%.2000q\nis %q %q %d %s, the pipeline says %q %d %s", line, code, shown, u.Hour, u.Quantity, is, want.Hour, want.Quantity)
	}
}

func TestRowsAreReadAsThePipelineReadsThem(t *testing.T) {
	for _, row := range badinput.Rows() {
		t.Run(row.Name, func(t *testing.T) { sameRow(t, []byte(row.Line)) })
	}
}

func FuzzRow(f *testing.F) {
	for _, row := range badinput.Small() {
		f.Add([]byte(row.Line))
	}
	f.Fuzz(func(t *testing.T, line []byte) { sameRow(t, line) })
}
