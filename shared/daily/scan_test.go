package daily

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scannedLines are lines of both kinds of files, as they are written and not.
var scannedLines = []string{
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","quantity":"1.5","hours":[0,23],"rows":2}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","location":"northwest","tags":"{\"a\":\"\\\\\"}","additionalInfo":"é","quantity":"-10","hours":[],"rows":0}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","tags":"\u0041\n","quantity":"1","hours":[3,3,1],"rows":-1}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","tags":"` + "\xff\x00" + `","quantity":"1","hours":[24],"rows":01}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","quantity":"1.0","hours":[1],"rows":12345678901234567890}`,
	`{"quantity":"1","subscriptionId":"a","Rows":1}`, `{}`, `null`, ``, `{"subscriptionId":null,"rows":1.5}`, `{"subscriptionId":"\`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","billingModel":"PayAsYouUse","billingSubscriptionId":"d","meterClass":"Billed","rows":1,"total":"1","hours":[1],"before":"0","record":{"recordId":"e","flags":["f","g"],"n":1,"o":{"p":true,"q":null,"r":[],"s":{}},"t":"\"\\"}}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","billingModel":"","billingSubscriptionId":"d","commerceMeterId":"m","meterClass":"","reporting":"off","carriedFrom":"2019-12-10","rows":1,"total":"1","hours":[1],"before":"0","corrects":"r","waived":"-1","carried":"2","record":null}`,
	`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","billingModel":"","billingSubscriptionId":"d","meterClass":"","carriedFrom":"x","rows":1,"total":"1","hours":[1],"before":"0","record":{"a":1.5,"b":"\x","c":[1,]}}`,
}

// FuzzScan has encoding/json read what the scanner reads, which must see the same, also
// behind another line.
func FuzzScan(f *testing.F) {
	for _, before := range scannedLines {
		for _, line := range scannedLines {
			f.Add(before, line)
		}
	}
	f.Fuzz(func(t *testing.T, before, line string) {
		var sums, lines scanner
		sums.sum(before, new(Sum))
		lines.line(before, new(DayLine))
		var s, wantSum Sum
		if sums.sum(line, &s) {
			if err := json.Unmarshal([]byte(line), &wantSum); err != nil {
				t.Fatalf("%q was read, and encoding/json says %v", line, err)
			}
			if diff := cmp.Diff(wantSum, s, cmp.AllowUnexported(Sum{})); diff != "" {
				t.Errorf("%q (-encoding/json +scanned):\n%s", line, diff)
			}
		}
		var l, wantLine DayLine
		if lines.line(line, &l) {
			if err := json.Unmarshal([]byte(line), &wantLine); err != nil {
				t.Fatalf("%q was read, and encoding/json says %v", line, err)
			}
			if diff := cmp.Diff(wantLine, l); diff != "" {
				t.Errorf("%q (-encoding/json +scanned):\n%s", line, diff)
			}
		}
	})
}

// TestScannerReadsWhatIsWritten: else encoding/json would, and all tests would pass.
func TestScannerReadsWhatIsWritten(t *testing.T) {
	var n scanner
	for _, line := range []string{scannedLines[0], scannedLines[1]} {
		if !n.sum(line, new(Sum)) {
			t.Errorf("%s is not read", line)
		}
	}
	for _, line := range []string{
		scannedLines[11],
		`{"subscriptionId":"a","resourceUri":"/b","meterId":"c","location":"x","billingModel":"","billingSubscriptionId":"d","commerceMeterId":"m","meterClass":"","reporting":"off","carriedFrom":"2019-12-10","rows":1,"total":"1","hours":[1],"before":"0","corrects":"r","waived":"-1","carried":"2"}`,
	} {
		if !n.line(line, new(DayLine)) {
			t.Errorf("%s is not read", line)
		}
	}
}
