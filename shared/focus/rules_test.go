package focus_test

import (
	"compress/gzip"
	"encoding/json"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/strictjson"
)

// criteria are what we say of the files. Rules that need another one are not ours.
var criteria = []string{
	"SUB_ACCOUNT_SUPPORTED", "TAGGING_SUPPORTED", "REGION_SUPPORTED", "USAGE_MEASUREMENT_SUPPORTED", "UNIT_PRICING_SUPPORTED",
	"RESOURCE_TYPE_ASSIGNMENT_SUPPORTED", "ACCOUNT_NAMING_SUPPORTED", "PUBLIC_PRICE_LIST_SUPPORTED", "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
}

// leftOut are rules that no file can keep, because another rule wants the opposite of
// the same rows.
var leftOut = map[string]string{
	"InvoiceId-C-005-C":                "InvoiceId-C-004-C",                // neither has a condition
	"CommitmentDiscountStatus-C-004-C": "CommitmentDiscountStatus-C-003-C", // its condition lacks the word not; the validator skips both
}

// rule is one of the validator's.
type rule struct {
	ID                    string `json:"-"`
	Type                  string
	ApplicabilityCriteria []string
	ValidationCriteria    struct {
		Keyword                string
		Requirement, Condition check
	}
}

// check is a check function with its arguments. Some conditions of the model lack its
// name: their one key is the name.
type check struct {
	CheckFunction, ColumnName, ColumnAName, ColumnBName, ResultColumnName, ModelRuleID string
	Value                                                                              any
	ExpectedCount                                                                      int
	Items                                                                              []check
	AND                                                                                oneOrMore
}

type oneOrMore []check

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if text[0] == '[' {
		return json.Unmarshal(text, (*[]check)(o))
	}
	*o = make(oneOrMore, 1)
	return json.Unmarshal(text, &(*o)[0])
}

func (c check) none() bool { return c.CheckFunction == "" && len(c.AND) == 0 }

func readRules(t *testing.T) map[string]*rule {
	t.Helper()
	f, err := os.Open("testdata/model-1.2.0.1.json.gz")
	ok(t, err)
	defer f.Close()
	text, err := gzip.NewReader(f)
	ok(t, err)
	var model struct{ ModelRules map[string]*rule }
	ok(t, json.NewDecoder(text).Decode(&model))
	for id, r := range model.ModelRules {
		r.ID = id
	}
	return model.ModelRules
}

// TestRules checks the files against every static rule that the criteria leave. A rule
// holds under its own condition and those of the rules that it is part of.
func TestRules(t *testing.T) {
	_, name := exportWith(t, fullList(t), month(t))
	kinds, cells := table(t, name+".parquet")
	names, rows := records(t, name+".csv")
	asText := map[string]string{}
	for _, column := range names {
		asText[column] = kinds[column] // text has no types of its own
	}
	rules := readRules(t)
	for format, f := range map[string]file{"Parquet": {rules, kinds, cells}, "CSV": {rules, asText, rows}} {
		t.Run(format, func(t *testing.T) {
			checked := 0
			for _, r := range rules {
				if r.Type != "Static" || !r.applies() {
					continue
				}
				checked++
				kept := f.keeps(r)
				if opposite, known := leftOut[r.ID]; known == kept || known && !f.keeps(rules[opposite]) {
					t.Errorf("%s: kept %v, left out %v", r.ID, kept, known)
				}
			}
			if checked != 375 {
				t.Errorf("%d rules", checked)
			}
		})
	}
}

func (r *rule) applies() bool {
	return !slices.ContainsFunc(r.ApplicabilityCriteria, func(c string) bool { return !slices.Contains(criteria, c) })
}

// file is what rules are checked on: kinds of columns, and rows without what is null.
type file struct {
	rules map[string]*rule
	kinds map[string]string
	rows  []map[string]string
}

