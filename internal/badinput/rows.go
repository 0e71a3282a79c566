// Package badinput is what a hostile or broken sender may write, with the code
// that a person sees for it. Tests of every decoder share it, and fuzz tests
// begin with it. Small inputs are written out, large ones are made.
package badinput

import (
	"fmt"
	"slices"
	"strings"
)

// Row is one line of an hour blob, reported in the hour 2019-12-10T19 or later.
type Row struct {
	Name string
	Code string // of the refusal; "" if the row counts
	Want string // its canonical quantity, if it counts
	Line string
}

// Good is the row that the others are made from, as a stack sends it.
const Good = `{"id":"x","name":"y","type":"Microsoft.Commerce/UsageAggregate","properties":{` +
	`"subscriptionId":"09065051-cfe9-4fcf-b90c-87f2af292fc9",` +
	`"usageStartTime":"2019-12-10T18:00:00+00:00","usageEndTime":"2019-12-10T19:00:00+00:00",` +
	`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9` +
	`/resourcegroups/rg/providers/Microsoft.Storage/storageAccounts/sa\",\"location\":\"northwest\",\"tags\":\"\",\"additionalInfo\":\"\"}}",` +
	`"quantity":16.461425899527967,"meterId":"B4438D5D-453B-4EE1-B42A-DC72E377F1E4"}}`

const (
	quantity = `"quantity":16.461425899527967`
	meter    = `"meterId":"B4438D5D-453B-4EE1-B42A-DC72E377F1E4"`
	tags     = `\"tags\":\"\"`
	location = `\"location\":\"northwest\"`
)

// edit is the good row with one part replaced.
func edit(old, with string) string {
	if strings.Count(Good, old) != 1 {
		panic("badinput: the good row has not exactly one " + old)
	}
	return strings.Replace(Good, old, with, 1)
}

func number(text string) string { return edit(quantity, `"quantity":`+text) }

// Rows are all rows, those that are refused first.
func Rows() []Row { return append(Refused(), Odd()...) }

// Small are the rows that a fuzzer can change with effect.
func Small() []Row {
	return slices.DeleteFunc(Rows(), func(r Row) bool { return len(r.Line) > 4<<10 })
}

