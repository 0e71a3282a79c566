package focus_test

import (
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stackusage/shared/strictjson"
)

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
