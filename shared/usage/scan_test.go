package usage_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/usage"
)

// stackRow is a row as a stack writes it, of 900 bytes and more with info for additionalInfo.
func stackRow(quantity, uri, tags, info string) []byte {
	var inst azurestack.Instance
	inst.Resources.ResourceURI, inst.Resources.Location = uri, "northwest"
	inst.Resources.Tags, inst.Resources.AdditionalInfo = tags, info
	name := subscription + "-" + guidUpper
	return azurestack.Encode(azurestack.Record{
		ID:   "/subscriptions/39c82aed-b2b7-4a66-abdb-611de00bf11e/providers/Microsoft.Commerce/UsageAggregate/" + name,
		Name: name, Type: "Microsoft.Commerce/UsageAggregate",
		Properties: azurestack.Properties{
			SubscriptionID: subscription, UsageStartTime: "2019-12-10T18:00:00+00:00", UsageEndTime: "2019-12-10T19:00:00+00:00",
			InstanceData: string(azurestack.Encode(inst)), Quantity: json.Number(quantity), MeterID: guidUpper, Name: name,
		},
	})
}

const vmInfo = `{"ServiceType":"Standard_F2s","ImageType":null,"Publisher":"MicrosoftWindowsServer","Offer":"WindowsServer","Sku":"2016-Datacenter"}`

// stackRows are rows of the known shape: each must take the fast path.
func stackRows() [][]byte {
	return [][]byte{
		stackRow("16.461425899527967", resourceURI, "", ""),
		stackRow("1.0", resourceURI, "null", vmInfo),
		stackRow("8.3819031715393066E-08", resourceURI, `{"RG":"rg","testTag":"1"}`, vmInfo),
		stackRow("0", resourceURI, `{"path":"C:\\temp","Dept":"größe"}`, "InUse"),
		stackRow("123456789012345678901234.567", resourceURI+"/blobServices/default", "{}", `{}`),
	}
}

// scanned is what the fast path makes of a line, if it takes it.
func scanned(s *usage.Scanner, line []byte) (usage.Record, bool) {
	r, ok := s.Scan(line)
	if !ok {
		return usage.Record{}, false
	}
	p, ok := r.Parts()
	if !ok || !r.Check(p) || !p.CheckURI() {
		return usage.Record{}, false
	}
	text := func(part []byte) string {
		plain, ok := usage.AppendPart(nil, part)
		if !ok {
			return "checked, and cannot be read" // so no record is like it
		}
		return string(plain)
	}
	return usage.Record{Hour: r.Hour, Quantity: r.Quantity, Shown: usage.Shown{
		SubscriptionID: string(r.SubscriptionID), MeterID: string(r.MeterID),
		ResourceURI: text(p.ResourceURI), Location: text(p.Location), Tags: text(p.Tags), AdditionalInfo: text(p.AdditionalInfo),
	}}, true
}

// checkScan holds the fast path against the plain one: what it takes, both read alike.
func checkScan(t *testing.T, s *usage.Scanner, line []byte, reported usage.Hour) bool {
	t.Helper()
	got, ok := scanned(s, line)
	if !ok {
		return false
	}
	want, rejection := usage.ParseRecord(line, reported)
	if rejection != nil {
		t.Fatalf("the fast path takes what is rejected with %s: %s\n%q", rejection.Code, rejection.Reason, line)
	}
	if got.Shown != want.Shown || got.Hour != want.Hour || !got.Quantity.Equal(want.Quantity) || got.Quantity.String() != want.Quantity.String() {
		t.Fatalf("the fast path reads %+v, the plain path %+v\n%q", got, want, line)
	}
	return true
}

func TestScanTakesRowsOfTheKnownShape(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	s := usage.NewScanner(reported)
	for _, line := range stackRows() {
		if !checkScan(t, s, line, reported) {
			t.Errorf("not taken: %s", line)
		}
	}
}