// keeps reports whether a rule holds by itself, on each way from a rule that it is part of.
func (f file) keeps(r *rule) bool {
	switch r.ValidationCriteria.Keyword {
	case "MAY", "OPTIONAL":
		return true
	}
	for _, conditions := range f.ways(r, 0) {
		rows := slices.DeleteFunc(slices.Clone(f.rows), func(row map[string]string) bool {
			return slices.ContainsFunc(conditions, func(c check) bool { return !f.on(c, row) })
		})
		if !f.holds(r.ValidationCriteria.Requirement, rows) {
			return false
		}
	}
	return true
}

// ways lists the conditions under which a rule holds: its own, with those of each rule
// that it is part of.
func (f file) ways(r *rule, depth int) (all [][]check) {
	for _, parent := range f.rules {
		if depth < 5 && parent.ValidationCriteria.Requirement.has(r.ID) {
			all = append(all, f.ways(parent, depth+1)...)
		}
	}
	if all == nil {
		all = [][]check{nil}
	}
	if c := r.ValidationCriteria.Condition; !c.none() {
		for i := range all {
			all[i] = append(slices.Clone(all[i]), c)
		}
	}
	return all
}

func (c check) has(id string) bool {
	return c.CheckFunction == "CheckModelRule" && c.ModelRuleID == id || slices.ContainsFunc(c.Items, func(i check) bool { return i.has(id) })
}

// holds checks a requirement on rows.
func (f file) holds(c check, rows []map[string]string) bool {
	switch c.CheckFunction {
	case "ColumnPresent":
		return f.kinds[c.ColumnName] != ""
	case "TypeString":
		return f.kinds[c.ColumnName] == "STRING"
	case "TypeDecimal":
		return f.kinds[c.ColumnName] == "DECIMAL"
	case "TypeDateTime":
		return f.kinds[c.ColumnName] == "TIMESTAMP"
	case "CheckModelRule": // checked by itself
		return f.rules[c.ModelRuleID] != nil
	case "CheckDistinctCount":
		groups := map[string]map[string]bool{}
		for _, row := range rows {
			if groups[row[c.ColumnAName]] == nil {
				groups[row[c.ColumnAName]] = map[string]bool{}
			}
			groups[row[c.ColumnAName]][row[c.ColumnBName]] = true
		}
		for _, group := range groups {
			if len(group) != c.ExpectedCount {
				return false
			}
		}
		return true
	case "AND":
		return !slices.ContainsFunc(c.Items, func(i check) bool { return !f.holds(i, rows) })
	}
	return !slices.ContainsFunc(rows, func(row map[string]string) bool { return !f.on(c, row) && !f.unknown(c, row) })
}

// unknown reports whether a requirement says nothing of a row, because a value that it
// compares is null.
func (f file) unknown(c check, row map[string]string) bool {
	if len(c.Items) > 0 {
		return !slices.ContainsFunc(c.Items, func(i check) bool { return !f.unknown(i, row) })
	}
	_, known := row[c.ColumnName]
	return c.CheckFunction == "CheckValue" && c.Value != nil && !known
}

var (
	numeric  = regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	currency = regexp.MustCompile(`^(USD|EUR|GBP)$`)
	sizes    = `[KMGTPE]?[bB]|[KMGTPE]i[bB]`
	things   = `[A-Za-z][A-Za-z0-9]*(?: [A-Za-z][A-Za-z0-9]*)*`
	spans    = `(?:Year|Month|Day|Hour|Minute|Second)`
	unit     = regexp.MustCompile(`^(?:\d+ )?(?:` + sizes + `|` + things + `)$|^(?:` + sizes + `|` + things + `)(?:-` + spans + `s|/` + spans + `|/\d+ ` + spans + `s)$`)
)

