package config

import (
	"bytes"
	"cmp"
	"encoding"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"stackusage/shared/usage"
)

// maxValue is the most bytes of one value.
const maxValue = 4096

// Problem is one thing that is wrong with a file.
type Problem struct {
	Line int    // 0: nowhere, as what is missing is
	Key  string // stack.signIn.method
	Text string // what is wrong, and what to do
}

func (p Problem) String() string {
	text := p.Text
	if p.Key != "" {
		text = p.Key + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}

type decoder struct{ problems []Problem }

// decode sets what text says in c and leaves the rest.
func decode(text []byte, c *Config) []Problem {
	if !utf8.Valid(text) {
		return []Problem{{Text: "it is not UTF-8: save it as plain text"}}
	}
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err == io.EOF {
		return nil // empty, or comments only
	} else if err != nil {
		return []Problem{syntax(err)}
	}
	switch err := in.Decode(&more); {
	case err == nil: // keys that nobody would read
		return []Problem{{Line: more.Line, Text: "a second document begins here: remove the line --- and what is not meant"}}
	case err != io.EOF:
		return []Problem{syntax(err)}
	}
	if len(doc.Content) == 0 {
		return nil
	}
	var d decoder
	d.section("", doc.Content[0], reflect.ValueOf(c).Elem())
	return d.problems
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

// syntax is an error of the library. Its words can quote the file, so that only
// what it is sure to have made up itself is shown.
func syntax(err error) Problem {
	p := Problem{Text: "not YAML: look for a tab, a missing space after a colon, or a quote without its end"}
	if m := yamlError.FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
	}
	return p
}

func (d *decoder) report(line int, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{line, key, fmt.Sprintf(format, args...)})
}

// section sets the fields of v, a struct, from a mapping.
func (d *decoder) section(path string, node *yaml.Node, v reflect.Value) {
	if node.Kind != yaml.MappingNode || node.Anchor != "" {
		if path == "" {
			d.report(node.Line, path, "the file must be keys and values, as stackusage-agent config sample prints")
		} else if node.Tag != "!!null" {
			d.report(node.Line, path, "is a section: write its keys below it, each in a line of its own")
		}
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := join(path, shown(name.Value))
		field, known := fieldOf(v, name.Value)
		switch line, twice := seen[name.Value]; {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			d.report(name.Line, path, "anchors, aliases and merges are not supported: write the keys out")
		case twice:
			d.report(name.Line, key, "it is already in line %d: remove one", line)
		case !known:
			d.unknown(name, key, v)
		case value.Value == none && field.Type() == reflect.TypeFor[Storage]():
			field.Set(reflect.ValueOf(Storage{None: true}))
		case field.Kind() == reflect.Struct:
			d.section(key, value, field)
		default:
			d.value(key, value, field)
		}
		seen[name.Value] = name.Line
	}
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag == key && tag != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// shown is a key as it can stand in an error: keys are not values, but a file
// may be anything.
func shown(key string) string {
	if len(key) > 60 || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "(a key of odd characters)"
	}
	return key
}

var secretLike = regexp.MustCompile(`(?i)secret|password|passwd|connection.?string|account.?key|shared.?key|sas|token|credential|private.?key`)

func (d *decoder) unknown(name *yaml.Node, key string, v reflect.Value) {
	if secretLike.MatchString(name.Value) {
		d.report(name.Line, key, "this file must not hold secrets: write it into a file of its own and name that in a key ending in File, or name a variable in a key ending in Env; then take it out here, and change the secret if others could read the file")
		return
	}
	near, distance := "", 4
	for i := range v.NumField() {
		known := v.Type().Field(i).Tag.Get("yaml")
		if n := edits(strings.ToLower(name.Value), strings.ToLower(known)); n < distance && n < len(known) {
			near, distance = known, n
		}
	}
	if near != "" {
		d.report(name.Line, key, "unknown key; did you mean %s?", near)
		return
	}
	d.report(name.Line, key, "unknown key; stackusage-agent config sample lists all keys")
}

// edits is the Levenshtein distance of two keys.
func edits(a, b string) int {
	if len(a) > 60 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// value sets one field. A value that is empty or null leaves the default.
func (d *decoder) value(key string, node *yaml.Node, v reflect.Value) {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		d.report(node.Line, key, "anchors and aliases are not supported: write the value out")
		return
	}
	if list, ok := v.Addr().Interface().(*[]string); ok {
		d.list(key, node, list)
		return
	}
	if node.Kind != yaml.ScalarNode {
		d.report(node.Line, key, "must be one value")
		return
	}
	if why := oddText(node.Value); why != "" {
		d.report(node.Line, key, "%s", why)
		return
	}
	if node.Value == "" || node.Tag == "!!null" {
		return
	}
	if err := set(v, node.Value); err != nil {
		d.report(node.Line, key, "%v", err)
	}
}

func (d *decoder) list(key string, node *yaml.Node, list *[]string) {
	if node.Kind != yaml.SequenceNode {
		if node.Value != "" && node.Tag != "!!null" {
			d.report(node.Line, key, "must be a list: [one, other]")
		}
		return
	}
	*list = slices.Clip((*list)[:0])
	for _, item := range node.Content {
		why := oddText(item.Value)
		if item.Kind != yaml.ScalarNode || item.Anchor != "" || item.Value == "" {
			why = "must be a list of texts: [one, other]"
		}
		if why != "" {
			d.report(item.Line, key, "%s", why)
			continue
		}
		*list = append(*list, item.Value)
	}
}

func oddText(text string) string {
	switch {
	case len(text) > maxValue:
		return fmt.Sprintf("over %d bytes", maxValue)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "it contains a control character or a line end"
	}
	return ""
}

func set(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case **usage.Hour:
		var flag usage.HourFlag
		if err := flag.Set(text); err != nil {
			return err
		}
		*p = flag.Hour
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *string:
		*p = text
	case *time.Duration:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	case *int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return fmt.Errorf("not a whole number, such as 48")
		}
		*p = int(n)
	default: // a pointer to what may be absent
		target := reflect.New(v.Type().Elem())
		if err := set(target.Elem(), text); err != nil {
			return err
		}
		v.Set(target)
	}
	return nil
}

// byLine orders problems as they stand in the file; what is missing comes last.
func byLine(a, b Problem) int {
	return cmp.Or(cmp.Compare(uint(a.Line-1), uint(b.Line-1)), cmp.Compare(a.Key, b.Key))
}