func TestScanTakesEveryRealRow(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	s := usage.NewScanner(reported)
	for _, row := range realRows(t) {
		if !checkScan(t, s, row, reported) {
			t.Errorf("not taken: %s", row)
		}
	}
}

// Rows that differ from the known shape are for the plain path, good or bad.
func TestScanLeavesOtherRowsToThePlainPath(t *testing.T) {
	good := string(stackRows()[2])
	change := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the good row has no %s", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	reported := hour(t, "2019-12-10T19:00:00Z")
	for name, line := range map[string]string{
		"nothing":                          "",
		"a space before":                   " " + good,
		"a space after":                    good + " ",
		"a space between":                  change(`,"meterId"`, `, "meterId"`),
		"two values":                       good + good,
		"cut in the middle":                good[:len(good)/2],
		"cut at the end":                   good[:len(good)-1],
		"a name twice":                     change(`"quantity":`, `"quantity":1,"quantity":`),
		"a name twice, at the end":         change(`"meterId":`, `"meterId":"x","meterId":`),
		"a name in another case":           change(`"meterId"`, `"MeterId"`),
		"another order":                    change(`"subscriptionId":"`+subscription+`",`, ``),
		"a name more":                      change(`"properties":{`, `"properties":{"new":1,`),
		"an escape in a name":              change(`"name":"`, `"name":"\u0030`),
		"an escape in the id":              change(`{"id":"/`, `{"id":"\/`),
		"a control character in the id":    change(`{"id":"/`, "{\"id\":\"\x1f/"),
		"no ASCII in the id":               change(`{"id":"/`, `{"id":"ß/`),
		"another type":                     change(`UsageAggregate","p`, `Usage","p`),
		"a quantity in a text":             change(`8.3819031715393066E-08`, `"8.3819031715393066E-08"`),
		"a quantity below zero":            change(`8.3819031715393066E-08`, `-8.3819031715393066E-08`),
		"a quantity out of bounds":         change(`8.3819031715393066E-08`, `1e21`),
		"a quantity that is no number":     change(`8.3819031715393066E-08`, `01`),
		"two numbers":                      change(`8.3819031715393066E-08`, `1,2`),
		"a window of two hours":            change(`T18:00`, `T17:00`),
		"a window after the reported hour": strings.NewReplacer("T18:00", "T20:00", "T19:00", "T21:00").Replace(good),
		"a window before there was any":    strings.ReplaceAll(good, "2019-12", "2015-12"),
		"a quote in instanceData":          change(`\"tags\"`, `"tags\"`),
		"instanceData that is an object":   change(`"instanceData":"{`, `"instanceData":{`),
		"a line over the limit":            change(`{"id":"`, `{"id":"`+strings.Repeat("x", usage.MaxLine)),
	} {
		t.Run(name, func(t *testing.T) {
			s := usage.NewScanner(reported)
			if _, ok := scanned(s, []byte(line)); ok {
				t.Errorf("taken: %.1000s", line)
			}
		})
	}
}