// Refused are rows that must not count.
func Refused() []Row {
	rows := append(ambiguous(), unicodeRows()...)
	rows = append(rows, numbers()...)
	rows = append(rows, large()...)
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// ambiguous rows say two things. Which of the two a reader takes is its own
// choice, so none is taken.
func ambiguous() []Row {
	const code = "AmbiguousKeys"
	var rows []Row
	for name, line := range map[string]string{
		"a quantity twice":                          edit(quantity, quantity+`,"quantity":2`),
		"the same quantity twice":                   edit(quantity, quantity+`,`+quantity),
		"a quantity in two cases":                   edit(quantity, quantity+`,"Quantity":2`),
		"a quantity twice, once escaped":            edit(quantity, quantity+`,"\u0071uantity":2`),
		"a quantity beside QUANTITY_":               edit(quantity, quantity+`,"QUANTITY_":2`),
		"a meter twice":                             edit(meter, meter+`,"meterId":"6DAB500F-A4FD-49C4-956D-229BB9C8C793"`),
		"a meter in two cases":                      edit(meter, meter+`,"MeterID":"6DAB500F-A4FD-49C4-956D-229BB9C8C793"`),
		"properties twice":                          edit(`"id":"x"`, `"properties":{}`),
		"properties in two cases":                   edit(`"id":"x"`, `"Properties":{}`),
		"instanceData twice":                        edit(quantity, quantity+`,"instanceData":"{}"`),
		"a name twice that nobody reads":            edit(`"id":"x"`, `"id":"x","id":"z"`),
		"a name twice deep in what nobody reads":    edit(`"id":"x"`, `"id":[{"a":{"b":1,"b":2}}]`),
		"a resource URI twice in instanceData":      edit(tags, tags+`,\"resourceUri\":\"/subscriptions/x\"`),
		"a resource URI in two cases":               edit(tags, tags+`,\"ResourceUri\":\"/subscriptions/x\"`),
		"a resource twice":                          edit(`"{\"Microsoft.Resources\":`, `"{\"microsoft.resources\":{},\"Microsoft.Resources\":`),
		"tags twice":                                edit(tags, tags+`,\"tags\":\"null\"`),
		"tags that are an object with a name twice": edit(tags, `\"tags\":{\"owner\":\"a\",\"owner\":\"b\"}`),
		"an unknown object with a name twice":       edit(quantity, quantity+`,"additional":{"a":1,"a":1}`),
	} {
		rows = append(rows, Row{Name: name, Code: code, Line: line})
	}
	return rows
}

// unicodeRows hold what is not text, or not where it may be.
func unicodeRows() []Row {
	const code = "UnreadableJson"
	rows := []Row{
		{Name: "a meter that ends in NUL", Code: "InvalidMeterId", Line: edit(meter, strings.TrimSuffix(meter, `"`)+`\u0000"`)},
		{Name: "a subscription of fullwidth digits", Code: "InvalidSubscriptionId", Line: edit(`"09065051-cfe9-4fcf-b90c-87f2af292fc9",`, `"０９065051-cfe9-4fcf-b90c-87f2af292fc9",`)},
		{Name: "a resource URI with NUL", Code: "InvalidResourceUri", Line: edit(`storageAccounts/sa`, `storageAccounts/s\\u0000a`)},
		{Name: "a resource URI with a line break", Code: "InvalidResourceUri", Line: edit(`storageAccounts/sa`, `storageAccounts/s\\na`)},
		{Name: "a resource URI that climbs", Code: "InvalidResourceUri", Line: edit(`/resourcegroups/rg/`, `/resourcegroups/../`)},
		{Name: "a resource URI with a dot for a name", Code: "InvalidResourceUri", Line: edit(`storageAccounts/sa`, `storageAccounts/.`)},
		{Name: "a resource URI of backslashes", Code: "InvalidResourceUri", Line: edit(`/resourcegroups/rg/providers/`, `\\\\resourcegroups\\\\rg\\\\providers\\\\`)},
		{Name: "quantities in Arabic digits", Code: "QuantityNotNumeric", Line: number(`"٣"`)},
	}
	for name, line := range map[string]string{
		"a byte order mark before the row":      "\ufeff" + Good,
		"a byte order mark in instanceData":     edit(`"{\"Microsoft`, `"\ufeff{\"Microsoft`),
		"a byte that is no UTF-8":               edit(`"id":"x"`, "\"id\":\"\xff\""),
		"an overlong NUL":                       edit(`"id":"x"`, "\"id\":\"\xc0\x80\""),
		"half a pair in bytes":                  edit(`"id":"x"`, "\"id\":\"\xed\xa0\x80\""),
		"half a pair, escaped":                  edit(`"id":"x"`, `"id":"\ud800"`),
		"the second half of a pair, escaped":    edit(`"id":"x"`, `"id":"\udc00"`),
		"half a pair in a resource name":        edit(`storageAccounts/sa`, `storageAccounts/s\\ud800a`),
		"half a pair in tags":                   edit(tags, `\"tags\":\"\\udfff\"`),
		"half a pair in a name":                 edit(`"id":"x"`, `"\ud800":"x"`),
		"half a pair in instanceData's outside": edit(`"{\"Microsoft`, `"\ud800{\"Microsoft`),
		"a NUL byte in a text":                  edit(`"id":"x"`, "\"id\":\"\x00\""),
		"a NUL byte after the row":              Good + "\x00",
		"a tab in a text":                       edit(`"id":"x"`, "\"id\":\"\t\""),
		"a form feed for white space":           edit(`"id":"x"`, "\f\"id\":\"x\""),
		"UTF-16":                                "\xff\xfe{\x00}\x00",
		"a comment":                             edit(`"id":"x"`, `/**/"id":"x"`),
		"a comma too many":                      strings.TrimSuffix(Good, "}") + ",}",
		"single quotes":                         strings.ReplaceAll(Good, `"`, `'`),
	} {
		rows = append(rows, Row{Name: name, Code: code, Line: line})
	}
	return rows
}

// numbers are quantities that are none, or none that is taken.
func numbers() []Row {
	var rows []Row
	for code, texts := range map[string][]string{
		// Not JSON at all, so the row has no quantity to judge.
		"UnreadableJson": {"NaN", "Infinity", "-Infinity", "+1", "01", "-01", ".5", "1.", "1e", "1e+", "0x10", "1_000", "--1", "1.2.3", "1,5", "١"},
		"QuantityNotNumeric": {`"NaN"`, `"Infinity"`, `"-inf"`, `"+1"`, `"01"`, `".5"`, `"1."`, `"1e"`, `"0x10"`, `"1_000"`, `"1,5"`, `"1 "`, `" 1"`, `"1\u0000"`,
			`""`, `"-"`, `"1e+-5"`, "null", "true", "[1]", `{"value":1}`},
		"QuantityOutOfBounds": {"1e400", "1e21", "1e-41", "1e1000000", "1e-1000000", "1E+99999999999999999999", "0." + strings.Repeat("0", 300) + "1",
			`"1e400"`, `"1e1000000"`, strings.Repeat("9", 60), `"` + strings.Repeat("1234567890", 6) + `"`, "0." + strings.Repeat("3", 60),
			strings.Repeat("9", 41), strings.Repeat("9", 100_000), "1e" + strings.Repeat("9", 100_000), "-1e400"},
		"QuantityNegative": {"-1", "-1e-40", `"-0.5"`, "-" + strings.Repeat("9", 40)},
	} {
		for _, text := range texts {
			rows = append(rows, Row{Name: fmt.Sprintf("the quantity %.30s of %d bytes", text, len(text)), Code: code, Line: number(text)})
		}
	}
	return rows
}

const deep = 100_000 // levels; a decoder that recurses has 10,000 or none

// large rows cost memory or stack, if they can.
func large() []Row {
	open, closed := strings.Repeat("[", deep), strings.Repeat("]", deep)
	objects := strings.Repeat(`{"a":`, deep/4)
	return []Row{
		{Name: "brackets without end", Code: "UnreadableJson", Line: open},
		{Name: "brackets in what nobody reads", Code: "UnreadableJson", Line: edit(`"id":"x"`, `"id":`+open+closed)},
		{Name: "objects in what nobody reads", Code: "UnreadableJson", Line: edit(`"id":"x"`, `"id":`+objects+"1"+strings.Repeat("}", deep/4))},
		{Name: "brackets for a quantity", Code: "UnreadableJson", Line: number(open + closed)},
		{Name: "brackets for instanceData", Code: "UnreadableJson", Line: edit(`"{\"Microsoft.Resources\":`, `"`+open+`{\"Microsoft.Resources\":`)},
		{Name: "brackets for tags", Code: "UnreadableJson", Line: edit(tags, `\"tags\":`+open+closed)},
		{Name: "a row of a byte over the limit", Code: "LineTooLong", Line: Good + strings.Repeat(" ", 256<<10+1-len(Good))},
		{Name: "a row of a megabyte", Code: "LineTooLong", Line: edit(tags, `\"tags\":\"`+strings.Repeat("x", 1<<20)+`\"`)},
		{Name: "a resource URI of 100 kB", Code: "InvalidResourceUri", Line: edit(`storageAccounts/sa`, `storageAccounts/`+strings.Repeat("a", 100_000))},
		{Name: "a location of 100 kB", Code: "UnreadableJson", Line: edit(location, `\"location\":\"`+strings.Repeat("a", 100_000)+`\"`)},
	}
}

// Odd are rows that look wrong and count.
func Odd() []Row {
	const q = "16.461425899527967"
	open, closed := strings.Repeat("[", deep), strings.Repeat("]", deep)
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprintf(`"n%d":%d`, i, i)
	}
	return []Row{
		{Name: "the row as it is", Want: q, Line: Good},
		{Name: "a carriage return at its end", Want: q, Line: Good + "\r"},
		{Name: "white space around", Want: q, Line: " \t" + Good + "\t "},
		{Name: "minus zero", Want: "0", Line: number("-0")},
		{Name: "a large exponent of zero", Want: "0", Line: number("0e400")},
		{Name: "an exponent in capitals", Want: "150", Line: number("1.5E+2")},
		{Name: "a quantity in a text", Want: "1.5", Line: number(`"1.50"`)},
		{Name: "forty digits", Want: strings.Repeat("9", 40), Line: number(strings.Repeat("9", 40))},
		{Name: "forty decimals", Want: "0." + strings.Repeat("0", 39) + "1", Line: number("1e-40")},
		{Name: "a name in another case", Want: "2", Line: edit(quantity, `"Quantity":2`)},
		{Name: "a name with an escape", Want: "2", Line: edit(quantity, `"\u0071uantity":2`)},
		{Name: "unknown names in two cases", Want: q, Line: edit(`"id":"x"`, `"new":1,"New":2`)},
		{Name: "thousands of unknown names", Want: q, Line: edit(`"id":"x"`, strings.Join(many, ","))},
		{Name: "tags with a replacement character", Want: q, Line: edit(tags, `\"tags\":\"�\"`)},
		{Name: "tags with a pair, escaped", Want: q, Line: edit(tags, `\"tags\":\"\\ud83d\\ude00\"`)},
		{Name: "tags with a NUL", Want: q, Line: edit(tags, `\"tags\":\"a\\u0000b\"`)},
		{Name: "tags that are an object in two cases", Want: q, Line: edit(tags, `\"tags\":{\"Env\":1,\"env\":2}`)},
		{Name: "tags whose text is deep", Want: q, Line: edit(tags, `\"tags\":\"`+open+closed+`\"`)},
		{Name: "tags whose text has a name twice", Want: q, Line: edit(tags, `\"tags\":\"{\\\"a\\\":1,\\\"a\\\":2}\"`)},
	}
}
