package infra_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stackusage/internal/bicep"
)

// templates are the Bicep files by their path below infra.
type templates map[string]*bicep.File

// edit is a change that a check must notice.
type edit struct{ file, old, new string }

// load parses the templates, and one copy of them for each edit.
func load(t testing.TB, edits ...edit) (asIs templates, edited []templates) {
	t.Helper()
	var names, paths []string
	for _, pattern := range []string{"*.bicep", "*.bicepparam", "modules/*.bicep"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		names = append(names, found...)
	}
	paths = slices.Clone(names)
	for _, e := range edits {
		text := read(t, "infra/"+e.file)
		if !strings.Contains(text, e.old) {
			t.Fatalf("%s has no %q to edit", e.file, e.old)
		}
		path := filepath.Join(t.TempDir(), filepath.Base(e.file))
		if err := os.WriteFile(path, []byte(strings.Replace(text, e.old, e.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	files, err := bicep.Parse(t.Context(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	asIs = templates{}
	for i, name := range names {
		asIs[filepath.ToSlash(name)] = files[i]
	}
	for i, e := range edits {
		file := files[len(names)+i]
		file.Path = filepath.FromSlash(e.file) // it stands in the place of the original
		all := maps.Clone(asIs)
		all[e.file] = file
		edited = append(edited, all)
	}
	return asIs, edited
}

// mutant is an edit and what a check must say of it.
type mutant struct {
	name string
	edit
	want string
}

// holds runs a check on the templates as they are, which must be fine, and on
// each mutant, which must not.
func holds(t *testing.T, check func(testing.TB, templates) []string, mutants ...mutant) {
	t.Helper()
	var edits []edit
	for _, m := range mutants {
		edits = append(edits, m.edit)
	}
	asIs, edited := load(t, edits...)
	t.Run("as it is", func(t *testing.T) {
		for _, problem := range check(t, asIs) {
			t.Error(problem)
		}
	})
	for i, m := range mutants {
		t.Run("noticed: "+m.name, func(t *testing.T) {
			got := strings.Join(check(t, edited[i]), "\n")
			if m.want == "" || !strings.Contains(got, m.want) {
				t.Errorf("problems:\n%s\nwant %q", got, m.want)
			}
		})
	}
}

// value is what a variable of a file is.
func (all templates) value(t testing.TB, file, name string) *bicep.Node {
	t.Helper()
	if f := all[file]; f != nil {
		if d := f.Decl("var", name); d != nil {
			return d.Value
		}
	}
	t.Fatalf("%s has no variable %s", file, name)
	return nil
}

// resources are all resources of a type, with the file that each is in.
func (all templates) resources(kind string) map[*bicep.Decl]string {
	found := map[*bicep.Decl]string{}
	for name, f := range all {
		for _, d := range f.Resources() {
			if api, _, _ := strings.Cut(d.Ref, "@"); api == kind && !d.Existing {
				found[d] = name
			}
		}
	}
	return found
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decode(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestTemplates(t *testing.T) {
	holds(t, func(_ testing.TB, all templates) (problems []string) {
		var files []*bicep.File
		for name, f := range all {
			files = append(files, f)
			if lines := strings.Count(f.Root.Text(), "\n"); strings.HasPrefix(name, "modules/") && lines >= 120 {
				problems = append(problems, name+" is too long for one concern")
			}
		}
		return append(problems, bicep.Check(files)...)
	},
		mutant{"a bracket is missing", edit{"modules/names.bicep", "'Decisions'\n]", "'Decisions'\n"}, "not understood"},
		mutant{"a name that is not declared", edit{"modules/landing.bicep", "parent: containers[i]", "parent: container[i]"}, "container is not declared"},
		mutant{"a parameter that nobody uses", edit{"modules/landing.bicep", "InDays: retentionDays", "InDays: 2557"}, "param retentionDays is never used"},
		mutant{"an output that is not there", edit{"main.bicep", "roles.outputs.addBlobsId", "roles.outputs.addId"}, "has no output addId"},
		mutant{"a parameter that a module has not got", edit{"main.bicep", "    suffix: suffix\n", "    suffix: suffix\n    tail: suffix\n"}, "sets param tail"},
		mutant{"a parameter that is not set", edit{"modules/app.bicep", "    clientId: identity.outputs.clientId\n", ""}, "does not set param clientId"},
		mutant{"a module that is not there", edit{"modules/app.bicep", "'identity.bicep'", "'identities.bicep'"}, "identities.bicep is not there"},
		mutant{"a registration without a principal", edit{"main.bicepparam", "    agentPrincipalId: '00000000-0000-0000-0000-00000000000a'\n", ""}, "agentPrincipalId is missing"},
		mutant{"a property of a registration that does not exist", edit{"modules/landing.bicep", "landing-${stack.cloudId}", "landing-${stack.cloud}"}, "stack.cloud: the type has no property cloud"},
		mutant{"a long file", edit{"modules/identity.bicep", "\n\n", strings.Repeat("\n", 120)}, "too long"},
	)
}

// The linter is strict: it cannot run here, but it must not be turned down.
func TestLinter(t *testing.T) {
	var config struct {
		Analyzers struct {
			Core struct {
				Enabled bool
				Rules   map[string]struct{ Level string }
			}
		}
	}
	decode(t, "infra/bicepconfig.json", &config)
	if !config.Analyzers.Core.Enabled || len(config.Analyzers.Core.Rules) < 20 {
		t.Fatalf("%+v", config)
	}
	for name, rule := range config.Analyzers.Core.Rules {
		if rule.Level != "error" && name != "use-recent-api-versions" { // which depends on the day, and must not break an old commit
			t.Errorf("rule %s has level %q", name, rule.Level)
		}
	}
	for _, name := range []string{"no-hardcoded-env-urls", "no-unused-params", "no-unused-vars", "outputs-should-not-contain-secrets", "use-parent-property"} {
		if config.Analyzers.Core.Rules[name].Level != "error" {
			t.Errorf("rule %s is missing", name)
		}
	}
}

var versioned = regexp.MustCompile(`^Microsoft\.[\w./]+@\d{4}-\d{2}-\d{2}(-preview)?$`)

func TestAPIVersions(t *testing.T) {
	holds(t, func(t testing.TB, all templates) (problems []string) {
		_, section, ok := strings.Cut(read(t, "docs/deploy.md"), "\n## API versions\n")
		if !ok {
			t.Fatal("docs/deploy.md has no section of API versions")
		}
		section, _, _ = strings.Cut(section, "\n## ")
		documented := map[string]string{}
		for _, row := range regexp.MustCompile("(?m)^\\| `(Microsoft[^`]+)` \\| (\\S+) \\|$").FindAllStringSubmatch(section, -1) {
			documented[row[1]] = row[2]
		}
		used := map[string]bool{}
		for name, f := range all {
			for _, d := range f.Resources() {
				ref := d.Ref
				for p := d.Parent; p != nil && !strings.Contains(ref, "@"); p = p.Parent {
					api, version, found := strings.Cut(p.Ref, "@")
					if ref = api + "/" + ref; found {
						ref += "@" + version
					}
				}
				if !versioned.MatchString(ref) {
					problems = append(problems, name+": "+ref+" is no type with a version")
				}
				api, version, _ := strings.Cut(ref, "@")
				if used[api] = true; documented[api] != version {
					problems = append(problems, name+" uses "+ref+", docs/deploy.md says "+documented[api])
				}
			}
		}
		for api := range documented {
			if !used[api] {
				problems = append(problems, "docs/deploy.md lists "+api+", which nothing uses")
			}
		}
		slices.Sort(problems)
		return problems
	},
		mutant{"another version", edit{"modules/identity.bicep", "@2024-11-30", "@2023-01-31"}, "uses Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31"},
		mutant{"a type that is not listed", edit{"modules/identity.bicep", "userAssignedIdentities@", "identities@"}, "which nothing uses"},
		mutant{"no version", edit{"modules/identity.bicep", "@2024-11-30", ""}, "is no type with a version"},
	)
}
