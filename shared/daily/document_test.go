package daily_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
)

func document(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/formats/daily-record.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// firstColumn lists the names in the first column of the document's table that
// begins with the given head.
func firstColumn(t *testing.T, text, head string) []string {
	t.Helper()
	_, table, ok := strings.Cut(text, head+"\n")
	if !ok {
		t.Fatalf("the document has no table %q", head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var names []string
	for _, row := range strings.Split(table, "\n")[1:] {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// fieldsOf lists the names of a JSON object in their order.
func fieldsOf(t *testing.T, object []byte) []string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return names
}

// fullest is a record with every field that a statement of a day can have.
func fullest(t *testing.T) []byte {
	t.Helper()
	s := shown()
	s.MeterID, s.ResourceURI, s.AdditionalInfo = blockBlobs, strings.Replace(resourceURI, subscription, cloudID, 1), "InUse"
	records := writeDay(t, sequence(sumsOf(t, record(t, s, "2019-12-10T18:00:00Z", "1")))).records(t)
	return records[0]
}

func TestFieldsComeInTheDocumentedOrder(t *testing.T) {
	text := document(t)
	want := slices.DeleteFunc(firstColumn(t, text, "| field | type | meaning |"), func(name string) bool {
		return name == "corrects" || name == "carriedFrom" || name == "reason" // only of what was stated before
	})
	got := fullest(t)
	if diff := cmp.Diff(want, fieldsOf(t, got)); diff != "" {
		t.Error(diff)
	}
	var record struct{ AdditionalInfo json.RawMessage }
	if err := json.Unmarshal(got, &record); err != nil {
		t.Fatal(err)
	}
	want = append([]string{"stamp"}, firstColumn(t, text, "| key | meaning |")...)
	if diff := cmp.Diff(want, fieldsOf(t, record.AdditionalInfo)); diff != "" {
		t.Error(diff)
	}
}

func TestTheDocumentsNameSpaceIsTheOneInUse(t *testing.T) {
	m := regexp.MustCompile("name space `([0-9a-f-]{36})`").FindStringSubmatch(document(t))
	if m == nil {
		t.Fatal("the document names no name space")
	}
	if m[1] != "6f0c1a52-3d0e-5f0b-9f43-7d1f0f0e6a11" {
		t.Errorf("the document says %s", m[1])
	}
}

func TestTheDocumentsExampleIsWhatIsWritten(t *testing.T) {
	_, example, ok := strings.Cut(document(t), "## Example\n\n```json\n")
	if !ok {
		t.Fatal("the document has no example")
	}
	example, _, _ = strings.Cut(example, "\n```")
	d := writeDay(t, sequence(sumsOf(t, record(t, shown(), "2019-12-10T18:00:00Z", "16.461425899527967"))))
	if diff := cmp.Diff(example, string(d.records(t)[0])); diff != "" {
		t.Error(diff)
	}
	var r daily.Record
	dec := json.NewDecoder(strings.NewReader(example))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		t.Error(err)
	}
}
