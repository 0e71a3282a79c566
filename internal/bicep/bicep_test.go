package bicep_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/bicep"
)

// files writes sets of files, name and text by turns, to a folder each, and
// parses them all.
func files(t testing.TB, sets ...[]string) (parsed [][]*bicep.File) {
	t.Helper()
	var paths []string
	for _, pairs := range sets {
		dir := t.TempDir()
		for i := 0; i < len(pairs); i += 2 {
			path := filepath.Join(dir, pairs[i])
			if err := os.WriteFile(path, []byte(pairs[i+1]), 0o644); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	all, err := bicep.Parse(t.Context(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	for _, pairs := range sets {
		n := len(pairs) / 2
		parsed, all = append(parsed, all[:n]), all[n:]
	}
	return parsed
}

// finds checks that the set of a case has the problem that it wants, or none.
func finds(t *testing.T, name string, set []*bicep.File, want string) {
	t.Run(name, func(t *testing.T) {
		got := strings.Join(bicep.Check(set), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("problems:\n%s\nwant %q", got, want)
		}
	})
}

const module = `
@export()
type pair = {
  @description('Required. One.')
  one: string
  two: bool?
}
@description('Required. Pairs.')
param pairs pair[]
@description('Optional. How many.')
param many int = 3
var local = [for (p, i) in pairs: '${p.one}${i}${many}']
resource outer 'A.B/c@2020-01-01' = {
  name: local[0]
  resource inner 'd' = {
    name: 'x'
  }
}
@description('What is inside.')
output id string = outer::inner.id
`

const template = `
import { pair } from 'm.bicep'
@description('Required. Pairs.')
param all pair[]
module m 'm.bicep' = {
  name: 'm'
  params: {
    pairs: filter(all, p => p.two ?? true)
  }
}
@description('What is inside.')
output id string = m.outputs.id
`

func TestCheck(t *testing.T) {
	cases := []struct{ name, module, template, want string }{
		{"files that fit", module, template, ""},
		{"a bracket is missing", strings.Replace(module, "pairs pair[]", "pairs pair[", 1), template, "m.bicep:9: not understood"},
		{"a value is missing", strings.Replace(module, "int = 3", "int =", 1), template, "not understood"},
		{"a letter that is none of ASCII", strings.Replace(module, "How many", "How m\u00e4ny", 1), template, "m.bicep:10: byte "},
		{"a name that is not declared", strings.Replace(module, "local[0]", "locals[0]", 1), template, "m.bicep:14: locals is not declared"},
		{"a name declared twice", module + "var local = 1\n", template, "local is declared twice"},
		{"a variable that nobody uses", module + "var idle = 1\n", template, "var idle is never used"},
		{"a parameter that nobody uses", module + "@description('x')\nparam idle int = 1\n", template, "param idle is never used"},
		{"a parameter without a description", strings.Replace(module, "@description('Optional. How many.')\n", "", 1), template, "param many has no description"},
		{"a function that is not known", strings.Replace(module, "local[0]", "locals(0)", 1), template, "function locals is not known"},
		{"a nested resource that is not there", strings.Replace(module, "outer::inner", "outer::other", 1), template, "outer::other is not declared"},
		{"a property that the type has not got", strings.Replace(module, "${p.one}", "${p.three}", 1), template, "p.three: the type has no property three"},
		{"a default of another type", strings.Replace(module, "int = 3", "int = '3'", 1), template, "param many: '3', where int is asked for"},
		{"an output that is not there", module, strings.Replace(template, "outputs.id", "outputs.ids", 1), "has no output ids"},
		{"a module that is not there", module, strings.Replace(template, "module m 'm.bicep'", "module m 'n.bicep'", 1), "module n.bicep is not there"},
		{"an import that is not there", module, strings.Replace(template, "{ pair }", "{ pears }", 1), "m.bicep exports no pears"},
		{"an import that nobody uses", module, strings.Replace(template, "pair[]", "array", 1), "import pair is never used"},
		{"a parameter that is not set", module, strings.Replace(template, "pairs: filter", "many: filter", 1), "module m does not set param pairs"},
		{"a parameter that is not declared", module, strings.Replace(template, "    pairs:", "    more: 1\n    pairs:", 1), "module m sets param more, which m.bicep has not got"},
		{"an object with a property missing", module, strings.Replace(template, "filter(all, p => p.two ?? true)", "[{ two: empty(all) }]", 1), "property one is missing"},
		{"an object with a property too many", module, strings.Replace(template, "filter(all, p => p.two ?? true)", "[{ one: '', on: empty(all) }]", 1), "no property on is asked for"},
		{"two deployments of one name", module, template + "module n 'm.bicep' = {\n  name: 'm'\n  params: {\n    pairs: all\n  }\n}\n", "deployment m has the name of another one"},
	}
	var sets [][]string
	for _, c := range cases {
		sets = append(sets, []string{"m.bicep", c.module, "main.bicep", c.template})
	}
	for i, set := range files(t, sets...) {
		finds(t, cases[i].name, set, cases[i].want)
	}
}

func TestParameterFile(t *testing.T) {
	good := "using 'main.bicep'\n\nparam all = [\n  { one: 'a' }\n]\n"
	cases := []struct{ name, text, want string }{
		{"a file that fits", good, ""},
		{"a parameter that the template has not got", good + "param more = 1\n", "sets param more"},
		{"a parameter that is missing", "using 'main.bicep'\n", "does not set param all"},
		{"a property that is missing", strings.Replace(good, "one", "two", 1), "property one is missing"},
		{"a template that is not there", strings.Replace(good, "main", "mine", 1), "template mine.bicep is not there"},
	}
	var sets [][]string
	for _, c := range cases {
		sets = append(sets, []string{"m.bicep", module, "main.bicep", template, "main.bicepparam", c.text})
	}
	for i, set := range files(t, sets...) {
		finds(t, cases[i].name, set, cases[i].want)
	}
}

func TestReading(t *testing.T) {
	f := files(t, []string{"a.bicep", "var a = {\n  'b-c': ['x', 'it\\'s'] // why\n  d: '''\ntext\n'''\n}\n"})[0][0]
	object := f.Decl("var", "a").Value
	if diff := cmp.Diff([]string{"x", "it's"}, bicep.Strings(bicep.Find(object, "b-c"))); diff != "" {
		t.Errorf("strings (-want +got):\n%s", diff)
	}
	if text, ok := bicep.Find(object, "d").Value(); !ok || text != "text\n" {
		t.Errorf("text %q", text)
	}
	if bicep.Find(object, "d", "e") != nil || bicep.Find(object, "e") != nil {
		t.Error("found what is not there")
	}
}
