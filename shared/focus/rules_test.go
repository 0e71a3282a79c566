package focus_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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
