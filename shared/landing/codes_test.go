package landing_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// codesOf finds the constants of a package whose names begin with prefix.
func codesOf(t *testing.T, dir, prefix string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if !strings.HasPrefix(name.Name, prefix) {
						continue
					}
					code, err := strconv.Unquote(v.Values[i].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatalf("%s: %v", name.Name, err)
					}
					found[name.Name] = code
				}
			}
		}
	}
	return found
}

// A person who finds a code in a table must find it in the document, once in the
// section it belongs to.
func TestEveryCodeIsInTheDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "hour-blob.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "## Rejected blobs")
	rejected, after, _ := strings.Cut(after, "## Rejected rows")
	refused, _, _ := strings.Cut(after, "\n## ")
	for _, c := range []struct{ dir, prefix, section string }{
		{".", "Rejected", rejected},
		{filepath.Join("..", "usage"), "Rejected", refused},
	} {
		all := codesOf(t, c.dir, c.prefix)
		if len(all) < 10 {
			t.Errorf("only %d codes found in %s", len(all), c.dir)
		}
		for name, code := range all {
			if strings.Count(c.section, "\n| `"+code+"` |") != 1 {
				t.Errorf("%s, %s: has not one line of its own in docs/formats/hour-blob.md", name, code)
			}
		}
		if lines := strings.Count(c.section, "\n| `"); lines != len(all) {
			t.Errorf("the document has %d codes, %s has %d", lines, c.dir, len(all))
		}
	}
}