// The instanceData of rows that Scan takes may be anything. What is not of the known shape is for the
// plain path, and so is all that is bad.
func TestOtherInstanceDataIsForThePlainPath(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	good := `{"Microsoft.Resources":{"resourceUri":"` + resourceURI + `","location":"northwest","tags":"","additionalInfo":""}}`
	taken := map[string]bool{"good": true, "a C1 control in a tag": true}
	for name, text := range map[string]string{
		"good":                       good,
		"other order":                `{"Microsoft.Resources":{"tags":"t","resourceUri":"` + resourceURI + `"}}`,
		"a space":                    strings.Replace(good, ":", ": ", 1),
		"an escape in a tag":         strings.Replace(good, `"tags":""`, `"tags":"R\u0026D\n\/"`, 1),
		"a surrogate pair":           strings.Replace(good, `"tags":""`, `"tags":"\ud83d\ude00"`, 1),
		"half a surrogate pair":      strings.Replace(good, `"tags":""`, `"tags":"\ud83d"`, 1),
		"tags that are an object":    strings.Replace(good, `"tags":""`, `"tags":{"a": 1}`, 1),
		"tags that are null":         strings.Replace(good, `"tags":""`, `"tags":null`, 1),
		"a name twice":               strings.Replace(good, `"tags":""`, `"tags":"","tags":""`, 1),
		"a name in two cases":        strings.Replace(good, `"tags":""`, `"tags":"","Tags":""`, 1),
		"an unknown field":           strings.Replace(good, `"tags":""`, `"tags":"","new":""`, 1),
		"a value after":              good + "{}",
		"a byte order mark":          "\ufeff" + good,
		"no JSON":                    "{",
		"nothing":                    "",
		"a location beyond its size": strings.Replace(good, "northwest", strings.Repeat("x", 257), 1),
		"a C1 control in a tag":      strings.Replace(good, `"tags":""`, "\"tags\":\"\u0085\u007f\"", 1),
		"a C1 control in the URI":    strings.Replace(good, `/resourcegroups`, "\u0085/resourcegroups", 1),
		"a resource URI of dots":     strings.Replace(good, `/resourcegroups`, "/../resourcegroups", 1),
	} {
		t.Run(name, func(t *testing.T) {
			// As encoding/json escapes it, and as a stack does.
			for _, quoted := range []string{string(lineOf(t, object{"": text}))[4:], string(azurestack.Encode(map[string]string{"": text}))[4:]} {
				row := string(stackRow("1", resourceURI, "", ""))
				from, to := strings.Index(row, `"{`), strings.Index(row, `,"quantity"`)
				line := []byte(row[:from] + strings.TrimSuffix(quoted, "}") + row[to:])
				s := usage.NewScanner(reported)
				if got := checkScan(t, s, line, reported); got != taken[name] {
					t.Errorf("taken: %t, want %t: %s", got, taken[name], line)
				}
			}
		})
	}
}

func TestScanRemembersMoreWindowsThanOne(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	s := usage.NewScanner(reported)
	line := stackRows()[0]
	for range 3 {
		for n := range 9 {
			day := []byte("2019-12-0" + string(rune('1'+n)) + "T")
			other := bytes.ReplaceAll(line, []byte("2019-12-10T"), day)
			if !checkScan(t, s, other, reported) {
				t.Errorf("not taken: %s", other)
			}
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	s := usage.NewScanner(hour(t, "2019-12-10T19:00:00Z"))
	lines := stackRows()[:4]
	lines = append(lines, bytes.ReplaceAll(bytes.ReplaceAll(lines[0], []byte("T18:00"), []byte("T17:00")), []byte("T19:00"), []byte("T18:00")))
	for _, line := range lines {
		s.Scan(line)
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, line := range lines {
			if _, ok := s.Scan(line); !ok {
				t.Fatal("not taken")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations in %d rows", n, len(lines))
	}
}

// benchRow has about 920 bytes, as rows of virtual machines do.
func benchRow(b *testing.B) ([]byte, usage.Hour) {
	return stackRow("16.461425899527967", resourceURI, `{"RG":"rg"}`, `{"ServiceType":"Standard_F2s"}`), hour(b, "2019-12-10T19:00:00Z")
}

func BenchmarkScan(b *testing.B) {
	line, reported := benchRow(b)
	s := usage.NewScanner(reported)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Scan(line); !ok {
			b.Fatal("not taken")
		}
	}
}

func BenchmarkKey(b *testing.B) {
	line, reported := benchRow(b)
	record, rejection := usage.ParseRecord(line, reported)
	if rejection != nil {
		b.Fatal(rejection)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = record.Key()
	}
}

func BenchmarkCheck(b *testing.B) {
	line, reported := benchRow(b)
	r, ok := usage.NewScanner(reported).Scan(line)
	if !ok {
		b.Fatal("not taken")
	}
	b.ReportAllocs()
	for b.Loop() {
		if p, ok := r.Parts(); !ok || !r.Check(p) {
			b.Fatal("not taken")
		}
	}
}