// on checks one row.
func (f file) on(c check, row map[string]string) bool {
	value, known := row[c.ColumnName]
	a, b := row[c.ColumnAName], row[c.ColumnBName]
	each := func(items []check) bool {
		return !slices.ContainsFunc(items, func(i check) bool { return !f.on(i, row) })
	}
	switch c.CheckFunction {
	case "":
		return each(c.AND)
	case "CheckModelRule": // checked by itself
		return f.rules[c.ModelRuleID] != nil
	case "AND":
		return each(c.Items)
	case "OR":
		return slices.ContainsFunc(c.Items, func(i check) bool { return f.on(i, row) })
	case "CheckValue":
		return c.Value == nil && !known || c.Value != nil && known && value == text(c.Value)
	case "CheckNotValue":
		return c.Value == nil && known || c.Value != nil && value != text(c.Value)
	case "CheckSameValue":
		return a == b
	case "CheckNotSameValue":
		return a != b
	case "CheckGreaterOrEqualThanValue":
		return !known || !strings.HasPrefix(value, "-") && text(c.Value) == "0"
	case "CheckDecimalValue", "FormatNumeric":
		return !known || numeric.MatchString(value)
	case "FormatString":
		return !known || utf8.ValidString(value) && strings.TrimSpace(value) != ""
	case "FormatDateTime":
		_, err := time.Parse("2006-01-02T15:04:05Z", value)
		return !known || err == nil
	case "FormatUnit":
		return !known || unit.MatchString(value)
	case "FormatCurrency", "CheckNationalCurrency":
		return !known || currency.MatchString(value)
	case "FormatKeyValue":
		var values map[string]strictjson.Value
		return !known || strictjson.Unmarshal([]byte(value), &values) == nil && !slices.ContainsFunc(slices.Collect(kindsOf(values)), func(kind byte) bool { return kind == '{' || kind == '[' })
	case "ColumnByColumnEqualsColumnValue":
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		z, _ := new(big.Rat).SetString(row[c.ResultColumnName])
		return a == "" || b == "" || x.Mul(x, y).Cmp(z) == 0
	}
	panic("no check function " + c.CheckFunction)
}

func kindsOf(values map[string]strictjson.Value) func(func(byte) bool) {
	return func(yield func(byte) bool) {
		for _, v := range values {
			if !yield(byte(v.Kind())) {
				return
			}
		}
	}
}

// text is a value of a rule as the files have it.
func text(value any) string {
	if s, is := value.(string); is {
		return s
	}
	return strings.Trim(string(must(json.Marshal(value))), `"`)
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

// TestRulesAreChecked: a file that breaks a rule is found out.
func TestRulesAreChecked(t *testing.T) {
	_, name := exportWith(t, fullList(t), month(t))
	kinds, _ := table(t, name+".parquet")
	rules := readRules(t)
	for id, change := range map[string]map[string]string{
		"BilledCost-C-003-M":         {"BilledCost": ""},
		"BilledCost-C-005-C":         {"ProviderName": "another"},
		"ChargeClass-C-005-C":        {"ChargeClass": "Late"},
		"ConsumedUnit-C-003-O":       {"ConsumedUnit": "GB*hours"},
		"ListCost-C-009-C":           {"ListCost": "0.1"},
		"ListUnitPrice-C-008-M":      {"ListUnitPrice": "-1"},
		"RegionName-C-005-C":         {"RegionName": ""},
		"ServiceName-C-005-C":        {"ServiceCategory": "Compute"},
		"ServiceSubcategory-C-004-M": {"ServiceSubcategory": "Gaming"},
		"SubAccountName-C-005-C":     {"SubAccountName": ""},
		"Tags-C-001-M":               {"Tags": `{"a":[]}`},
	} {
		_, rows := records(t, name+".csv")
		for column, value := range change {
			if rows[0][column] = value; value == "" {
				delete(rows[0], column)
			}
		}
		f := file{rules, kinds, rows}
		if f.keeps(rules[id]) {
			t.Errorf("%s is kept with %v", id, change)
		}
	}
	delete(kinds, "InvoiceId")
	if f := (file{rules, kinds, nil}); f.keeps(rules["CostAndUsage-D-033-O"]) {
		t.Error("a column that is missing is there")
	}
	if diff := cmp.Diff("STRING", kinds["Tags"]); diff != "" {
		t.Error(diff)
	}
}
